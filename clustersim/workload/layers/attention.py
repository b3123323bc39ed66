"""Attention, full or in a window, with heads that may share keys and values: in training and in serving."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from clustersim.errors import Problem
from clustersim.inputs.checks import head_problems
from clustersim.inputs.kinds import chosen
from clustersim.inputs.layout import Layout
from clustersim.inputs.model import Model
from clustersim.inputs.precisions import FP32_BYTES
from clustersim.workload.arrays import Array
from clustersim.workload.layers.attention_cores import FusedAttention, UnfusedAttention
from clustersim.workload.layers.cached_attention import CachedAttention, served_rotary
from clustersim.workload.layers.context_parallel import over_context
from clustersim.workload.layers.elements import Element, MemoryBound
from clustersim.workload.layers.layer import Layer, Matrix, norm_parameters
from clustersim.workload.layers.linear import column, row
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.layers.spans import FULL, AttentionSpan
from clustersim.workload.shape import Shape
from clustersim.workload.software import CORE_ATTENTION

ROTATES = {"rotary": True, "learned": False, "alibi": False, "none": False}  # by how tokens' positions are told


@dataclass(frozen=True)
class AttentionLayer(Layer):
    """Queries, keys and values of one product, the core, and the output's product.

    Keys and output are the second and the fourth product of a layer, which recomputation by operations repeats.
    """

    reach: AttentionSpan = FULL

    @property
    def label(self) -> str:
        """Sliding or chunked attention; the usual one has no name."""
        return self.reach.label

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """Queries (with a gate as wide, where the output has one), keys and values together; output."""
        keys = model.kv_heads * model.head_size
        values = 0 if model.keys_are_values else model.kv_heads * model.v_head_size
        queries = (2 if model.output_gate else 1) * model.heads * model.head_size
        qkv = Matrix("qkv", model.hidden, queries + keys + values, repeated=keys)
        inputs = model.heads * model.v_head_size
        return qkv, Matrix("attention output", inputs, model.hidden, repeated=model.hidden)

    def vectors(self, model: Model) -> float:
        """Norms of queries and keys, biases of the projections."""
        norms = norm_parameters(model, 2 * model.head_size) if model.qk_norm else 0.0
        biases = (model.heads + 2 * model.kv_heads) * model.head_size if model.bias or model.qkv_bias else 0
        return norms + biases + (model.hidden if model.bias else 0)

    def core_flops(self, model: Model, span: float, *, causal: bool) -> float:
        """2 heads keys (d_qk + d_v) with the keys that a query reaches, or meets behind the mask."""
        keys = self.reach.causal_keys(model, span) if causal else self.reach.keys(model, span)
        return 2.0 * keys * model.heads * (model.qk_head_size + model.v_head_size)

    def core_runs_again(self, model: Model, selected: Collection[str], *, fused: bool) -> bool:
        """With what context ranks exchange for it, whatever its kernels.

        Source: Megatron-LM, `--recompute-modules`: core_attn checkpoints the whole core.
        """
        return CORE_ATTENTION in selected

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """Projections, rotary positions, the core with its exchanges, output."""
        rotates = chosen("model.position", model.position, ROTATES)
        keys_values, values = self._key_value_width(model), float(model.heads * model.v_head_size)
        core = over_context(
            self._core(model, shape), shape, float(model.heads * model.qk_head_size), keys_values, values
        )
        output = row(self._output(model), shape)
        rotary = [self._rotary(model, shape)] if rotates else []
        return [*self._projections(model, shape), *rotary, *core, *self._gate(model, shape), output]

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """Projections, rotary positions, attention over what is kept, output."""
        keys = self._served_keys(model, batch)
        pairs = 2.0 * model.heads / shape.tensor * batch.tokens * keys
        read = batch.cached * keys / batch.span
        kept = batch.cache_bytes * read * self._kept_width(model, float(shape.tensor))
        qkv, output = self.matrices(model)
        return [
            column(qkv, shape),
            served_rotary(model.head_size * (model.heads + model.kv_heads), shape),
            CachedAttention(pairs * (model.qk_head_size + model.v_head_size), kept, float(model.head_size)),
            *self._gate(model, shape),
            row(output, shape),
        ]

    def kept_elements(self, model: Model, tensor: float, length: float) -> float:
        """Keys and values of the tokens that a query reaches."""
        return self.reach.kept(model, length) * self._kept_width(model, tensor)

    def problems(self, layout: Layout, model: Model) -> Sequence[Problem]:
        """Heads that the tensor group (or Ulysses) can't share."""
        return tuple(head_problems(layout, model))

    def _output(self, model: Model) -> Matrix:
        return self.matrices(model)[-1]

    def _projections(self, model: Model, shape: Shape) -> list[Element]:
        """One product, and its bias where that is a kernel of its own."""
        qkv = self.matrices(model)[0]
        if not (shape.software.unfused_bias and (model.bias or model.qkv_bias)):
            return [column(qkv, shape)]
        return [column(qkv, shape), _bias("qkv bias", shape, shape.tokens * qkv.outputs / shape.tensor)]

    def _rotary(self, model: Model, shape: Shape) -> MemoryBound:
        return trained_rotary(model.head_size * (model.heads + model.kv_heads), shape)

    def _key_value_width(self, model: Model) -> float:
        """Elements of keys and values a token that training keeps."""
        return float(model.kv_heads * (model.qk_head_size + model.v_head_size))

    def _kept_width(self, model: Model, tensor: float) -> float:
        """Elements of keys and values a token that serving keeps: cut by the ranks as far as there are heads.

        Source: Ainslie et al. 2023, arXiv 2305.13245 (grouped queries).
        """
        if model.kv_heads == 0:  # those of an earlier layer
            return 0.0
        return max(1.0, model.kv_heads / tensor) * (model.qk_head_size + model.v_head_size)

    def _gate(self, model: Model, shape: Shape) -> list[Element]:
        """The output times the sigmoid of its gate, where there is one: both in, one out (modeling_qwen3_next.py)."""
        if not model.output_gate:
            return []
        vector = shape.activation_bytes * shape.tokens * model.heads * model.v_head_size / shape.tensor
        return [MemoryBound("attention gate", 3.0 * vector, 5.0 * vector, saved=2.0 * vector)]

    def _served_keys(self, model: Model, batch: Batch) -> float:
        return self.reach.mean_keys(model, batch.span, batch.spread)

    def _rotated_apart(self, model: Model, shape: Shape) -> float:
        """Elements a token of rotated queries and keys that stand beside the joint projection, of which values are a
        part still: kernel by kernel. Source: LitGPT, model.py, CausalSelfAttention.
        """
        rotates = chosen("model.position", model.position, ROTATES)
        apart = rotates and shape.software.eager_kernels and model.latent is None
        return float(model.qk_head_size * (model.heads + model.kv_heads)) if apart else 0.0

    def _output_frozen(self, shape: Shape) -> bool:
        """Whether the output's matrix keeps no input of its own, so that the core must."""
        trained = shape.trained
        return not trained.trains("attention output") and not trained.adapter("attention output")[0]

    def _projections_dropped(self, shape: Shape) -> bool:
        """Whether selective recomputation makes queries, keys and values again."""
        return False

    def _core(self, model: Model, shape: Shape) -> FusedAttention | UnfusedAttention:
        heads, queries = shape.micro_batch * model.heads / shape.tensor, shape.sequence / shape.context
        again = self.core_runs_again(model, shape.software.selected, fused=shape.fused_attention)
        kept = model.heads * model.qk_head_size + self._key_value_width(model)
        projections = shape.activation_bytes * shape.tokens * (kept + self._rotated_apart(model, shape)) / shape.tensor
        if shape.fused_attention:
            return FusedAttention(
                heads,
                queries,
                self.reach.causal_keys(model, shape.span),
                float(model.qk_head_size),
                float(model.v_head_size),
                projections,
                statistics=FP32_BYTES * heads * queries,
                precision=shape.wide_precision,
                output=shape.activation_bytes * heads * queries * model.v_head_size,
                output_cast=shape.product_bytes < shape.activation_bytes or self._output_frozen(shape),
                projections_dropped=self._projections_dropped(shape),
                recomputed_when_selective=again,
            )
        return UnfusedAttention(
            heads,
            queries,
            shape.span,
            model.qk_head_size,
            model.v_head_size,
            model.dropout,
            shape.wide_precision,
            projections,
            shape.activation_bytes,
            alibi=model.position == "alibi",
            recomputed_when_selective=again,
        )


def trained_rotary(width: float, shape: Shape) -> MemoryBound:
    """Rotary positions of vectors of a width, heads together, forward and backward."""
    traffic = 2 * shape.activation_bytes * shape.tokens * width / shape.tensor
    return MemoryBound("rotary", traffic, traffic)


def _bias(name: str, shape: Shape, elements: Array) -> MemoryBound:
    """Read, add and write; backward the sum over tokens (Megatron-LM, tensor_parallel/layers.py: output + bias)."""
    width = shape.activation_bytes * elements
    return MemoryBound(name, 2 * width, width, fused=True)
