"""Models: the architecture of a transformer, dense or mixture of experts, layer by layer."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationInfo, field_validator

from clustersim.inputs.base import Description, Follows, refusal
from clustersim.inputs.units import Count

AttentionKind = Literal["full", "sliding"]  # what is modelled, and nothing else
ChannelMixer = Literal["dense", "experts", "none"]

# Beyond any model that can be built, so that a slip of the finger or a forged file is refused, not computed for hours.
MOST_LAYERS = 10_000
MOST_MODULES = 64  # for multi-token prediction
MOST_SIZE = 100_000_000  # of a width, a vocabulary, a number of heads or experts

Size = Annotated[PositiveInt, Field(le=MOST_SIZE)]


SHAPE = ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn_hidden", "gated", "vocab", "moe", "latent", "vision")


class BlockKind(NamedTuple):
    """What a transformer layer is made of, as far as its cost depends on it."""

    mixer: AttentionKind  # of tokens with each other
    channel_mixer: ChannelMixer  # what follows it, of a token's own channels


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
    moe: Annotated[Experts | None, Field(description="absent for a dense model")] = None
    window: Annotated[Size | None, Field(description="tokens that a sliding-window layer sees")] = None
    attention_pattern: Annotated[
        tuple[AttentionKind, ...], Field(strict=False, min_length=1, description="repeated over the layers")
    ] = ("full",)
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

    @field_validator("attention_pattern")
    @classmethod
    def _windows_have_a_size(
        cls, pattern: tuple[AttentionKind, ...], info: ValidationInfo
    ) -> tuple[AttentionKind, ...]:
        if "sliding" in pattern and info.data.get("window", 0) is None:
            raise refusal("a sliding layer needs `window`")
        return pattern

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
        return self.latent.v_head_dim if self.latent is not None else self.head_size

    def block_kind(self, layer: int) -> BlockKind:
        """What layer number `layer` (from 0) is made of; modules for multi-token prediction follow the last layer."""
        attention = self.attention_pattern[layer % len(self.attention_pattern)]
        moe = self.moe
        experts = (
            moe is not None
            and layer >= moe.leading_dense
            and (layer - moe.leading_dense) % moe.every == 0
            and layer not in moe.dense_layers
        )
        return BlockKind(attention, "experts" if experts else "dense")


@lru_cache(maxsize=256)
def layer_kinds(model: Model) -> tuple[BlockKind, ...]:
    """What every layer is made of, those of multi-token prediction last; worked out once a model."""
    return tuple(model.block_kind(layer) for layer in range(model.layers + model.mtp_layers))
