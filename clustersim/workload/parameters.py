"""How many parameters a model has: in a layer, in its ends, and those that one token meets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from clustersim.inputs.kinds import chosen
from clustersim.inputs.model import BlockKind, LatentAttention, Model, layer_kinds

NORM_VECTORS = {"rms": 1, "layer": 2}  # a scale; a bias too
POSITION_ROWS = {"rotary": 0, "learned": 1, "alibi": 0, "none": 0}  # of a table, for each position


@dataclass(frozen=True)
class BlockParameters:
    """Parameters of one transformer layer, by how parallelism cuts them."""

    tensor: float  # matrices cut by the tensor group
    replicated: float  # norms, router, MLA down-projections: whole on every tensor rank
    expert: float  # routed experts, cut by the expert groups

    @property
    def total(self) -> float:
        """All of them."""
        return self.tensor + self.replicated + self.expert


def attention_matrices(model: Model) -> tuple[float, float]:
    """Matrix parameters of a layer's attention: (cut by heads, whole on every tensor rank).

    MLA: DeepSeek-V2, arXiv 2405.04434, section 2.1.
    """
    output = model.heads * model.v_head_size * model.hidden
    latent = model.latent
    if latent is None:
        return (model.heads + 2 * model.kv_heads) * model.head_size * model.hidden + output, 0.0
    down = model.hidden * (latent.kv_lora_rank + latent.qk_rope_head_dim + (latent.q_lora_rank or 0))
    return latent_up_matrices(model, latent) + output, float(down)


def latent_up_matrices(model: Model, latent: LatentAttention) -> float:
    """Parameters of MLA's up-projections: queries, and keys with values."""
    query_up = (latent.q_lora_rank or model.hidden) * model.heads * model.qk_head_size
    return query_up + latent.kv_lora_rank * model.heads * (latent.qk_nope_head_dim + latent.v_head_dim)


def ffn_matrices(model: Model, ffn_hidden: int) -> float:
    """Matrix parameters of a feed-forward layer: two matrices, three when gated."""
    return (3.0 if model.gated else 2.0) * model.hidden * ffn_hidden


def block_parameters(model: Model, kind: BlockKind) -> BlockParameters:
    """Parameters of one layer."""
    cut, replicated = attention_matrices(model)
    replicated += _norm_parameters(model) + _bias_parameters(model)
    moe = model.moe
    if not kind.experts or moe is None:
        return BlockParameters(cut + ffn_matrices(model, model.ffn_hidden), replicated, 0.0)
    shared = moe.shared * ffn_matrices(model, moe.shared_ffn_hidden or moe.ffn_hidden)
    router = float(model.hidden * moe.experts)
    return BlockParameters(cut + shared, replicated + router, moe.experts * ffn_matrices(model, moe.ffn_hidden))


def embedding_parameters(model: Model) -> float:
    """The token table and, where positions are learned, their table."""
    positions = chosen("model.position", model.position, POSITION_ROWS) * (model.max_positions or 0)
    return float(model.hidden * (model.vocab + positions))


def head_parameters(model: Model) -> float:
    """The output head (none of its own when tied to the embedding) and the last norm."""
    norm = model.hidden * chosen("model.norm", model.norm, NORM_VECTORS)
    return float(norm + (0 if model.tied_embeddings else model.hidden * model.vocab))


def total_parameters(model: Model) -> float:
    """All parameters, multi-token-prediction modules left out (as publishers count)."""
    kinds = Counter(layer_kinds(model)[: model.layers])
    blocks = sum(times * block_parameters(model, kind).total for kind, times in kinds.items())
    return blocks + embedding_parameters(model) + head_parameters(model)


def active_parameters(model: Model) -> float:
    """Parameters that one token meets: all but the routed experts it isn't sent to; embeddings counted."""
    kinds = Counter(layer_kinds(model)[: model.layers])
    experts = sum(times * block_parameters(model, kind).expert for kind, times in kinds.items())
    return total_parameters(model) - _idle_share(model) * experts


def prediction_parameters(model: Model) -> float:
    """Parameters of one multi-token-prediction module beside its layer: the projection and two norms."""
    return float(2 * model.hidden * model.hidden + 2 * model.hidden)


def _idle_share(model: Model) -> float:
    return 1.0 - model.moe.top_k / model.moe.experts if model.moe else 0.0


def _norm_parameters(model: Model) -> float:
    vectors = 2 * model.hidden
    if model.latent is not None:
        vectors += model.latent.kv_lora_rank + (model.latent.q_lora_rank or 0)
    if model.qk_norm:
        vectors += 2 * model.head_size
    return float(vectors * chosen("model.norm", model.norm, NORM_VECTORS))


def _bias_parameters(model: Model) -> float:
    qkv = (model.heads + 2 * model.kv_heads) * model.head_size
    if not model.bias:
        return float(qkv if model.qkv_bias else 0)
    return float(qkv + 2 * model.hidden + (2 if model.gated else 1) * model.ffn_hidden)
