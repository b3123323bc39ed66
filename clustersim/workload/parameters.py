"""How many parameters a model has: in a layer, in its ends, and those that one token meets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from clustersim.inputs.kinds import chosen
from clustersim.inputs.model import BlockKind, Model, layer_kinds
from clustersim.workload.layers.layer import norm_parameters
from clustersim.workload.layers.registry import layers_of, matrices_of
from clustersim.workload.trained import ALL, Trained

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


@lru_cache(maxsize=256)
def block_parameters(model: Model, kind: BlockKind) -> BlockParameters:
    """Parameters of one layer: those of its matrices, of its norms and of their own vectors."""
    layers = layers_of(model, kind)
    by_cut = {"tensor": 0.0, "whole": 0.0, "experts": 0.0}
    for matrix in matrices_of(model, kind):
        by_cut[matrix.cut] += matrix.parameters
    norms = norm_parameters(model, model.hidden) * (2 if model.post_norms else 1)
    vectors = sum(norms + layer.vectors(model) for layer in layers) + model.uncosted.layer
    return BlockParameters(by_cut["tensor"], by_cut["whole"] + vectors, by_cut["experts"])


@lru_cache(maxsize=256)
def trained_parameters(model: Model, kind: BlockKind, trained: Trained) -> BlockParameters:
    """Parameters of one layer that a step trains: of its own matrices and vectors, or of the adapters beside them."""
    own = block_parameters(model, kind)
    if trained == ALL:
        return own
    by_cut = {"tensor": 0.0, "whole": 0.0, "experts": 0.0}
    matrices = matrices_of(model, kind)
    for matrix in matrices:
        if trained.trains(matrix.name):
            by_cut[matrix.cut] += matrix.parameters
        else:
            adapters = trained.adapter_parameters(matrix.name, matrix.inputs, matrix.outputs)
            by_cut[matrix.cut] += matrix.count * adapters
    vectors = own.total - sum(matrix.parameters for matrix in matrices) if trained.trains_vectors else 0.0
    return BlockParameters(by_cut["tensor"], by_cut["whole"] + vectors, by_cut["experts"])


@lru_cache(maxsize=256)
def added_parameters(model: Model, kind: BlockKind, trained: Trained) -> BlockParameters:
    """Parameters of one layer's adapters, which stand beside the model's own."""
    return trained_parameters(model, kind, trained) if trained.rank else BlockParameters(0.0, 0.0, 0.0)


@lru_cache(maxsize=256)
def quantized_parameters(model: Model, kind: BlockKind, trained: Trained) -> BlockParameters:
    """Frozen parameters of one layer that are kept in fewer than 16 bits: matrices, the router's not."""
    by_cut = {"tensor": 0.0, "whole": 0.0, "experts": 0.0}
    if trained.quantizes:
        for matrix in matrices_of(model, kind):
            if matrix.name != "router" and not trained.trains(matrix.name):
                by_cut[matrix.cut] += matrix.parameters
    return BlockParameters(by_cut["tensor"], by_cut["whole"], by_cut["experts"])


def embedding_parameters(model: Model) -> float:
    """The token table, that of learned positions, and what else stands at the ends (embeddings of each layer's own)."""
    positions = chosen("model.position", model.position, POSITION_ROWS) * (model.max_positions or 0)
    return float(model.hidden * (model.vocab + positions) + model.uncosted.ends)


def head_parameters(model: Model) -> float:
    """The output head (none of its own when tied to the embedding) and the last norm."""
    return float(norm_parameters(model, model.hidden) + (0 if model.tied_embeddings else model.hidden * model.vocab))


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
