"""The types of layer that there are, by the kinds that a model's layers are of; any other kind is refused.

A new type is a file beside this one and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from clustersim.errors import InputError, Problem
from clustersim.inputs.kinds import chosen
from clustersim.inputs.layout import Layout
from clustersim.inputs.model import BlockKind, Model, layer_kinds
from clustersim.workload.layers.attention import AttentionLayer
from clustersim.workload.layers.experts import ExpertLayer
from clustersim.workload.layers.feed_forward import FeedForwardLayer
from clustersim.workload.layers.latent_attention import LatentAttentionLayer
from clustersim.workload.layers.layer import Layer, Matrix

MIXERS: Mapping[str, Layer] = {
    "full": AttentionLayer(),
    "sliding": AttentionLayer(windowed=True),
}
LATENT_MIXERS: Mapping[str, Layer] = {  # in place of these, of a model whose attention is latent
    "full": LatentAttentionLayer(),
    "sliding": LatentAttentionLayer(windowed=True),
}
CHANNEL_MIXERS: Mapping[str, Layer | None] = {
    "dense": FeedForwardLayer(),
    "experts": ExpertLayer(),
    "none": None,
}


def mixer_of(model: Model, kind: BlockKind) -> Layer:
    """What mixes tokens in layers of a kind. Raises InputError for a kind that nobody has written down."""
    if model.latent is not None and kind.mixer in LATENT_MIXERS:
        return LATENT_MIXERS[kind.mixer]
    return chosen("model.attention_pattern", kind.mixer, MIXERS)


def channel_mixer_of(kind: BlockKind) -> Layer | None:
    """What follows it in the layer, if anything does. Raises InputError as `mixer_of`."""
    return chosen("model.moe", kind.channel_mixer, CHANNEL_MIXERS)


def layers_of(model: Model, kind: BlockKind) -> tuple[Layer, ...]:
    """Both, in their order."""
    mixer, channel_mixer = mixer_of(model, kind), channel_mixer_of(kind)
    return (mixer,) if channel_mixer is None else (mixer, channel_mixer)


@lru_cache(maxsize=256)
def matrices_of(model: Model, kind: BlockKind) -> tuple[Matrix, ...]:
    """The weight matrices of both; worked out once a model."""
    return tuple(matrix for layer in layers_of(model, kind) for matrix in layer.matrices(model))


def layer_problems(layout: Layout, model: Model) -> list[Problem]:
    """What keeps any layer of a model from running in a layout, each said once."""
    return list(dict.fromkeys(problem for layer in _types_of(model) for problem in layer.problems(layout, model)))


def refuse_misfits(layout: Layout, model: Model) -> None:
    """Raise InputError with everything that keeps a model's layers from running in a layout."""
    problems = layer_problems(layout, model)
    if problems:
        raise InputError(model.name, problems)


@lru_cache(maxsize=256)
def _types_of(model: Model) -> tuple[Layer, ...]:
    """The types of layer that a model has, each once."""
    return tuple(dict.fromkeys(layer for kind in dict.fromkeys(layer_kinds(model)) for layer in layers_of(model, kind)))
