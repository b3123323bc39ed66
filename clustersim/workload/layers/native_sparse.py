"""Native sparse attention (NSA): keys that stand for blocks, the best of these blocks key by key, and a window.

The three branches have keys and values of their own, attend apart, and are summed by gates of a number a head each.
Blocks are pooled by their mean, as flash-linear-attention does (its MLP has no published shape). All heads that share
keys pick the same blocks, by the scores of the first branch. Source: Yuan et al. 2025, arXiv 2502.11089, section 3;
sizes, and 9 times the speed of FlashAttention-2 forward and 6 backward at 65,536 tokens on A100 (both Triton):
section 5.2 (recalled).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from clustersim.inputs.kinds import chosen
from clustersim.inputs.mixers import NativeSparse
from clustersim.inputs.model import Model
from clustersim.inputs.precisions import FP32_BYTES
from clustersim.workload.layers.attention import ROTATES, AttentionLayer
from clustersim.workload.layers.elements import Element, Exchange, MemoryBound
from clustersim.workload.layers.layer import Matrix
from clustersim.workload.layers.linear import row
from clustersim.workload.layers.spans import AttentionSpan, causal_keys, mean_keys, reach
from clustersim.workload.layers.sparse_attention import CHOICE_BYTES, CORE_BACKWARD, SparseCore
from clustersim.workload.shape import Shape

BRANCHES = 3
# Of a backward pass over a dense one's: 6 times as fast where the forward pass is 9 times, at equal FLOPs.
BACKWARD = CORE_BACKWARD * 9.0 / 6.0


class ThreeBranches(AttentionSpan):
    """Pooled keys of all before the query, picked keys, and the last `window` ones."""

    label = "native sparse attention"

    def keys(self, model: Model, span: float) -> float:
        """A key for every stride, and those of the other two branches."""
        parts = sizes(model)
        return span / parts.stride + reach(parts.picked, span) + reach(parts.window, span)

    def causal_keys(self, model: Model, span: float) -> float:
        """Of the pooled ones half, behind the mask."""
        parts = sizes(model)
        return span / (2.0 * parts.stride) + causal_keys(parts.picked, span) + causal_keys(parts.window, span)

    def mean_keys(self, model: Model, mean: float, spread: float) -> float:
        """The same for queries at positions within `mean` +- `spread`."""
        parts = sizes(model)
        return mean / parts.stride + mean_keys(parts.picked, mean, spread) + mean_keys(parts.window, mean, spread)

    def kept(self, model: Model, length: float) -> float:
        """Pooled keys, every key that may be picked, and a window."""
        parts = sizes(model)
        return length / parts.stride + length + reach(parts.window, length)


THREE_BRANCHES = ThreeBranches()


@dataclass(frozen=True)
class NativeSparseLayer(AttentionLayer):
    """Attention with shared keys, in three branches."""

    reach: AttentionSpan = THREE_BRANCHES

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """Queries, a gate a head and branch, keys and values of each branch together; output."""
        qkv, output = super().matrices(model)
        more = (BRANCHES - 1) * model.kv_heads * (model.head_size + model.v_head_size) + BRANCHES * model.heads
        return Matrix(qkv.name, qkv.inputs, qkv.outputs + more, repeated=qkv.repeated), output

    def core_runs_again(self, model: Model, selected: Collection[str], *, fused: bool) -> bool:
        """Never: choices and statistics are kept."""
        return False

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """Projections, rotary positions, keys of other ranks, pooling, choice, the core, gates, output."""
        output = row(self._output(model), shape)
        rotates = chosen("model.position", model.position, ROTATES)
        return [
            *self._projections(model, shape),
            *([self._rotary(model, shape)] if rotates else []),
            self._gathered(model, shape),
            self._pooling(model, shape),
            self._choice(model, shape),
            self._branches(model, shape),
            self._gates(model, shape),
            output,
        ]

    def _gathered(self, model: Model, shape: Shape) -> Exchange:
        """Keys and values of all branches of the whole sequence, which every context rank needs."""
        width = BRANCHES * self._key_value_width(model) / shape.tensor
        message = shape.activation_bytes * shape.micro_batch * shape.sequence * width
        return Exchange("context", "context", "all-gather", "reduce-scatter", message)

    def _pooling(self, model: Model, shape: Shape) -> MemoryBound:
        """Keys and values read once for every block that they are in, and a mean of each written."""
        parts, held = sizes(model), shape.micro_batch * shape.sequence
        width = shape.activation_bytes * held * self._key_value_width(model) / shape.tensor
        moved = width * (parts.block / parts.stride + 1.0 / parts.stride)
        return MemoryBound("key pooling", moved, moved)

    def _choice(self, model: Model, shape: Shape) -> MemoryBound:
        """Scores of pooled keys, summed over the heads that share them: written and read once."""
        pooled = shape.span / (2.0 * sizes(model).stride)
        scores = shape.tokens * model.kv_heads / shape.tensor * pooled
        return MemoryBound("block choice", 2.0 * FP32_BYTES * scores, 0.0, fused=True)

    def _branches(self, model: Model, shape: Shape) -> SparseCore:
        heads, parts = model.heads / shape.tensor, sizes(model)
        queries_keys = heads * model.qk_head_size + BRANCHES * self._key_value_width(model) / shape.tensor
        outputs = BRANCHES * heads * model.v_head_size
        kept = shape.activation_bytes * (queries_keys + outputs) + BRANCHES * FP32_BYTES * heads
        kept = kept + CHOICE_BYTES * parts.blocks * model.kv_heads / shape.tensor
        return SparseCore(
            shape.micro_batch * heads,
            shape.sequence / shape.context,
            self.reach.causal_keys(model, shape.span),
            float(model.qk_head_size),
            float(model.v_head_size),
            kept * shape.tokens,
            BACKWARD,
        )

    def _gates(self, model: Model, shape: Shape) -> MemoryBound:
        """Three outputs in, one out; backward their gradients out."""
        vector = shape.activation_bytes * shape.tokens * model.heads * model.v_head_size / shape.tensor
        return MemoryBound("branch gates", (BRANCHES + 1) * vector, (2 * BRANCHES + 1) * vector)


def sizes(model: Model) -> NativeSparse:
    """The sizes of a model's three branches."""
    if model.native_sparse is None:
        raise ValueError(f"{model.name} has no native sparse attention")
    return model.native_sparse
