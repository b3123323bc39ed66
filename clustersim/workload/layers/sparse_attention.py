"""DeepSeek sparse attention (DSA): an indexer scores all keys before a query, which attends to the best of them.

The core reads keys as they are kept, so that all heads share what was picked. Source: DeepSeek-V3.2, arXiv 2512.02556,
section 2.1; index products in 8 bits and the core's rates: cuDNN frontend, DSA benchmarks (2026-09-28).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from clustersim.inputs.mixers import Indexer
from clustersim.inputs.model import Model
from clustersim.inputs.precisions import FP32_BYTES
from clustersim.workload.arrays import Array
from clustersim.workload.layers.cached_attention import Absorbed, CachedAttention
from clustersim.workload.layers.elements import Element, Exchange, MemoryBound
from clustersim.workload.layers.latent_attention import LatentAttentionLayer, compressed, latent_sizes
from clustersim.workload.layers.layer import Matrix
from clustersim.workload.layers.linear import Linear, row
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.layers.spans import causal_keys, mean_keys, reach
from clustersim.workload.operations import Attention, PassBuilder
from clustersim.workload.shape import Shape

CORE_BACKWARD = 2.5  # five products for two, as in FlashAttention-2
CHOICE_BYTES = 4.0  # of the number of a picked key


@dataclass(frozen=True)
class IndexScores(Element):
    """Scores of all keys before each query, of every index head, on every tensor rank alike; the choice among them.

    Trained on the keys that were picked alone, with both gradients (section 2.1.2).
    """

    heads: float
    head_size: float
    queries: Array  # of this rank, times sequences
    keys: float  # before a query, on average
    picked: float

    @property
    def _flops(self) -> Array:
        """FLOP of one key for each query, over all index heads."""
        return 2.0 * self.heads * self.head_size * self.queries

    def forward(self, builder: PassBuilder) -> None:
        """One kernel writes a score a pair, which another reads."""
        builder.run(Attention("index scores", self._flops * self.keys, self.head_size, False))
        MemoryBound("index choice", 2.0 * FP32_BYTES * self.queries * self.keys, 0.0, fused=True).forward(builder)

    def input_gradient(self, builder: PassBuilder) -> None:
        """Two products of the picked keys."""
        builder.run(Attention("index scores backward", 2.0 * self._flops * self.picked, self.head_size, True))


@dataclass(frozen=True)
class SparseCore(Element):
    """All heads over the picked keys, as they are kept: compressed, with the rotary part; values are the compressed."""

    heads: Array  # of this rank, times sequences
    queries: Array
    keys: float  # picked, on average
    key_size: float
    value_size: float
    kept: Array  # bytes of queries, keys, choices, output's statistics
    backward_share: float = CORE_BACKWARD  # of the forward FLOPs

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes of absorbed queries, latents, choices and statistics."""
        return self.kept

    @property
    def gradients(self) -> Array:
        """As much again."""
        return self.kept

    @property
    def _flops(self) -> Array:
        return 2.0 * self.heads * self.queries * self.keys * (self.key_size + self.value_size)

    def repeated(self) -> None:
        """Nothing: recomputation by operations keeps its results, as of other fused attention."""

    def forward(self, builder: PassBuilder) -> None:
        """One kernel."""
        builder.run(Attention("sparse attention", self._flops, self.key_size, False))

    def input_gradient(self, builder: PassBuilder) -> None:
        """One kernel."""
        builder.run(Attention("sparse attention backward", self.backward_share * self._flops, self.key_size, True))


@dataclass(frozen=True)
class SparseAttentionLayer(LatentAttentionLayer):
    """Latent attention to `top_k` keys. Sequences that are no longer are attended whole, without an indexer's scores.

    A layer that isn't `indexed` takes an earlier layer's choice (GLM-5.2), and has no indexer of its own.
    """

    @property
    def label(self) -> str:
        """Sparse attention."""
        return "sparse attention"

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """Latent attention's and, whole on every tensor rank, the indexer's queries, key and weights of its heads."""
        matrices = super().matrices(model)
        return (*matrices, *self._index_matrices(model)) if model.indexed else matrices

    def vectors(self, model: Model) -> float:
        """Latent attention's, and the norm of the indexer's key."""
        return super().vectors(model) + (2.0 * sizes(model).head_dim if model.indexed else 0.0)

    def core_flops(self, model: Model, span: float, *, causal: bool) -> float:
        """2 heads keys (d_qk + d_v) of the picked keys, and 2 index heads times size of all before them."""
        indexer = sizes(model)
        picked = causal_keys(indexer.top_k, span) if causal else reach(indexer.top_k, span)
        core = 2.0 * picked * model.heads * (model.qk_head_size + model.v_head_size)
        if span <= indexer.top_k or not model.indexed:
            return core
        return core + 2.0 * indexer.heads * indexer.head_dim * (span / 2.0 if causal else span)

    def core_runs_again(self, model: Model, selected: Collection[str], *, fused: bool) -> bool:
        """Never: choices and statistics are kept."""
        return False

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """Projections, rotary positions, latents of other ranks, scores and choice, the core, output."""
        indexer = sizes(model)
        if shape.span <= indexer.top_k:
            return super().train(model, shape)
        output = self._output(model)
        index = self._index(model, shape) if model.indexed else []
        scores = [self._scores(model, shape)] if model.indexed else []
        return [
            *self._projections(model, shape),
            *index,
            self._rotary(model, shape),
            self._gathered(model, shape),
            *scores,
            self._core_of_picked(model, shape),
            row(output, shape),
        ]

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """Scores of all kept index keys, the core over the picked latents, in prompts and answers alike."""
        indexer, latent = sizes(model), latent_sizes(model)
        before = batch.span + batch.spread
        if before <= indexer.top_k:
            return super().serve(model, shape, batch)
        width = compressed(latent)
        picked = mean_keys(indexer.top_k, batch.span, batch.spread)
        read = batch.cache_bytes * batch.cached * width * picked / batch.span
        flops = 2.0 * model.heads / shape.tensor * batch.tokens * picked * (width + latent.kv_lora_rank)
        first, output = super().serve(model, shape, batch)[:4], self._output(model)
        rank, heads, wide = float(latent.kv_lora_rank), model.heads / shape.tensor, shape.wide_precision
        rows = shape.tokens
        elements: list[Forward] = [*first, *(self._index(model, shape) if model.indexed else [])]
        if model.indexed:
            scored = 2.0 * indexer.heads * indexer.head_dim * batch.tokens * batch.span
            elements.append(CachedAttention(scored, batch.cached * indexer.head_dim, float(indexer.head_dim)))
        return [
            *elements,
            Absorbed("absorbed keys", rows, rank, float(latent.qk_nope_head_dim), heads, wide),
            CachedAttention(flops, read, float(width)),
            Absorbed("absorbed values", rows, float(latent.v_head_dim), rank, heads, wide),
            row(output, shape),
        ]

    def kept_elements(self, model: Model, tensor: float, length: float) -> float:
        """Latents of all tokens, and the indexer's key of each (in 8 bits: half an element)."""
        index = 0.5 * sizes(model).head_dim * length if model.indexed else 0.0
        return super().kept_elements(model, tensor, length) + index

    def _index(self, model: Model, shape: Shape) -> list[Element]:
        """The indexer's three products, on every tensor rank alike."""
        kept = shape.activation_bytes * shape.tokens
        return [
            Linear(matrix.name, shape.tokens, matrix.outputs, matrix.inputs, shape, saved=kept * matrix.inputs)
            for matrix in self._index_matrices(model)
        ]

    def _index_matrices(self, model: Model) -> tuple[Matrix, ...]:
        """Queries, key and weights of its heads."""
        indexer = sizes(model)
        queries = float(indexer.heads * indexer.head_dim)
        inputs = float(latent_sizes(model).q_lora_rank or model.hidden)
        return (
            Matrix("index query", inputs, queries, "whole"),
            Matrix("index key", float(model.hidden), float(indexer.head_dim), "whole"),
            Matrix("index weights", float(model.hidden), float(indexer.heads), "whole"),
        )

    def _gathered(self, model: Model, shape: Shape) -> Exchange:
        """Latents and index keys of the whole sequence, which every context rank needs (MindSpeed-LLM, DSA)."""
        width = compressed(latent_sizes(model)) + (sizes(model).head_dim if model.indexed else 0)
        message = shape.activation_bytes * shape.micro_batch * shape.sequence * width
        return Exchange("context", "context", "all-gather", "reduce-scatter", message)

    def _scores(self, model: Model, shape: Shape) -> IndexScores:
        indexer = sizes(model)
        queries = shape.micro_batch * shape.sequence / shape.context
        picked = causal_keys(indexer.top_k, shape.span)
        return IndexScores(float(indexer.heads), float(indexer.head_dim), queries, shape.span / 2.0, picked)

    def _core_of_picked(self, model: Model, shape: Shape) -> SparseCore:
        indexer, latent = sizes(model), latent_sizes(model)
        heads, width = model.heads / shape.tensor, float(compressed(latent))
        kept = shape.activation_bytes * (heads * (width + latent.kv_lora_rank) + width)
        kept = kept + CHOICE_BYTES * indexer.top_k + FP32_BYTES * heads
        return SparseCore(
            shape.micro_batch * heads,
            shape.sequence / shape.context,
            causal_keys(indexer.top_k, shape.span),
            width,
            float(latent.kv_lora_rank),
            kept * shape.tokens,
        )


def sizes(model: Model) -> Indexer:
    """The sizes of a model's indexer."""
    if model.indexer is None:
        raise ValueError(f"{model.name} has no indexer")
    return model.indexer
