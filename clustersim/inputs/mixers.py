"""What a layer is made of: kinds of mixers and channel mixers, and the sizes of those that aren't plain attention.

A mixer lets tokens see each other: attention, a state space, linear attention. A channel mixer works on each token by
itself: a dense feed-forward, experts, or nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from clustersim.inputs.base import Description

MixerKind = Literal[
    "full",  # attention to the whole sequence
    "sliding",  # to the last `window` tokens
    "chunked",  # to the tokens of the same `chunk`
    "sparse",  # latent attention to the keys that an `indexer` picks
    "compressed",  # to a window, and to keys that each stand for several tokens
    "native-sparse",  # to pooled keys, picked blocks and a window
    "mamba",
    "mamba2",
    "beside-mamba2",  # attention and Mamba-2 side by side
    "gated-delta",
    "kimi-delta",
    "lightning",
    "conv",
    "none",  # tokens don't see each other
]
ChannelKind = Literal["dense", "experts", "none"]

MOST_SIZE = 100_000_000  # of a width, a vocabulary, a number of heads or experts: beyond any model that can be built

Size = Annotated[PositiveInt, Field(le=MOST_SIZE)]


class Mamba(Description):
    """A selective state space with a step for each channel (Mamba). Source: Gu and Dao 2023, arXiv 2312.00752."""

    inner: Annotated[Size, Field(description="channels: the width times the expansion")]
    state: Annotated[Size, Field(description="elements of the state of one channel")] = 16
    rank: Annotated[Size, Field(description="width of the projection that makes the step")]
    conv: Annotated[Size, Field(description="taps of the causal convolution")] = 4
    norms: Annotated[bool, Field(description="norms on step, B and C (Jamba)")] = False


class Mamba2(Description):
    """A state space with a scalar decay a head, computed in chunks (Mamba-2, SSD).

    Source: Dao and Gu 2024, arXiv 2405.21060, sections 6 and 7.
    """

    heads: Annotated[Size, Field(description="heads, each with a decay of its own")]
    head_dim: Annotated[Size, Field(description="channels of a head: P")] = 64
    groups: Annotated[Size, Field(description="groups of heads that share B and C: G")] = 1
    state: Annotated[Size, Field(description="elements of the state of a channel: N")] = 128
    conv: Annotated[Size, Field(description="taps of the causal convolution")] = 4
    chunk: Annotated[Size, Field(description="tokens of a chunk: Q")] = 256
    norm: Annotated[bool, Field(description="a gated norm before the output projection")] = True

    @property
    def inner(self) -> int:
        """Channels of all heads: D."""
        return self.heads * self.head_dim

    @property
    def mixed(self) -> int:
        """Channels that the convolution mixes: those of x, B and C."""
        return self.inner + 2 * self.groups * self.state


class GatedDelta(Description):
    """Linear attention by the gated delta rule (Gated DeltaNet). Source: Yang et al. 2024, arXiv 2412.06464."""

    key_heads: Annotated[Size, Field(description="heads of queries and keys")]
    value_heads: Annotated[Size, Field(description="heads of values, each with a state; a multiple of the key heads")]
    key_dim: Annotated[Size, Field(description="elements of a query or key: K")] = 128
    value_dim: Annotated[Size, Field(description="elements of a value: V")] = 128
    conv: Annotated[Size, Field(description="taps of the causal convolution")] = 4
    chunk: Annotated[Size, Field(description="tokens of a chunk: C")] = 64


class KimiDelta(Description):
    """Kimi delta attention: the delta rule with a decay a channel. Source: Kimi Linear, arXiv 2510.26692, section 3."""

    heads: Annotated[Size, Field(description="heads of queries, keys and values alike")]
    head_dim: Annotated[Size, Field(description="elements of each")] = 128
    conv: Annotated[Size, Field(description="taps of the causal convolution")] = 4
    chunk: Annotated[Size, Field(description="tokens of a block whose products are exact: C")] = 16


class Lightning(Description):
    """Linear attention with a fixed decay a head (lightning attention). Source: MiniMax-01, arXiv 2501.08313, 2.2."""

    heads: Annotated[Size, Field(description="heads of queries, keys and values alike")]
    head_dim: Annotated[Size, Field(description="elements of each: d")]
    block: Annotated[Size, Field(description="tokens of a block: B")] = 256


class ShortConv(Description):
    """A gated causal convolution of a few taps over all channels. Source: LFM2, arXiv 2511.23404, section 2."""

    taps: Annotated[Size, Field(description="of the convolution")] = 3


class CompressedAttention(Description):
    """One key-value head for all, a window, and keys that stand for `compress_ratio` tokens each (DeepSeek-V4).

    Source: transformers 5.24.0, models/deepseek_v4 (shapes); DeepSeek-V4's report (recalled).
    """

    q_lora_rank: Annotated[Size, Field(description="width of the compressed queries")]
    output_groups: Annotated[Size, Field(description="groups of heads whose outputs are compressed apart")]
    output_lora_rank: Annotated[Size, Field(description="width that each group's output is compressed to")]
    rope_dim: Annotated[Size, Field(description="rotary part of a head")] = 64


class Indexer(Description):
    """The lightning indexer of sparse attention, which picks the keys that a query attends to (DSA).

    Source: DeepSeek-V3.2-Exp, section 2; DeepSeek-V3.2, arXiv 2512.02556, section 2.1.
    """

    heads: Annotated[Size, Field(description="of the indexer")] = 64
    head_dim: Annotated[Size, Field(description="elements of its queries and of its one key")] = 128
    top_k: Annotated[Size, Field(description="keys that a query attends to")] = 2048


class NativeSparse(Description):
    """Attention in three branches: pooled keys, picked blocks, a window (NSA). Source: Yuan et al. 2025, 2502.11089."""

    block: Annotated[Size, Field(description="tokens that a pooled key stands for")] = 32
    stride: Annotated[Size, Field(description="tokens from one pooled key to the next")] = 16
    picked_block: Annotated[Size, Field(description="tokens of a block that is picked")] = 64
    blocks: Annotated[Size, Field(description="blocks that a query picks, the first and the nearest among them")] = 16
    window: Annotated[Size, Field(description="tokens of the window")] = 512

    @property
    def picked(self) -> int:
        """Keys that a query picks."""
        return self.blocks * self.picked_block


class Mixer(Description):
    """A mixer some of whose sizes are not the model's own, under a name that a pattern calls it by."""

    name: Annotated[str, Field(min_length=1, description="in `attention_pattern`")]
    kind: Annotated[MixerKind, Field(description="what it is")] = "full"
    heads: Annotated[Size | None, Field(description="attention heads (queries)")] = None
    kv_heads: Annotated[
        NonNegativeInt | None,
        Field(le=MOST_SIZE, description="key and value heads; 0 takes keys and values of an earlier layer"),
    ] = None
    head_dim: Annotated[Size | None, Field(description="elements of a query or key")] = None
    v_head_dim: Annotated[Size | None, Field(description="elements of a value")] = None
    window: Annotated[Size | None, Field(description="tokens that a sliding-window layer sees")] = None
    compress_ratio: Annotated[
        Size | None, Field(description="tokens that a key beyond the window stands for; absent: there are none")
    ] = None
    keys_are_values: Annotated[bool, Field(description="one projection makes both (Gemma 4)")] = False
    indexed: Annotated[bool, Field(description="a sparse layer picks by itself, not as an earlier one did")] = True


class ChannelMixer(Description):
    """A channel mixer of a size of its own, under a name that a pattern calls it by."""

    name: Annotated[str, Field(min_length=1, description="in `channel_pattern`")]
    kind: Annotated[ChannelKind, Field(description="what it is")] = "dense"
    ffn_hidden: Annotated[Size | None, Field(description="inner width of the dense feed-forward network")] = None


class Uncosted(Description):
    """Parameters that are counted and held in memory, and whose work takes next to no time."""

    layer: Annotated[NonNegativeInt, Field(le=10**12, description="of each layer")] = 0
    ends: Annotated[NonNegativeInt, Field(le=10**14, description="of the model's ends, beside embedding and head")] = 0
