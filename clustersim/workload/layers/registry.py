"""The types of layer that there are, by the kinds that a model's layers are of; any other kind is refused.

A new type is a file beside this one and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from clustersim.errors import InputError, Problem
from clustersim.inputs.kinds import chosen
from clustersim.inputs.layout import Layout
from clustersim.inputs.mixers import ChannelMixer, Mixer
from clustersim.inputs.model import BlockKind, Model, layer_kinds
from clustersim.workload.layers.attention import AttentionLayer
from clustersim.workload.layers.compound import Beside, Resized
from clustersim.workload.layers.compressed_attention import CompressedAttentionLayer
from clustersim.workload.layers.experts import ExpertLayer
from clustersim.workload.layers.feed_forward import FeedForwardLayer
from clustersim.workload.layers.gated_delta import GatedDeltaLayer
from clustersim.workload.layers.kimi_delta import KimiDeltaLayer
from clustersim.workload.layers.latent_attention import LatentAttentionLayer
from clustersim.workload.layers.layer import Layer, Matrix
from clustersim.workload.layers.lightning import LightningLayer
from clustersim.workload.layers.mamba import MambaLayer
from clustersim.workload.layers.mamba2 import Mamba2Layer
from clustersim.workload.layers.native_sparse import NativeSparseLayer
from clustersim.workload.layers.short_conv import ShortConvLayer
from clustersim.workload.layers.spans import CHUNK, WINDOW
from clustersim.workload.layers.sparse_attention import SparseAttentionLayer

MIXERS: Mapping[str, Layer | None] = {
    "full": AttentionLayer(),
    "sliding": AttentionLayer(WINDOW),
    "chunked": AttentionLayer(CHUNK),
    "compressed": CompressedAttentionLayer(),
    "native-sparse": NativeSparseLayer(),
    "mamba": MambaLayer(),
    "mamba2": Mamba2Layer(),
    "beside-mamba2": Beside((Mamba2Layer(), AttentionLayer())),
    "gated-delta": GatedDeltaLayer(),
    "kimi-delta": KimiDeltaLayer(),
    "lightning": LightningLayer(),
    "conv": ShortConvLayer(),
    "none": None,
}
LATENT_MIXERS: Mapping[str, Layer] = {  # in place of these, of a model whose attention is latent
    "full": LatentAttentionLayer(),
    "sliding": LatentAttentionLayer(WINDOW),
    "chunked": LatentAttentionLayer(CHUNK),
    "sparse": SparseAttentionLayer(),
}
CHANNEL_MIXERS: Mapping[str, Layer | None] = {
    "dense": FeedForwardLayer(),
    "experts": ExpertLayer(),
    "none": None,
}


def mixer_of(model: Model, kind: BlockKind) -> Layer | None:
    """What mixes tokens in layers of a kind, if anything. Raises InputError for a kind that nobody has written down."""
    known = MIXERS if model.latent is None else {**MIXERS, **LATENT_MIXERS}
    return _sized(kind.mixer, model.mixers, "model.attention_pattern", known)


def channel_mixer_of(model: Model, kind: BlockKind) -> Layer | None:
    """What follows it in the layer, if anything does. Raises InputError as `mixer_of`."""
    return _sized(kind.channel_mixer, model.channel_mixers, "model.channel_pattern", CHANNEL_MIXERS)


@lru_cache(maxsize=4096)
def layers_of(model: Model, kind: BlockKind) -> tuple[Layer, ...]:
    """Both, in their order, as far as the layer has them."""
    both = mixer_of(model, kind), channel_mixer_of(model, kind)
    return tuple(layer for layer in both if layer is not None)


@lru_cache(maxsize=256)
def matrices_of(model: Model, kind: BlockKind) -> tuple[Matrix, ...]:
    """The weight matrices of both; worked out once a model."""
    return tuple(matrix for layer in layers_of(model, kind) for matrix in layer.matrices(model))


def _sized(name: str, own: Sequence[Mixer | ChannelMixer], key: str, known: Mapping[str, Layer | None]) -> Layer | None:
    """The layer of a kind, or of a name that the model gives to a kind with sizes of its own."""
    entry = next((entry for entry in own if entry.name == name), None)
    if entry is None:
        return chosen(key, name, known)
    layer = chosen(key, entry.kind, known)
    sizes = entry.model_dump(exclude={"name", "kind"}, exclude_defaults=True)
    return Resized(layer, name, tuple(sorted(sizes.items()))) if layer is not None else None


def layer_problems(layout: Layout, model: Model) -> list[Problem]:
    """What keeps any layer of a model from running in a layout, each said once."""
    return list(dict.fromkeys(problem for layer in layer_types(model) for problem in layer.problems(layout, model)))


def refuse_misfits(layout: Layout, model: Model) -> None:
    """Raise InputError with everything that keeps a model's layers from running in a layout."""
    problems = layer_problems(layout, model)
    if problems:
        raise InputError(model.name, problems)


@lru_cache(maxsize=256)
def layer_types(model: Model) -> tuple[Layer, ...]:
    """The types of layer that a model has, each once."""
    return tuple(dict.fromkeys(layer for kind in dict.fromkeys(layer_kinds(model)) for layer in layers_of(model, kind)))
