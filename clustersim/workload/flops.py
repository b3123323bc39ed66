"""Model FLOPs: what an MFU counts, by convention. What devices execute is told by the passes instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Literal

from clustersim.inputs.kinds import chosen
from clustersim.inputs.model import BlockKind, Model, layer_kinds
from clustersim.inputs.training import Training
from clustersim.workload.layers.registry import layers_of, matrices_of
from clustersim.workload.passes import SELECTS
from clustersim.workload.trained import ALL, Trained, trained_of

Convention = Literal["full", "causal", "6N"]

FORWARD_AND_BACKWARD = 3.0  # one forward, two for the backward pass's two gradients


def model_flops_per_token(model: Model, training: Training, convention: Convention = "full") -> float:
    """FLOP a token of forward and backward: 6 x matmul parameters met + 6 x sum over layers of heads (d_qk + d_v) span.

    Span: the sequence, or the window or document where that is shorter (`full`); the keys that a query meets behind the
    causal mask (`causal`): half of a sequence or document, w (1 - w / 2s) of a window; `6N` leaves attention out.
    Matmul parameters: active and shared experts, output head, multi-token-prediction modules; look-ups and norms not.
    Frozen matrices count 4, for nobody needs the gradient of their weights; adapters beside them 6.
    Source: Chowdhery et al. 2022 (PaLM, arXiv 2204.02311, appendix B); of frozen ones: derived here.
    """
    flops = 2.0 * FORWARD_AND_BACKWARD * matmul_parameters(model) - _spared_flops(model, trained_of(model, training))
    if convention == "6N":
        return flops
    causal = chosen("convention", convention, {"full": False, "causal": True})
    kinds = _kinds(model, model.layers + model.mtp_layers)
    cores = sum(times * _core(model, training, kind, causal=causal) for kind, times in kinds.items())
    return flops + FORWARD_AND_BACKWARD * cores


@lru_cache(maxsize=64)
def matmul_parameters(model: Model) -> float:
    """Matrix parameters that one token is multiplied by, output heads of multi-token prediction included."""
    head = model.hidden * model.vocab
    kinds = _kinds(model, model.layers + model.mtp_layers)
    layers = sum(times * _met(model, kind) for kind, times in kinds.items())
    return layers + (1 + model.mtp_layers) * head + model.mtp_layers * 2.0 * model.hidden**2


@lru_cache(maxsize=64)
def _spared_flops(model: Model, trained: Trained) -> float:
    """FLOP a token that frozen matrices save, less what adapters add."""
    if trained == ALL:
        return 0.0
    spared = 0.0
    for kind, times in _kinds(model, model.layers + model.mtp_layers).items():
        for matrix in matrices_of(model, kind):
            if not trained.trains(matrix.name):
                adapters = matrix.met * trained.adapter_parameters(matrix.name, matrix.inputs, matrix.outputs)
                spared += times * (2.0 * matrix.met_parameters - 2.0 * FORWARD_AND_BACKWARD * adapters)
    heads = (1 + model.mtp_layers) * model.hidden * model.vocab
    return spared + (0.0 if trained.trains("output head") else 2.0 * heads)


def _met(model: Model, kind: BlockKind) -> float:
    return sum(matrix.met_parameters for matrix in matrices_of(model, kind))


def _core(model: Model, training: Training, kind: BlockKind, *, causal: bool = False) -> float:
    span = float(training.attention_span)
    return sum(layer.core_flops(model, span, causal=causal) for layer in layers_of(model, kind))


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
            return 2.0 * sum(matrix.repeated_parameters for matrix in matrices_of(model, kind))
        return _selective(model, training, kind, fused, selected) if chosen("layout.recompute", mode, SELECTS) else 0.0

    return float(
        sum(times * added(mode, kind) for mode, some in layers.items() for kind, times in _kinds(model, some).items())
    )


@lru_cache(maxsize=64)
def _kinds(model: Model, layers: int) -> Counter[BlockKind]:
    """How many of the first `layers` layers are of each kind."""
    return Counter(layer_kinds(model)[:layers])


def _selective(model: Model, training: Training, kind: BlockKind, fused: bool, selected: Collection[str]) -> float:
    """FLOP a token of what selective recomputation repeats in a layer: cores and matrices that are selected."""
    span = float(training.attention_span)
    cores = sum(
        layer.core_flops(model, span, causal=False)
        for layer in layers_of(model, kind)
        if layer.core_runs_again(model, selected, fused=fused)
    )
    again = (matrix.met_parameters for matrix in matrices_of(model, kind) if matrix.selected in selected)
    return cores + 2.0 * sum(again)
