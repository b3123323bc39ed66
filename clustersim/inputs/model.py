"""Models: the architecture of a transformer, dense or mixture of experts, layer by layer."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationInfo, field_validator

from clustersim.inputs.base import Description, Follows, refusal
from clustersim.inputs.mixers import (
    MOST_SIZE,
    ChannelKind,
    ChannelMixer,
    CompressedAttention,
    GatedDelta,
    Indexer,
    KimiDelta,
    Lightning,
    Mamba,
    Mamba2,
    Mixer,
    MixerKind,
    NativeSparse,
    ShortConv,
    Size,
    Uncosted,
)
from clustersim.inputs.units import Count

# Beyond any model that can be built, so that a slip of the finger or a forged file is refused, not computed for hours.
MOST_LAYERS = 10_000
MOST_MODULES = 64  # for multi-token prediction


MIXER_KINDS: tuple[str, ...] = get_args(MixerKind)
CHANNEL_KINDS: tuple[str, ...] = get_args(ChannelKind)
ATTENDS = (
    "full",
    "sliding",
    "chunked",
    "sparse",
    "compressed",
    "native-sparse",
    "beside-mamba2",
)  # mixers with heads of attention
# The key of a model that gives the sizes of a kind of mixer
SIZES_OF = {
    "sliding": "window",
    "chunked": "chunk",
    "sparse": "indexer",
    "compressed": "compressed",
    "native-sparse": "native_sparse",
    "mamba": "mamba",
    "mamba2": "mamba2",
    "beside-mamba2": "mamba2",
    "gated-delta": "gated_delta",
    "kimi-delta": "kimi_delta",
    "lightning": "lightning",
    "conv": "short_conv",
}


SHAPE: tuple[str, ...] = (
    *(
        "layers",
        "hidden",
        "heads",
        "kv_heads",
        "head_dim",
        "v_head_dim",
        "ffn_hidden",
        "gated",
        "vocab",
        "moe",
        "latent",
    ),
    *("output_gate", "attention_pattern", "channel_pattern", "mixers", "channel_mixers", "uncosted", "vision"),
    *("mamba", "mamba2", "gated_delta", "kimi_delta", "lightning", "short_conv", "indexer", "compressed"),
    "native_sparse",
)


class BlockKind(NamedTuple):
    """What a layer is made of: kinds, or names of the model's own `mixers` and `channel_mixers`."""

    mixer: str
    channel_mixer: str


class LatentAttention(Description):
    """Multi-head latent attention (MLA). Source: DeepSeek-V2, arXiv 2405.04434, section 2.1."""

    kv_lora_rank: Annotated[Size, Field(description="width of the compressed keys and values")]
    q_lora_rank: Annotated[
        Size | None, Field(description="width of the compressed queries; absent: not compressed")
    ] = None
    qk_nope_head_dim: Annotated[Size, Field(description="a head's query and key without position")]
    qk_rope_head_dim: Annotated[Size, Field(description="a head's query and key with rotary position")]
    v_head_dim: Annotated[Size, Field(description="a head's value")]


class Experts(Description):
    """The mixture-of-experts layers."""

    experts: Annotated[Size, Field(description="routed experts")]
    top_k: Annotated[Size, Field(description="routed experts a token meets")]
    ffn_hidden: Annotated[Size, Field(description="hidden size of one expert")]
    shared: Annotated[NonNegativeInt, Field(le=MOST_SIZE, description="experts that every token meets")] = 0
    shared_ffn_hidden: Annotated[
        Size | None, Field(description="hidden size of one shared expert, where it differs")
    ] = None
    leading_dense: Annotated[NonNegativeInt, Field(le=MOST_LAYERS, description="first layers that are dense")] = 0
    every: Annotated[PositiveInt, Field(le=MOST_LAYERS, description="an MoE layer every so many layers")] = 1
    dense_layers: Annotated[tuple[int, ...], Field(strict=False, description="other dense layers, counted from 0")] = ()
    latent: Annotated[
        Size | None,
        Field(description="width that routed experts see, between two projections; absent: the hidden size"),
    ] = None
    groups: Annotated[PositiveInt, Field(description="expert groups for limited routing")] = 1
    groups_a_token: Annotated[PositiveInt | None, Field(description="groups that one token may use")] = None

    @field_validator("top_k", "groups")
    @classmethod
    def _no_more_than_experts(cls, count: int, info: ValidationInfo) -> int:
        experts = info.data.get("experts")
        if experts is not None and count > experts:
            raise refusal(f"{count} is more than the {experts} experts")
        return count


class Vision(Description):
    """The encoder of a vision-language model's images, with the projector that hands them to the decoder.

    Counted among the parameters; a step is one of text alone, in which it neither runs nor is stored.
    """

    kind: Annotated[str, Field(min_length=1, description="as its config names it")]
    parameters: Annotated[Count, Field(gt=0, description="of tower and projector")]


class Published(Description):
    """What the source says of the model as a whole."""

    total_params: Annotated[Count | None, Field(description="parameters in all")] = None
    active_params: Annotated[Count | None, Field(description="parameters that a token meets")] = None
    tokens: Annotated[Count | None, Field(description="training tokens")] = None


class Model(Description):
    """A transformer. Field names follow Megatron-LM's and Hugging Face's, whole words."""

    name: Annotated[str, Field(min_length=1, description="as people write it")]
    layers: Annotated[PositiveInt, Field(le=MOST_LAYERS, description="transformer layers (blocks)")]
    hidden: Annotated[Size, Field(description="width of the residual stream")]
    heads: Annotated[Size, Field(description="attention heads (queries)")]
    kv_heads: Annotated[
        Size,
        Follows(("heads",), "in proportion"),
        Field(description="key and value heads; as many as heads without GQA"),
    ]
    head_dim: Annotated[
        Size | None,
        Follows(("hidden", "heads"), "kept"),
        Field(validate_default=True, description="hidden / heads unless given"),
    ] = None
    ffn_hidden: Annotated[
        Size, Follows(("hidden",), "kept"), Field(description="inner width of the dense feed-forward network")
    ]
    gated: Annotated[bool, Field(description="three FFN matrices (SwiGLU and kin) instead of two")]
    vocab: Annotated[Size, Field(description="words of the embedding table")]
    tied_embeddings: Annotated[bool, Field(description="one table for look-up and output head")] = False
    position: Annotated[
        Literal["rotary", "learned", "alibi", "none"],
        Field(description="alibi: unfused attention, but where the stack's kernel takes its biases"),
    ] = "rotary"
    max_positions: Annotated[Size | None, Field(description="rows of a learned position table")] = None
    norm: Annotated[Literal["rms", "layer"], Field(description="layer norms have a mean and a bias")] = "rms"
    bias: Annotated[bool, Field(description="biases on the linear layers")] = False
    qkv_bias: Annotated[bool, Field(description="biases on queries, keys and values alone")] = False
    qk_norm: Annotated[bool, Field(description="norms on queries and keys")] = False
    dropout: Annotated[bool, Field(description="dropout after attention and FFN is trained with")] = False
    latent: Annotated[LatentAttention | None, Field(description="MLA, where the model uses it")] = None
    v_head_dim: Annotated[Size | None, Field(description="elements of a value, where a query has others")] = None
    output_gate: Annotated[bool, Field(description="a gate on attention's output, made beside the queries")] = False
    keys_are_values: Annotated[bool, Field(description="one projection makes both")] = False
    indexed: Annotated[bool, Field(description="a sparse layer picks keys itself, not as an earlier one did")] = True
    residual_streams: Annotated[
        PositiveInt, Field(le=64, description="copies of the residual that each sub-block mixes (hyper-connections)")
    ] = 1
    post_norms: Annotated[bool, Field(description="norms behind attention and feed-forward, too")] = False
    moe: Annotated[Experts | None, Field(description="absent for a dense model")] = None
    window: Annotated[Size | None, Field(description="tokens that a sliding-window layer sees")] = None
    chunk: Annotated[Size | None, Field(description="tokens of the chunks that a chunked layer stays in")] = None
    indexer: Annotated[Indexer | None, Field(description="what picks the keys of sparse layers")] = None
    compressed: Annotated[CompressedAttention | None, Field(description="sizes of its compressed attention")] = None
    compress_ratio: Annotated[
        Size | None, Field(description="tokens that a key beyond the window stands for, in compressed layers")
    ] = None
    native_sparse: Annotated[NativeSparse | None, Field(description="sizes of its native sparse attention")] = None
    mamba: Annotated[Mamba | None, Field(description="sizes of its layers of Mamba")] = None
    mamba2: Annotated[Mamba2 | None, Field(description="sizes of its layers of Mamba-2")] = None
    gated_delta: Annotated[GatedDelta | None, Field(description="sizes of its layers of Gated DeltaNet")] = None
    kimi_delta: Annotated[KimiDelta | None, Field(description="sizes of its layers of Kimi delta attention")] = None
    lightning: Annotated[Lightning | None, Field(description="sizes of its layers of lightning attention")] = None
    short_conv: Annotated[ShortConv | None, Field(description="sizes of its layers of short convolutions")] = None
    mixers: Annotated[
        tuple[Mixer, ...], Field(strict=False, max_length=1000, description="those with sizes of their own")
    ] = ()
    channel_mixers: Annotated[
        tuple[ChannelMixer, ...], Field(strict=False, max_length=1000, description="those with sizes of their own")
    ] = ()
    attention_pattern: Annotated[
        tuple[str, ...],
        Field(
            strict=False,
            min_length=1,
            max_length=MOST_LAYERS,
            description=f"mixers, repeated over the layers: {', '.join(MIXER_KINDS)}, or names of `mixers`",
        ),
    ] = ("full",)
    channel_pattern: Annotated[
        tuple[str, ...] | None,
        Field(
            strict=False,
            min_length=1,
            max_length=MOST_LAYERS,
            description=f"repeated over the layers: {', '.join(CHANNEL_KINDS)}, or names of `channel_mixers`; "
            "absent: where `moe` says",
        ),
    ] = None
    uncosted: Annotated[Uncosted, Field(description="what is counted beside, and not priced")] = Uncosted()
    mtp_layers: Annotated[
        NonNegativeInt, Field(le=MOST_MODULES, description="multi-token-prediction modules beyond `layers`")
    ] = 0
    vision: Annotated[Vision | None, Field(description="the tower that sees, of a vision-language model")] = None
    published: Annotated[
        Published,
        Follows(SHAPE, "unset", "nothing is published of another architecture"),
        Field(description="what the source says of the whole"),
    ] = Published()
    notes: Annotated[
        tuple[str, ...], Field(strict=False, description="what a reader should know of how the model is described")
    ] = ()

    @field_validator("kv_heads")
    @classmethod
    def _kv_heads_divide_heads(cls, kv_heads: int, info: ValidationInfo) -> int:
        heads = info.data.get("heads")
        if heads is not None and heads % kv_heads:
            raise refusal(f"{kv_heads} does not divide the {heads} heads")
        return kv_heads

    @field_validator("head_dim")
    @classmethod
    def _head_size_is_known(cls, head_dim: int | None, info: ValidationInfo) -> int | None:
        hidden, heads = info.data.get("hidden"), info.data.get("heads")
        if head_dim is None and hidden is not None and heads is not None and hidden % heads:
            raise refusal(f"required, because the {heads} heads do not divide the hidden size {hidden}")
        return head_dim

    @field_validator("mixers", "channel_mixers")
    @classmethod
    def _names_are_free(
        cls, entries: tuple[Mixer | ChannelMixer, ...], info: ValidationInfo
    ) -> tuple[Mixer | ChannelMixer, ...]:
        names = [entry.name for entry in entries]
        taken = sorted({name for name in names if names.count(name) > 1 or name in (*MIXER_KINDS, *CHANNEL_KINDS)})
        if taken:
            raise refusal(f"{', '.join(taken)}: a name of its own for each, and none of a kind")
        for entry in entries:
            if isinstance(entry, Mixer):
                _check_heads(entry, info.data.get("heads"), info.data.get("kv_heads"))
        return entries

    @field_validator("attention_pattern")
    @classmethod
    def _mixers_have_sizes(cls, pattern: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        own = {mixer.name: mixer for mixer in info.data.get("mixers", ())}
        unknown = sorted(set(pattern) - set(own) - set(MIXER_KINDS))
        if unknown:
            raise refusal(f"{', '.join(unknown)} is neither a kind ({', '.join(MIXER_KINDS)}) nor a name of `mixers`")
        for name in dict.fromkeys(pattern):
            kind = own[name].kind if name in own else name
            key = SIZES_OF.get(kind)
            given = name in own and own[name].window is not None and kind == "sliding"
            if key is not None and info.data.get(key, 0) is None and not given:
                raise refusal(f"a {kind} layer needs `{key}`")
            if kind == "compressed" and None in (info.data.get("window", 0), info.data.get("indexer", 0)):
                raise refusal("a compressed layer needs `window` and `indexer`")
            if kind == "native-sparse" and info.data.get("latent") is not None:
                raise refusal("a native-sparse layer has keys of its own: it can't be latent")
            if kind == "sparse" and info.data.get("latent", 0) is None:
                raise refusal("a sparse layer needs `latent`: sparse attention is built on latent attention alone")
        return pattern

    @field_validator("channel_pattern")
    @classmethod
    def _channel_mixers_are_known(cls, pattern: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        own = {mixer.name: mixer.kind for mixer in info.data.get("channel_mixers", ())}
        unknown = sorted(set(pattern or ()) - set(own) - set(CHANNEL_KINDS))
        if unknown:
            known = ", ".join(CHANNEL_KINDS)
            raise refusal(f"{', '.join(unknown)} is neither a kind ({known}) nor a name of `channel_mixers`")
        if "experts" in {own.get(name, name) for name in pattern or ()} and info.data.get("moe", 0) is None:
            raise refusal("a layer of experts needs `moe`")
        return pattern

    @property
    def residual_width(self) -> int:
        """Elements of a token between layers: the hidden size, of every residual stream."""
        return self.hidden * self.residual_streams

    @property
    def attends(self) -> bool:
        """Whether any layer has heads of attention."""
        own = {mixer.name: mixer.kind for mixer in self.mixers}
        return any(own.get(name, name) in ATTENDS for name in self.attention_pattern)

    @property
    def head_size(self) -> int:
        """Size of a query or key head (of MHA and GQA)."""
        return self.head_dim or self.hidden // self.heads

    @property
    def qk_head_size(self) -> int:
        """Elements of one head's query that meet the key: d_qk."""
        if self.latent is None:
            return self.head_size
        return self.latent.qk_nope_head_dim + self.latent.qk_rope_head_dim

    @property
    def v_head_size(self) -> int:
        """Elements of one head's value: d_v."""
        return self.latent.v_head_dim if self.latent is not None else self.v_head_dim or self.head_size

    def block_kind(self, layer: int) -> BlockKind:
        """What layer number `layer` (from 0) is made of; modules for multi-token prediction are as the last layer."""
        layer = min(layer, self.layers - 1)
        mixer = self.attention_pattern[layer % len(self.attention_pattern)]
        if self.channel_pattern is not None:
            return BlockKind(mixer, self.channel_pattern[layer % len(self.channel_pattern)])
        moe = self.moe
        experts = (
            moe is not None
            and layer >= moe.leading_dense
            and (layer - moe.leading_dense) % moe.every == 0
            and layer not in moe.dense_layers
        )
        return BlockKind(mixer, "experts" if experts else "dense")


def _check_heads(mixer: Mixer, heads: int | None, kv_heads: int | None) -> None:
    """Heads that key-value heads divide, in a mixer of its own too. Raises what a validator raises."""
    own_heads = mixer.heads if mixer.heads is not None else heads
    own_keys = mixer.kv_heads if mixer.kv_heads is not None else kv_heads
    if own_heads and own_keys and own_heads % own_keys:
        raise refusal(f"{mixer.name}: {own_keys} key-value heads do not divide the {own_heads} heads")


@lru_cache(maxsize=256)
def layer_kinds(model: Model) -> tuple[BlockKind, ...]:
    """What every layer is made of, those of multi-token prediction last; worked out once a model."""
    return tuple(model.block_kind(layer) for layer in range(model.layers + model.mtp_layers))
