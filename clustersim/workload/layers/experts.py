"""The mixture of experts: router, dispatch, grouped products, combine, shared experts."""

from __future__ import annotations

import numpy as np

from clustersim.inputs.model import Experts, Model
from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import CoveredExchange, Element, Exchange, ExpertImbalance, MemoryBound
from clustersim.workload.layers.feed_forward import activation, dense_elements
from clustersim.workload.layers.linear import Linear
from clustersim.workload.shape import EXPERT_ACTIVATION, LOW_PRECISION_BYTES, Shape
from clustersim.workload.states import FP32_BYTES


def expert_elements(model: Model, shape: Shape) -> list[Element]:
    """Router, dispatch, this rank's routed experts, combine; shared experts as a dense feed-forward.

    Shared experts run after the routed ones, or behind their exchanges where the stack overlaps them: up-projection and
    activation behind the dispatch, down-projection behind the combine.
    Tokens a rank routes: those it holds, each to `top_k` experts; the groups of expert-tensor ranks gather them.
    Every collective of the group waits for its busiest rank, so that exchanges, permutations, activations and what is
    kept are those of that rank; taken as the busiest in every layer, as far as memory adds up.
    Source: Lepikhin et al. 2020 (GShard, arXiv 2006.16668).
    """
    moe = model.moe
    if moe is None:
        raise ValueError(f"{model.name} has no experts")
    held = shape.resident_tokens
    routed = held * moe.top_k
    vector = shape.activation_bytes * model.hidden
    message = vector * routed
    busiest = message * shape.busiest_expert_rank
    gathered = busiest * shape.expert_tensor
    sent = shape.dispatch_bytes * model.hidden * routed  # tokens to experts, and the gradients of what these return
    dispatch, combine = (
        Exchange(
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
        for kind, adjoint, there, back in (
            ("dispatch", "combine", sent, message),
            ("combine", "dispatch", message, sent),
        )
    )
    returned = 0.0 if shape.weights_in_experts else message  # kept for the gradient of the routing weights
    shared = _shared_elements(model, moe, shape)
    behind, after = (shared, []) if "shared_expert" in shape.overlap else ([], shared)
    return [
        _router(model, moe, shape),
        MemoryBound("permute", 2 * busiest, 2 * busiest, gradients=busiest),
        CoveredExchange(dispatch, tuple(behind[:-1])),
        Exchange("expert gather", "expert_tensor", "all-gather", "reduce-scatter", gathered),
        *_arranged(moe, shape, gathered),
        *_grouped_experts(model, moe, shape, routed * shape.expert_tensor),
        *_arranged(moe, shape, gathered),
        Exchange("expert scatter", "expert_tensor", "reduce-scatter", "all-gather", gathered),
        CoveredExchange(combine, tuple(behind[-1:])),
        MemoryBound(
            "unpermute", busiest + vector * held, 2 * busiest + vector * held, saved=returned, gradients=busiest
        ),
        *after,
    ]


def _arranged(moe: Experts, shape: Shape, received: Array) -> list[Element]:
    """Copies of all `received` bytes on either side of the experts: by local expert, and padded for low precision.

    An all-to-all brings tokens by rank, so that those of several experts a rank are sorted once more (kernels of DeepEP
    and HybridEP bring them in order); products in low precision take rows in multiples of 16 to 32, to which a kernel
    pads them unless the router does. Source: Megatron-LM, moe/token_dispatcher.py (sort_chunks_by_idxs); Transformer
    Engine, Fp8Padding and Fp8Unpadding.
    """
    copies: list[Element] = []
    if shape.dispatcher == "alltoall":
        several = np.where(moe.experts / shape.expert > 1.0, 2.0, 0.0)
        copies.append(MemoryBound("expert sort", several * received, several * received, gradients=received))
    if shape.precision in LOW_PRECISION_BYTES and not shape.padded_routing:
        copies.append(MemoryBound("expert padding", 2.0 * received, 2.0 * received, gradients=received))
    return copies


def _router(model: Model, moe: Experts, shape: Shape) -> MemoryBound:
    """Scores in fp32 (a thin product, bound by reading the tokens), softmax or sigmoid, top-k, counts."""
    held = shape.resident_tokens
    traffic = shape.activation_bytes * held * model.hidden + 4 * FP32_BYTES * held * moe.experts
    return MemoryBound("router", traffic, 2 * traffic, saved=FP32_BYTES * held * moe.experts, kernels=6)


def _grouped_experts(model: Model, moe: Experts, shape: Shape, rows: Array) -> list[Element]:
    """This rank's experts, `rows` tokens in all; selective recomputation may drop what their activation makes.

    Products of the rows that the busiest rank has beyond the mean stand apart.
    """
    local = moe.experts / shape.expert
    inner = moe.ffn_hidden / shape.expert_tensor
    outputs = (2 if model.gated else 1) * inner
    hidden = float(model.hidden)
    load, kept = shape.busiest_expert_rank, shape.activation_bytes * rows
    products: list[Element] = [
        Linear("expert up", rows / local, outputs, hidden, shape, local, saved=kept * hidden, load=load),
        activation(
            "expert activation",
            model,
            shape,
            load * rows * inner,
            selective=EXPERT_ACTIVATION in shape.selected,
            kept=shape.expert_kept_bytes,
        ),
        Linear(
            "expert down",
            rows / local,
            hidden,
            inner,
            shape,
            local,
            saved=kept * inner,
            load=load,
            input_dropped=EXPERT_ACTIVATION in shape.selected,
        ),
    ]
    if np.ndim(load) == 0 and load == 1.0:
        return products
    late = rows / local * (load - 1.0)
    return [*products, ExpertImbalance("busiest expert rank", late, hidden, outputs + inner, local, shape.precision)]


def _shared_elements(model: Model, moe: Experts, shape: Shape) -> list[Element]:
    if not moe.shared:
        return []
    width = moe.shared * (moe.shared_ffn_hidden or moe.ffn_hidden)
    return dense_elements(model, shape, width, prefix="shared ")
