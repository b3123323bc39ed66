"""What a device holds when it serves: weights, kept keys and values, and what a pass works on."""

from __future__ import annotations

from collections import Counter

from clustersim.inputs.model import BlockKind, Model
from clustersim.inputs.precisions import BYTES, HALF_BYTES
from clustersim.inputs.serving import Serving, Unit
from clustersim.workload.arrays import Array
from clustersim.workload.layers.registry import layers_of
from clustersim.workload.parameters import (
    block_parameters,
    embedding_parameters,
    head_parameters,
    prediction_parameters,
)


def kinds_of(model: Model, first: int, layers: int) -> Counter[BlockKind]:
    """How many of `layers` layers from number `first` on are of each kind."""
    return Counter(model.block_kind(layer) for layer in range(first, first + layers))


def weights(serving: Serving, unit: Unit, drafts: bool) -> float:
    """Bytes of weights on a device: matrices cut by tensor ranks, experts (with copies) over the whole unit.

    Embedding and head stay in 16 bits, on every group of tensor ranks.
    """
    model, width = serving.model, BYTES[serving.precision]
    spread = 1.0
    if model.moe is not None:
        spread = (1.0 + unit.redundant_experts / model.moe.experts) / unit.devices
    held = 0.0
    for kind, layers in kinds_of(model, 0, model.layers + (model.mtp_layers if drafts else 0)).items():
        block = block_parameters(model, kind)
        held += layers * (block.tensor / unit.tensor + block.replicated + block.expert * spread)
    ends = embedding_parameters(model) + head_parameters(model)
    modules = model.mtp_layers * prediction_parameters(model) if drafts else 0.0
    return width * (held + modules) + HALF_BYTES * ends / unit.tensor


def cache_bytes_of(serving: Serving, unit: Unit, length: float, drafts: bool) -> float:
    """Bytes that a sequence of so many tokens keeps on one of its tensor ranks: keys and values, and states."""
    model, tensor = serving.model, float(unit.tensor)
    kinds = kinds_of(model, 0, model.layers + (model.mtp_layers if drafts else 0))
    layers = [(times, layer) for kind, times in kinds.items() for layer in layers_of(model, kind)]
    kept = sum(times * layer.kept_elements(model, tensor, length) for times, layer in layers)
    states = sum(times * layer.state_bytes(model, tensor) for times, layer in layers)
    return BYTES[serving.cache_precision] * kept + states


def workspace(model: Model, tokens: Array) -> Array:
    """Bytes of activations at the widest point of a layer: inputs and outputs of experts, or of the feed-forward."""
    moe = model.moe
    width = 2.0 * model.hidden * moe.top_k if moe is not None else 2.0 * model.ffn_hidden
    return HALF_BYTES * tokens * (width + 2.0 * model.hidden)
