"""What serving computes, reads and sends: a batch of prompts through the model (prefill), or a token of each answer.

New here are attention over kept keys and values, and latent attention in its absorbed form. Products, norms and experts
are those of training's forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from clustersim.inputs.model import BlockKind, LatentAttention, Model
from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import MemoryBound
from clustersim.workload.layers.experts import expert_elements
from clustersim.workload.layers.feed_forward import column, dense_elements, row
from clustersim.workload.layers.linear import Linear
from clustersim.workload.layers.spans import mean_keys
from clustersim.workload.operations import Attention, Collective, Gemm, Pass, PassBuilder
from clustersim.workload.passes import interleave, runs_of
from clustersim.workload.shape import ACTIVATION_BYTES, Shape
from clustersim.workload.states import FP32_BYTES

ServingPhase = Literal["prefill", "decode"]
STAGGER = 1.5  # stages, of three that a layer of experts has


class Forward(Protocol):
    """One step of a layer, as far as serving needs it."""

    def forward(self, builder: PassBuilder) -> None:
        """Issue it."""
        ...


@dataclass(frozen=True)
class Batch:
    """What one device takes through the model in a pass."""

    phase: ServingPhase
    tokens: Array  # new ones, which become keys and values too
    span: float  # tokens that each attends to on average, without a window
    cached: Array  # tokens whose keys and values are read from the cache, over all sequences
    heads: Array  # new tokens whose next one is wanted: all of them in decode, a prompt's last one in prefill
    cache_bytes: float = ACTIVATION_BYTES  # an element of keys and values
    spread: float = 0.0  # their positions lie evenly within so many tokens on both sides of `span`


@dataclass(frozen=True)
class CachedAttention:
    """Fused attention of new tokens over kept and new keys and values."""

    flops: Array
    bytes: Array
    head_size: float

    def forward(self, builder: PassBuilder) -> None:
        """One kernel."""
        builder.run(Attention("attention", self.flops, self.head_size, False, bytes=self.bytes))


@dataclass(frozen=True)
class Absorbed:
    """A product a head with a part of the key-value up-projection, in place of expanding every kept token.

    Source: DeepSeek-V2, arXiv 2405.04434, section 2.1.2 (W_UK is absorbed into W_Q, W_UV into W_O).
    """

    name: str
    rows: Array
    outputs: float
    inputs: float
    heads: Array
    precision: str  # 16 bits

    def forward(self, builder: PassBuilder) -> None:
        """All heads in one launch."""
        builder.run(Gemm(self.name, self.rows, self.outputs, self.inputs, self.heads, self.precision))


def cache_elements(model: Model, tensor: float) -> float:
    """Elements of keys and values that a token keeps in a full-attention layer of one tensor rank.

    MLA keeps the compressed vector and the rotary key, on every tensor rank (DeepSeek-V2, section 2.1); grouped-query
    attention keeps 2 kv_heads head_size, cut by the ranks as far as there are heads (Ainslie et al. 2023, 2305.13245).
    """
    latent = model.latent
    if latent is not None:
        return float(latent.kv_lora_rank + latent.qk_rope_head_dim)
    return max(1.0, model.kv_heads / tensor) * (model.qk_head_size + model.v_head_size)


def layer_elements(model: Model, kind: BlockKind, shape: Shape, batch: Batch) -> list[Forward]:
    """A transformer layer: attention and feed-forward (or experts), each after a norm that takes in the residual."""
    norm = MemoryBound("norm and residual", 4.0 * ACTIVATION_BYTES * shape.tokens * model.hidden, 0.0)
    feed_forward = expert_elements(model, shape) if kind.experts else dense_elements(model, shape, model.ffn_hidden)
    return [norm, *_attention(model, kind, shape, batch), norm, *feed_forward]


def head_elements(model: Model, shape: Shape, batch: Batch) -> list[Forward]:
    """Output head in 16 bits and the choice of a token, for the tokens whose next one is wanted."""
    logits = batch.heads * model.vocab / shape.tensor
    words = model.vocab / shape.tensor
    return [
        Linear("output head", batch.heads, words, float(model.hidden), shape, precision=shape.wide_precision),
        MemoryBound("sampling", 2.0 * FP32_BYTES * logits, 0.0, kernels=4),
    ]


def draft_elements(model: Model, shape: Shape) -> list[Forward]:
    """What a multi-token-prediction module adds to its layer. Source: DeepSeek-V3, arXiv 2412.19437, section 2.2."""
    vector = ACTIVATION_BYTES * shape.tokens * model.hidden
    norms = MemoryBound("draft norms", 4.0 * vector, 0.0, kernels=2)
    return [norms, Linear("draft projection", shape.tokens, float(model.hidden), 2.0 * model.hidden, shape)]


@dataclass
class ServingBuilder(PassBuilder):
    """Leaves out collectives of groups that have one rank, so that a pass is cut where it really waits."""

    single: frozenset[str] = frozenset()

    def communicate(self, collective: Collective) -> None:
        """A collective that nothing hides, if it has anybody to talk to."""
        if collective.group not in self.single:
            super().communicate(collective)


def forward_pass(elements: Sequence[Forward], single: frozenset[str], times: int = 1) -> Pass:
    """The elements in order, so many times over; `single` are the groups of one rank."""
    builder = ServingBuilder(single=single)
    for _ in range(times):
        for element in elements:
            element.forward(builder)
    return builder.build()


def staggered(first: Pass, second: Pass) -> Pass:
    """Two micro-batches whose layers are cut before attention and around the exchanges, the second half a layer behind.

    While one has its tokens dispatched the other prepares its queries, and attends while the first one's come back.
    Source: deepseek-ai/open-infra-index, day 6 (five stages in decode, attention cut in two).
    """
    turns = [
        (turn + STAGGER * which, which, run)
        for which, work in enumerate((first, second))
        for turn, run in enumerate(_stages(work))
    ]
    order = [(which, operation) for _, which, run in sorted(turns) for operation in run]
    return interleave((first, second), order)


def _stages(work: Pass) -> Iterator[list[int]]:
    """What can be issued without waiting, cut once more before attention."""
    for run in runs_of(work):
        cut = next((at for at, task in enumerate(run) if isinstance(work.operations[task], Attention)), 0)
        yield from filter(None, (run[:cut], run[cut:]))


def _attention(model: Model, kind: BlockKind, shape: Shape, batch: Batch) -> list[Forward]:
    span = mean_keys(model, kind.attention, batch.span, batch.spread)
    read = batch.cached * span / batch.span
    output = row("attention output", model, shape, model.heads * model.v_head_size / shape.tensor)
    if model.latent is None:
        outputs = (model.heads + 2 * model.kv_heads) * model.head_size
        pairs = 2.0 * model.heads / shape.tensor * batch.tokens * span
        kept = batch.cache_bytes * read * cache_elements(model, float(shape.tensor))
        return [
            column("qkv", model, shape, outputs / shape.tensor, model.hidden),
            _rotary(model.head_size * (model.heads + model.kv_heads), shape),
            CachedAttention(pairs * (model.qk_head_size + model.v_head_size), kept, float(model.head_size)),
            output,
        ]
    return [*_latent_attention(model, model.latent, shape, batch, span, read), output]


def _latent_attention(
    model: Model, latent: LatentAttention, shape: Shape, batch: Batch, span: float, read: Array
) -> list[Forward]:
    """Prefill expands the compressed vectors of all tokens, decode attends to them as they are."""
    rows, heads = shape.tokens, model.heads / shape.tensor
    compressed = latent.kv_lora_rank + latent.qk_rope_head_dim
    down = float(compressed + (latent.q_lora_rank or 0))
    queries = heads * model.qk_head_size
    first: list[Forward] = [
        Linear("latent down", rows, down, float(model.hidden), shape),
        MemoryBound("latent norms", 2.0 * ACTIVATION_BYTES * rows * down, 0.0, kernels=2),
        Linear("query up", rows, queries, float(latent.q_lora_rank or model.hidden), shape),
        _rotary(latent.qk_rope_head_dim * (model.heads + 1), shape),
    ]
    pairs = 2.0 * heads * batch.tokens * span
    if batch.phase == "prefill":
        outputs = heads * (latent.qk_nope_head_dim + latent.v_head_dim)
        return [
            *first,
            Linear("key-value up", rows + read, outputs, float(latent.kv_lora_rank), shape),
            CachedAttention(pairs * (model.qk_head_size + model.v_head_size), 0.0, float(model.qk_head_size)),
        ]
    rank, wide = float(latent.kv_lora_rank), shape.wide_precision
    kept = batch.cache_bytes * read * compressed
    return [
        *first,
        Absorbed("absorbed keys", rows, rank, float(latent.qk_nope_head_dim), heads, wide),
        CachedAttention(pairs * (compressed + latent.kv_lora_rank), kept, float(compressed)),
        Absorbed("absorbed values", rows, float(latent.v_head_dim), rank, heads, wide),
    ]


def _rotary(width: float, shape: Shape) -> MemoryBound:
    return MemoryBound("rotary", 2.0 * ACTIVATION_BYTES * shape.tokens * width / shape.tensor, 0.0)
