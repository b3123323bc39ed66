"""Multi-head latent attention (MLA): keys and values are kept compressed. Source: DeepSeek-V2, arXiv 2405.04434."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from clustersim.inputs.model import LatentAttention, Model
from clustersim.inputs.precisions import HALF_BYTES
from clustersim.workload.layers.attention import AttentionLayer, trained_rotary
from clustersim.workload.layers.cached_attention import Absorbed, CachedAttention, served_rotary
from clustersim.workload.layers.elements import Element, MemoryBound
from clustersim.workload.layers.layer import Matrix, norm_parameters
from clustersim.workload.layers.linear import Linear, column, row
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.shape import Shape
from clustersim.workload.software import LATENT_UP


@dataclass(frozen=True)
class LatentAttentionLayer(AttentionLayer):
    """Down-projections on every tensor rank alike, up-projections cut by heads (section 2.1); half of every product is
    repeated where recomputation is by operations (assumed: their order is not told).
    """

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """Down, queries up, keys with values up, output."""
        return self.latent_matrices(model)

    def latent_matrices(self, model: Model) -> tuple[Matrix, Matrix, Matrix, Matrix]:
        """These four, whatever a kind of latent attention has beside."""
        latent = latent_sizes(model)
        key_values = model.heads * (latent.qk_nope_head_dim + latent.v_head_dim)
        queries = model.heads * model.qk_head_size
        return (
            Matrix("latent down", model.hidden, compressed(latent) + (latent.q_lora_rank or 0), "whole"),
            Matrix("query up", latent.q_lora_rank or model.hidden, queries, selected=LATENT_UP),
            Matrix("key-value up", latent.kv_lora_rank, key_values, selected=LATENT_UP),
            Matrix("attention output", model.heads * model.v_head_size, model.hidden),
        )

    def _output(self, model: Model) -> Matrix:
        return self.latent_matrices(model)[-1]

    def vectors(self, model: Model) -> float:
        """Norms of the latents, and what plain attention has."""
        latent = latent_sizes(model)
        return super().vectors(model) + norm_parameters(model, latent.kv_lora_rank + (latent.q_lora_rank or 0))

    def core_runs_again(self, model: Model, selected: Collection[str], *, fused: bool) -> bool:
        """A fused core doesn't where the up-projections do: these drop all that it keeps."""
        beside_up = LATENT_UP in selected and fused
        return super().core_runs_again(model, selected, fused=fused) and not beside_up

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """Prefill expands the compressed vectors of all tokens, decode attends to them as they are (section 2.1.2)."""
        latent, keys = latent_sizes(model), self._served_keys(model, batch)
        down, query_up, key_value_up, output = self.latent_matrices(model)
        rows, heads = shape.tokens, model.heads / shape.tensor
        first: list[Forward] = [
            Linear(down.name, rows, down.outputs, down.inputs, shape),
            MemoryBound("latent norms", 2.0 * HALF_BYTES * rows * down.outputs, 0.0, kernels=2),
            Linear(query_up.name, rows, query_up.outputs / shape.tensor, query_up.inputs, shape),
            served_rotary(latent.qk_rope_head_dim * (model.heads + 1), shape),
        ]
        pairs, read = 2.0 * heads * batch.tokens * keys, batch.cached * keys / batch.span
        if batch.phase == "prefill":
            return [
                *first,
                Linear(key_value_up.name, rows + read, key_value_up.outputs / shape.tensor, key_value_up.inputs, shape),
                CachedAttention(pairs * (model.qk_head_size + model.v_head_size), 0.0, float(model.qk_head_size)),
                row(output, shape),
            ]
        width, rank = compressed(latent), float(latent.kv_lora_rank)
        kept, wide = batch.cache_bytes * read * width, shape.wide_precision
        return [
            *first,
            Absorbed("absorbed keys", rows, rank, float(latent.qk_nope_head_dim), heads, wide),
            CachedAttention(pairs * (width + latent.kv_lora_rank), kept, float(width)),
            Absorbed("absorbed values", rows, float(latent.v_head_dim), rank, heads, wide),
            row(output, shape),
        ]

    def _projections(self, model: Model, shape: Shape) -> list[Element]:
        """Down, norms, up. Selective recomputation may run the up-projections again (2412.19437, section 3.2.3)."""
        down, *up, _ = self.latent_matrices(model)
        resident, width = shape.resident_tokens, down.outputs
        kept = shape.activation_bytes * resident * down.inputs
        return [
            Linear(down.name, resident, width, down.inputs, shape, saved=kept),
            MemoryBound(
                "latent norms", 4.0 * resident * width, 6.0 * resident * width, saved=2.0 * resident * width, kernels=2
            ),
            *(column(matrix, shape) for matrix in up),
        ]

    def _rotary(self, model: Model, shape: Shape) -> MemoryBound:
        return trained_rotary(latent_sizes(model).qk_rope_head_dim * (model.heads + model.kv_heads), shape)

    def _key_value_width(self, model: Model) -> float:
        """Keys and values expanded to all heads."""
        return float(model.heads * (model.qk_head_size + model.v_head_size))

    def _kept_width(self, model: Model, tensor: float) -> float:
        """The compressed vector and the rotary key, on every tensor rank (section 2.1)."""
        return float(compressed(latent_sizes(model)))

    def _projections_dropped(self, shape: Shape) -> bool:
        return LATENT_UP in shape.software.selected


def latent_sizes(model: Model) -> LatentAttention:
    """The sizes of a model's latent attention."""
    if model.latent is None:
        raise ValueError(f"{model.name} has no latent attention")
    return model.latent


def compressed(latent: LatentAttention) -> int:
    """Elements of a token's compressed keys and values with the rotary key."""
    return latent.kv_lora_rank + latent.qk_rope_head_dim
