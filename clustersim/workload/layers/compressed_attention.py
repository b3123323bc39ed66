"""DeepSeek-V4's attention: a window, and beyond it keys that stand for several tokens each, all or the best of them.

One key-value head of 512 serves all query heads, its keys being its values. With a ratio of 4 an indexer picks among
compressed keys (CSA); with one of 128 all of them are attended to (HCA); some layers have the window alone.
Shapes: transformers 5.24.0, models/deepseek_v4/modeling_deepseek_v4.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from clustersim.errors import Problem
from clustersim.inputs.checks import divisors_near, head_problems
from clustersim.inputs.layout import Layout
from clustersim.inputs.mixers import CompressedAttention
from clustersim.inputs.model import Model
from clustersim.inputs.precisions import FP32_BYTES
from clustersim.workload.layers.attention import trained_rotary
from clustersim.workload.layers.cached_attention import CachedAttention
from clustersim.workload.layers.elements import Element, Exchange, MemoryBound
from clustersim.workload.layers.layer import Layer, Matrix
from clustersim.workload.layers.linear import Linear, column, row
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.layers.spans import causal_keys, mean_keys, reach
from clustersim.workload.layers.sparse_attention import CHOICE_BYTES, IndexScores, SparseCore
from clustersim.workload.layers.sparse_attention import sizes as indexer_of
from clustersim.workload.shape import Shape


class CompressedAttentionLayer(Layer):
    """Queries and outputs of low rank, one key-value head, and what compresses keys where the layer has a ratio.

    A compressed key of a ratio that an indexer picks from is made of twice as many tokens, neighbours overlapping.
    """

    @property
    def label(self) -> str:
        """Compressed attention."""
        return "compressed attention"

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """Queries down and up, keys, what compresses, the indexer's, outputs of groups down, output."""
        own, hidden, head = sizes(model), float(model.hidden), float(model.head_size)
        groups = float(own.output_groups)
        per_group = model.heads * head / groups
        return (
            Matrix("query down", hidden, float(own.q_lora_rank), "whole"),
            Matrix("query up", float(own.q_lora_rank), model.heads * head),
            Matrix("key-value", hidden, head, "whole"),
            *self._beyond_the_window(model),
            Matrix("output groups", per_group, float(own.output_lora_rank), count=groups, met=groups),
            Matrix("attention output", groups * own.output_lora_rank, hidden),
        )

    def vectors(self, model: Model) -> float:
        """Sinks, norms, and places inside a compressed key."""
        own, head = sizes(model), model.head_size
        vectors = model.heads + own.q_lora_rank + head
        if model.compress_ratio is None:
            return float(vectors)
        if not self._picks(model):
            return float(vectors + model.compress_ratio * head + head)
        size = indexer_of(model).head_dim
        return float(vectors + (2 * model.compress_ratio + 1) * (head + size))

    def core_flops(self, model: Model, span: float, *, causal: bool) -> float:
        """2 heads keys (d + d) of window and compressed keys; 2 index heads size of all compressed keys scored."""
        window = causal_keys(model.window, span) if causal else reach(model.window, span)
        core = 4.0 * model.heads * model.head_size * (window + self._compressed(model, span, causal=causal))
        return core + 2.0 * self._scored(model, span / 2.0 if causal else span)

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """Projections, compression, latents of other ranks, scores and choice, the core, outputs."""
        scores = [self._scores(model, shape)] if self._picks(model) else []
        return [
            *self._projections(model, shape),
            self._gathered(model, shape),
            *scores,
            self._core(model, shape),
            *self._outputs(model, shape),
        ]

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """As in training, over kept keys: of the window, compressed ones, and the indexer's."""
        window = mean_keys(model.window, batch.span, batch.spread)
        keys = window + self._compressed(model, 2.0 * batch.span, causal=True)
        flops = 4.0 * model.heads / shape.tensor * batch.tokens * keys * model.head_size
        read = batch.cache_bytes * batch.cached * keys / batch.span * model.head_size
        scored = 2.0 * self._scored(model, batch.span) * batch.tokens
        index_keys = batch.cached / (model.compress_ratio or 1) * indexer_of(model).head_dim
        picks: list[Forward] = [CachedAttention(scored, index_keys, float(indexer_of(model).head_dim))]
        return [
            *self._projections(model, shape),
            *(picks if self._picks(model) else []),
            CachedAttention(flops, read, float(model.head_size)),
            *self._outputs(model, shape),
        ]

    def kept_elements(self, model: Model, tensor: float, length: float) -> float:
        """Keys of the window, compressed ones of all tokens, and the indexer's, in 8 bits."""
        kept = reach(model.window, length) * model.head_size
        if model.compress_ratio is None:
            return kept
        index = 0.5 * indexer_of(model).head_dim if self._picks(model) else 0.0
        return kept + length / model.compress_ratio * (model.head_size + index)

    def problems(self, layout: Layout, model: Model) -> Sequence[Problem]:
        """Heads and groups that tensor ranks can't share."""
        tensor, groups = layout.tensor, sizes(model).output_groups
        found = list(head_problems(layout, model))
        if groups % tensor:
            message = f"{tensor} does not divide the {groups} groups of outputs. {divisors_near(tensor, groups)}"
            found.append(Problem(message, "layout.tensor"))
        return found

    def _picks(self, model: Model) -> bool:
        return model.compress_ratio is not None and model.indexed

    def _beyond_the_window(self, model: Model) -> tuple[Matrix, ...]:
        """What makes compressed keys, and weighs the tokens in them; the indexer's own, and its queries."""
        hidden, head = float(model.hidden), float(model.head_size)
        if model.compress_ratio is None:
            return ()
        if not self._picks(model):
            return (Matrix("compression", hidden, 2.0 * head, "whole"),)
        indexer, queries = indexer_of(model), float(sizes(model).q_lora_rank)
        return (
            Matrix("compression", hidden, 4.0 * head, "whole"),
            Matrix("index compression", hidden, 4.0 * indexer.head_dim, "whole"),
            Matrix("index query", queries, float(indexer.heads * indexer.head_dim), "whole"),
            Matrix("index weights", hidden, float(indexer.heads), "whole"),
        )

    def _compressed(self, model: Model, span: float, *, causal: bool) -> float:
        """Compressed keys that a query of a sequence attends to."""
        ratio = model.compress_ratio
        if ratio is None:
            return 0.0
        tokens = ratio * indexer_of(model).top_k if self._picks(model) else None
        return (causal_keys(tokens, span) if causal else reach(tokens, span)) / ratio

    def _scored(self, model: Model, tokens: float) -> float:
        """Multiply-adds of a query's scores of the compressed keys of so many tokens."""
        if not self._picks(model) or model.compress_ratio is None:
            return 0.0
        indexer = indexer_of(model)
        return float(indexer.heads * indexer.head_dim) * tokens / model.compress_ratio

    def _projections(self, model: Model, shape: Shape) -> list[Element]:
        """Queries, keys and what compresses them; norms and rotary parts."""
        down, up, keys, *beyond, _, _ = self.matrices(model)
        rows, kept = shape.tokens, shape.activation_bytes * shape.tokens
        narrow = [
            Linear(each.name, rows, each.outputs, each.inputs, shape, saved=kept * each.inputs)
            for each in (down, keys, *beyond)
        ]
        normed = 2.0 * rows * (down.outputs + keys.outputs + sum(each.outputs for each in beyond))
        return [
            *narrow,
            MemoryBound("latent norms", 2.0 * normed, 3.0 * normed, saved=normed, kernels=2),
            column(up, shape),
            trained_rotary(sizes(model).rope_dim * (model.heads + 1), shape),
        ]

    def _outputs(self, model: Model, shape: Shape) -> list[Element]:
        """Groups of heads, each through its own narrow matrix, then all of them."""
        *_, groups, output = self.matrices(model)
        local = groups.count / shape.tensor
        kept = shape.activation_bytes * shape.tokens * groups.inputs * local
        return [
            Linear(groups.name, shape.tokens, groups.outputs, groups.inputs, shape, local, saved=kept),
            row(output, shape),
        ]

    def _gathered(self, model: Model, shape: Shape) -> Exchange:
        """Keys, compressed ones and the indexer's, of the whole sequence, for every context rank (assumed, as DSA)."""
        width = model.head_size * (1.0 + (1.0 / model.compress_ratio if model.compress_ratio else 0.0))
        if self._picks(model) and model.compress_ratio:
            width += indexer_of(model).head_dim / model.compress_ratio
        message = shape.activation_bytes * shape.micro_batch * shape.sequence * width
        return Exchange("context", "context", "all-gather", "reduce-scatter", message)

    def _scores(self, model: Model, shape: Shape) -> IndexScores:
        indexer, ratio = indexer_of(model), model.compress_ratio or 1
        queries = shape.micro_batch * shape.sequence / shape.context
        picked = self._compressed(model, shape.span, causal=True)
        return IndexScores(float(indexer.heads), float(indexer.head_dim), queries, shape.span / 2.0 / ratio, picked)

    def _core(self, model: Model, shape: Shape) -> SparseCore:
        heads, head = model.heads / shape.tensor, float(model.head_size)
        kept = shape.activation_bytes * (2.0 * heads * head + head) + FP32_BYTES * heads
        if self._picks(model):
            kept = kept + CHOICE_BYTES * indexer_of(model).top_k
        keys = causal_keys(model.window, shape.span) + self._compressed(model, shape.span, causal=True)
        queries = shape.sequence / shape.context
        return SparseCore(shape.micro_batch * heads, queries, keys, head, head, kept * shape.tokens)


def sizes(model: Model) -> CompressedAttention:
    """The sizes of a model's compressed attention."""
    if model.compressed is None:
        raise ValueError(f"{model.name} has no compressed attention")
    return model.compressed
