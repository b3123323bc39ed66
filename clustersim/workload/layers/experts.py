"""The mixture of experts: router, dispatch, grouped products, combine, shared experts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clustersim.inputs.model import Experts, Model
from clustersim.inputs.precisions import FP32_BYTES
from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import CoveredExchange, Element, Exchange, ExpertImbalance, MemoryBound
from clustersim.workload.layers.feed_forward import activation, dense_elements, dense_matrices, up_width
from clustersim.workload.layers.layer import Layer, Matrix
from clustersim.workload.layers.linear import Linear
from clustersim.workload.layers.permutes import permuted, sliced
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.shape import Shape
from clustersim.workload.software import EXPERT_ACTIVATION


class ExpertLayer(Layer):
    """Routed experts, and those that every token meets."""

    @property
    def label(self) -> str:
        """Expert."""
        return "expert"

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """Router, routed experts (half of whose products are repeated by operations: assumed), shared experts.

        The router's scores are memory-bound work, which recomputation by operations repeats as such.
        """
        moe = _experts(model)
        up, many, met = up_width(model, moe.ffn_hidden), moe.experts, moe.top_k
        seen = _seen_width(model, moe)
        return (
            Matrix("router", model.hidden, moe.experts, "whole", repeated=0.0),
            Matrix("expert up", seen, up, "experts", many, met),
            Matrix("expert down", moe.ffn_hidden, seen, "experts", many, met),
            *(dense_matrices(model, _shared_width(moe), "shared ") if moe.shared else ()),
            *_latent_matrices(model, moe),
        )

    def vectors(self, model: Model) -> float:
        """Biases of all experts' matrices."""
        moe = _experts(model)
        if not model.bias:
            return 0.0
        shared = model.hidden + up_width(model, _shared_width(moe)) if moe.shared else 0.0
        return float(moe.experts * (model.hidden + up_width(model, moe.ffn_hidden)) + shared)

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """Router, dispatch, this rank's routed experts, combine; shared experts as a dense feed-forward.

        Shared experts run after the routed ones, or behind their exchanges where the stack overlaps them: up-projection
        and activation behind the dispatch, down-projection behind the combine.
        Tokens a rank routes: those it holds, each to `top_k` experts; the groups of expert-tensor ranks gather them.
        Every collective of the group waits for its busiest rank, so that exchanges, permutations, activations and what
        is kept are those of that rank; taken as the busiest in every layer, as far as memory adds up.
        Source: Lepikhin et al. 2020 (GShard, arXiv 2006.16668).
        """
        moe = _experts(model)
        held = shape.resident_tokens
        routed = held * moe.top_k
        vector = shape.activation_bytes * _seen_width(model, moe)
        gathered = vector * routed * shape.busiest_expert_rank * shape.expert_tensor
        copies = permuted(moe, shape, vector, held, routed, kept=not shape.software.weights_in_experts)
        dispatch, combine = _exchanges(model, moe, shape, routed)
        shared = dense_elements(model, shape, _shared_width(moe), prefix="shared ") if moe.shared else []
        behind, after = (shared, []) if "shared_expert" in shape.overlap else ([], shared)
        narrowed, widened = _around_latent(model, moe, shape)
        return [
            _router(model, moe, shape),
            *narrowed,
            *copies.sent,
            CoveredExchange(dispatch, tuple(behind[:-1])),
            Exchange("expert gather", "expert_tensor", "all-gather", "reduce-scatter", gathered),
            *copies.arrived,
            *sliced(moe, shape, gathered),
            *self._grouped(model, moe, shape, routed * shape.expert_tensor),
            *copies.leaving,
            Exchange("expert scatter", "expert_tensor", "reduce-scatter", "all-gather", gathered),
            CoveredExchange(combine, tuple(behind[-1:])),
            *copies.returned,
            *widened,
            *after,
        ]

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """As in training."""
        return self.train(model, shape)

    def _grouped(self, model: Model, moe: Experts, shape: Shape, rows: Array) -> list[Element]:
        """This rank's experts, `rows` tokens in all; selective recomputation may drop what their activation makes.

        Products of the rows that the busiest rank has beyond the mean stand apart.
        """
        _, up, down, *_ = self.matrices(model)
        local, load = moe.experts / shape.expert, shape.busiest_expert_rank
        outputs, inner = up.outputs / shape.expert_tensor, down.inputs / shape.expert_tensor
        again, kept = EXPERT_ACTIVATION in shape.software.selected, shape.activation_bytes * rows
        products: list[Element] = [
            Linear(
                up.name,
                rows / local,
                outputs,
                up.inputs,
                shape,
                local,
                saved=kept * up.inputs,
                load=load,
                of_experts=True,
            ),
            activation(
                "expert activation", model, shape, load * rows * inner, selective=again, kept=shape.expert_kept_bytes
            ),
            Linear(
                down.name,
                rows / local,
                down.outputs,
                inner,
                shape,
                local,
                saved=kept * inner,
                load=load,
                input_dropped=again,
                of_experts=True,
            ),
        ]
        if np.ndim(load) == 0 and load == 1.0:
            return products
        late, width = rows / local * (load - 1.0), outputs + inner
        return [*products, ExpertImbalance("busiest expert rank", late, up.inputs, width, local, shape.precision)]


def _experts(model: Model) -> Experts:
    if model.moe is None:
        raise ValueError(f"{model.name} has no experts")
    return model.moe


def _shared_width(moe: Experts) -> int:
    """Inner width of all shared experts together."""
    return moe.shared * (moe.shared_ffn_hidden or moe.ffn_hidden)


def _seen_width(model: Model, moe: Experts) -> int:
    """Width of what travels to routed experts: the hidden size, or what a projection leaves of it."""
    return moe.latent or model.hidden


def _latent_matrices(model: Model, moe: Experts) -> tuple[Matrix, ...]:
    """The projections before and behind routed experts that see a narrower width (Nemotron 3, LatentMoE)."""
    if moe.latent is None:
        return ()
    narrow = Matrix("expert narrow", model.hidden, moe.latent, "whole")
    return narrow, Matrix("expert wide", moe.latent, model.hidden, "whole")


def _around_latent(model: Model, moe: Experts, shape: Shape) -> tuple[list[Element], list[Element]]:
    """These projections, of the tokens that a rank holds."""
    held, width = shape.resident_tokens, shape.activation_bytes
    linears: list[list[Element]] = [
        [Linear(matrix.name, held, matrix.outputs, matrix.inputs, shape, saved=width * held * matrix.inputs)]
        for matrix in _latent_matrices(model, moe)
    ]
    return (linears[0], linears[1]) if linears else ([], [])


def _exchanges(model: Model, moe: Experts, shape: Shape, routed: Array) -> tuple[Exchange, Exchange]:
    """Tokens to experts, and what these return; backward the gradients of what they return, and of the tokens."""
    seen = _seen_width(model, moe)
    sent, returned = (width * seen * routed for width in (shape.software.dispatch_bytes, shape.activation_bytes))

    def exchange(kind: str, adjoint: str, there: Array, back: Array) -> Exchange:
        return Exchange(
            "expert",
            "expert",
            kind,
            adjoint,
            there,
            shape.dispatcher,
            moe.top_k,
            moe.groups_a_token,
            backward_bytes=back,
            spread=shape.expert_spread,
            capacity=shape.capacity,
            load=shape.busiest_expert_rank,
        )

    return exchange("dispatch", "combine", sent, returned), exchange("combine", "dispatch", returned, sent)


def _router(model: Model, moe: Experts, shape: Shape) -> MemoryBound:
    """Scores in fp32 (a thin product, bound by reading the tokens), softmax or sigmoid, top-k, counts."""
    held = shape.resident_tokens
    traffic = shape.activation_bytes * held * model.hidden + 4 * FP32_BYTES * held * moe.experts
    return MemoryBound("router", traffic, 2 * traffic, saved=FP32_BYTES * held * moe.experts, kernels=6)
