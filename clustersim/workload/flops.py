"""Model FLOPs: what an MFU counts, by convention. What devices execute is told by the passes instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Literal

from clustersim.inputs.kinds import chosen
from clustersim.inputs.model import BlockKind, Model, layer_kinds
from clustersim.inputs.training import Training
from clustersim.workload.layers.attention import core_runs_again
from clustersim.workload.layers.spans import causal_keys, reach
from clustersim.workload.parameters import attention_matrices, ffn_matrices, latent_up_matrices
from clustersim.workload.passes import SELECTS
from clustersim.workload.shape import LATENT_UP

Convention = Literal["full", "causal", "6N"]

FORWARD_AND_BACKWARD = 3.0  # one forward, two for the backward pass's two gradients


def model_flops_per_token(model: Model, training: Training, convention: Convention = "full") -> float:
    """FLOP a token of forward and backward: 6 x matmul parameters met + 6 x sum over layers of heads (d_qk + d_v) span.

    Span: the sequence, or the window or document where that is shorter (`full`); the keys that a query meets behind the
    causal mask (`causal`): half of a sequence or document, w (1 - w / 2s) of a window; `6N` leaves attention out.
    Matmul parameters: active and shared experts, output head, multi-token-prediction modules; look-ups and norms not.
    Source: Chowdhery et al. 2022 (PaLM, arXiv 2204.02311, appendix B).
    """
    flops = 2.0 * FORWARD_AND_BACKWARD * matmul_parameters(model)
    if convention == "6N":
        return flops
    span_of = chosen("convention", convention, {"full": _span, "causal": _causal_span})
    kinds = _kinds(model, model.layers + model.mtp_layers)
    spans = sum(times * span_of(model, kind, training) for kind, times in kinds.items())
    return flops + 2.0 * FORWARD_AND_BACKWARD * spans * model.heads * (model.qk_head_size + model.v_head_size)


def matmul_parameters(model: Model) -> float:
    """Matrix parameters that one token is multiplied by, output heads of multi-token prediction included."""
    head = model.hidden * model.vocab
    kinds = _kinds(model, model.layers + model.mtp_layers)
    layers = sum(times * _met(model, kind) for kind, times in kinds.items())
    return layers + (1 + model.mtp_layers) * head + model.mtp_layers * 2.0 * model.hidden**2


def _met(model: Model, kind: BlockKind) -> float:
    attention = sum(attention_matrices(model))
    moe = model.moe
    if not kind.experts or moe is None:
        return attention + ffn_matrices(model, model.ffn_hidden)
    routed = moe.top_k * ffn_matrices(model, moe.ffn_hidden)
    shared = moe.shared * ffn_matrices(model, moe.shared_ffn_hidden or moe.ffn_hidden)
    return attention + routed + shared + model.hidden * moe.experts


def _span(model: Model, kind: BlockKind, training: Training) -> float:
    return reach(model, kind.attention, float(training.attention_span))


def _causal_span(model: Model, kind: BlockKind, training: Training) -> float:
    return causal_keys(model, kind.attention, float(training.attention_span))


def recomputed_flops_per_token(
    model: Model, training: Training, layers: Mapping[str, int], *, fused: bool, selected: Collection[str]
) -> float:
    """FLOP a token that recomputation adds, `layers`: how many in which way.

    Full: the forward pass. Selective: what is `selected` of the attention core and the up-projections of latent
    attention. Operations: every second product.

    In the `full` convention, as an HFU counts them. Source: Korthikanti et al. 2022, arXiv 2205.05198, appendix A.
    """

    def added(mode: str, kind: BlockKind) -> float:
        if mode == "full":
            return 2.0 * _met(model, kind) + _core(model, training, kind)
        if mode == "operations":
            return 2.0 * _every_second(model, kind)
        return _selective(model, training, kind, fused, selected) if chosen("layout.recompute", mode, SELECTS) else 0.0

    return float(
        sum(times * added(mode, kind) for mode, some in layers.items() for kind, times in _kinds(model, some).items())
    )


@lru_cache(maxsize=64)
def _kinds(model: Model, layers: int) -> Counter[BlockKind]:
    """How many of the first `layers` layers are of each kind."""
    return Counter(layer_kinds(model)[:layers])


def _selective(model: Model, training: Training, kind: BlockKind, fused: bool, selected: Collection[str]) -> float:
    """FLOP a token of what selective recomputation repeats in a layer: the core, MLA's up-projections."""
    core = _core(model, training, kind) if core_runs_again(model, selected, fused=fused) else 0.0
    latent = model.latent if LATENT_UP in selected else None
    return core if latent is None else core + 2.0 * latent_up_matrices(model, latent)


def _every_second(model: Model, kind: BlockKind) -> float:
    """Parameters of every second matrix of a layer: keys, output, and half of a gated up-projection or the down one.

    Half of latent attention and of routed experts (assumed: their order is not told).
    """
    attention = float((model.kv_heads * model.head_size + model.heads * model.v_head_size) * model.hidden)
    if model.latent is not None:
        attention = 0.5 * sum(attention_matrices(model))
    moe = model.moe
    if not kind.experts or moe is None:
        return attention + model.hidden * model.ffn_hidden
    shared = model.hidden * moe.shared * (moe.shared_ffn_hidden or moe.ffn_hidden)
    return attention + shared + 0.5 * moe.top_k * ffn_matrices(model, moe.ffn_hidden)


def _core(model: Model, training: Training, kind: BlockKind) -> float:
    return 2.0 * _span(model, kind, training) * model.heads * (model.qk_head_size + model.v_head_size)
