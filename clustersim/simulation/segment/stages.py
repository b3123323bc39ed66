"""What each virtual pipeline stage takes for one micro-batch, forward and backward, and what it keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from itertools import accumulate
from typing import Literal, NamedTuple

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.layout import PartialRecompute, Recompute
from clustersim.inputs.model import BlockKind, Model, layer_kinds
from clustersim.inputs.precisions import HALF_BYTES
from clustersim.schedules.program import TaskType
from clustersim.simulation.segment.layer_prices import Passes, PricedLayer, PricedLayers
from clustersim.simulation.segment.segment import Segment, in_a_row
from clustersim.workload.parameters import (
    BlockParameters,
    added_parameters,
    block_parameters,
    embedding_parameters,
    head_parameters,
    prediction_parameters,
    quantized_parameters,
    trained_parameters,
)
from clustersim.workload.passes import Recomputation
from clustersim.workload.trained import ALL

Place = Literal["embedding", "layer", "head"]


@dataclass(frozen=True)
class LayerRun:
    """Layers of one kind in a row (or an end of the model), with the parameters of each on one rank."""

    piece: PricedLayer
    times: int
    dense_parameters: Floats  # [points]
    expert_parameters: Floats  # [points]
    place: Place
    trained_dense: Floats  # [points] of the dense ones, and of adapters
    trained_experts: Floats  # [points] the same of experts
    spared: Floats  # [points] 16-bit parameters' worth that frozen dense weights in fewer bits don't take
    spared_experts: Floats  # [points] the same of experts


@dataclass(frozen=True)
class Stage:
    """One virtual stage: units in the order in which a forward pass meets them."""

    units: tuple[LayerRun, ...]
    passes: Passes

    @property
    def forward(self) -> Segment:
        """The forward pass."""
        return self.passes[TaskType.FORWARD]

    @property
    def backward(self) -> Segment:
        """The backward pass, both gradients."""
        return self.passes[TaskType.BACKWARD]

    @cached_property
    def activation_bytes(self) -> Floats:
        """Bytes [points] that one micro-batch keeps of the layers from forward to backward."""
        return self._total(lambda unit: unit.piece.kept_bytes, self._layer_units)

    @cached_property
    def embedding_bytes(self) -> Floats:
        """Bytes [points] that one micro-batch keeps of the embedding: its dropout mask."""
        return self._total(lambda unit: unit.piece.kept_bytes, self._at("embedding"))

    @property
    def layers(self) -> int:
        """Transformer layers, those of multi-token prediction counted."""
        return sum(unit.times for unit in self._layer_units)

    @cached_property
    def logit_bytes(self) -> Floats:
        """Bytes [points] that norm, output head and loss keep, for one micro-batch at a time."""
        return self._total(lambda unit: unit.piece.kept_bytes, self._at("head"))

    @cached_property
    def weight_input_bytes(self) -> Floats:
        """Bytes [points] that one micro-batch keeps from backward to a pass of its own over weights' gradients."""
        return self._total(lambda unit: unit.piece.weight_input_bytes, self.units)

    @cached_property
    def working_bytes(self) -> Floats:
        """Bytes [points] at most beyond what forward kept while the backward pass runs, less what it has freed."""
        most, freed = np.zeros((2, len(self.forward.seconds)))
        for unit in reversed(self.units):
            most = np.maximum(most, unit.piece.working_bytes - freed)
            freed = freed + unit.times * unit.piece.kept_bytes
        return most

    @cached_property
    def placeholder_bytes(self) -> Floats:
        """Bytes [points] of unused weight gradients: one set, for layers of a kind share them."""
        return self._most(lambda unit: unit.piece.placeholder_bytes, self.units)

    @cached_property
    def trained_dense(self) -> Floats:
        """Parameters [points] of one rank that the data group shares and trains."""
        return self._total(lambda unit: unit.trained_dense, self.units)

    @cached_property
    def trained_experts(self) -> Floats:
        """Parameters [points] of one rank's routed experts that are trained."""
        return self._total(lambda unit: unit.trained_experts, self.units)

    @cached_property
    def spared(self) -> Floats:
        """16-bit parameters' worth [points] that frozen dense weights in fewer bits don't take."""
        return self._total(lambda unit: unit.spared, self.units)

    @cached_property
    def spared_experts(self) -> Floats:
        """The same [points] of routed experts."""
        return self._total(lambda unit: unit.spared_experts, self.units)

    @cached_property
    def largest_trained(self) -> Floats:
        """Parameters [points] that one rank trains of the layer where these are most."""
        return self._most(lambda unit: unit.trained_dense + unit.trained_experts, self._layer_units)

    @cached_property
    def trained_ends(self) -> Floats:
        """Parameters [points] of one rank's share of the model's ends that are trained."""
        return self._total(lambda unit: unit.trained_dense, [*self._at("embedding"), *self._at("head")])

    @cached_property
    def largest_layer(self) -> Floats:
        """Parameters [points] of one rank's largest layer, as many as take its room in 16 bits."""

        def held(unit: LayerRun) -> Floats:
            return unit.dense_parameters + unit.expert_parameters - unit.spared - unit.spared_experts

        return self._most(held, self._layer_units)

    @cached_property
    def end_parameters(self) -> Floats:
        """Parameters [points] of one rank's share of the model's ends."""
        return self._total(lambda unit: unit.dense_parameters, [*self._at("embedding"), *self._at("head")])

    @cached_property
    def dense_parameters(self) -> Floats:
        """Parameters [points] of one rank that the data group shares."""
        return self._total(lambda unit: unit.dense_parameters, self.units)

    @cached_property
    def expert_parameters(self) -> Floats:
        """Parameters [points] of one rank's routed experts."""
        return self._total(lambda unit: unit.expert_parameters, self.units)

    @cached_property
    def _layer_units(self) -> list[LayerRun]:
        return self._at("layer")

    def _at(self, place: Place) -> list[LayerRun]:
        return [unit for unit in self.units if unit.place == place]

    def _most(self, figure: Callable[[LayerRun], Floats], units: Iterable[LayerRun]) -> Floats:
        return reduce(np.maximum, map(figure, units), np.zeros(self.forward.seconds.shape))

    def _total(self, figure: Callable[[LayerRun], Floats], units: Iterable[LayerRun]) -> Floats:
        return sum((figure(unit) * unit.times for unit in units), np.zeros(self.forward.seconds.shape))


class Contents(NamedTuple):
    """What a virtual stage holds."""

    layers: tuple[tuple[tuple[BlockKind, Recomputation], int], ...]  # of each kind so many
    first: bool  # the embedding too
    last: bool  # the head too


def assemble_stages(
    pieces: PricedLayers,
    stage_layers: Sequence[int],
    recompute: Recompute,
    known: dict[Contents, Stage] | None = None,
) -> list[Stage]:
    """Every virtual stage in pipeline order; stages that hold the same are built once.

    `known`: the stages of other pipelines of the same pieces and recomputation, to which new ones are added.
    """
    if pieces.points == 1 and known is None:
        return _assembled_before(pieces, tuple(stage_layers), recompute)
    return _assembled(pieces, tuple(stage_layers), recompute, known)


def _assembled(
    pieces: PricedLayers,
    stage_layers: tuple[int, ...],
    recompute: Recompute,
    known: dict[Contents, Stage] | None = None,
) -> list[Stage]:
    contents, place = _contents(pieces.model, stage_layers, recompute)
    built = {} if known is None else known
    for held in contents:
        if held not in built:
            built[held] = _build(pieces, held, alone=len(stage_layers) == 1)
    return [built[contents[number]] for number in place]


_assembled_before = lru_cache(maxsize=256)(_assembled)  # of single points: the pieces know which they are of


@lru_cache(maxsize=512)
def _contents(model: Model, stage_layers: tuple[int, ...], recompute: Recompute) -> tuple[list[Contents], list[int]]:
    """What virtual stages hold, each once, and which of these every virtual stage holds."""
    last, held_by = len(stage_layers) - 1, []
    for index, (end, count) in enumerate(zip(accumulate(stage_layers), stage_layers, strict=True)):
        held = list(range(end - count, end))
        if index == last:
            held += range(model.layers, model.layers + model.mtp_layers)
        held_by.append(Contents(tuple(_count(model, held, recompute).items()), index == 0, index == last))
    distinct = list(dict.fromkeys(held_by))
    return distinct, [distinct.index(held) for held in held_by]


def _count(model: Model, held: Sequence[int], recompute: Recompute) -> Counter[tuple[BlockKind, Recomputation]]:
    """How many layers of each kind and recomputation; partial recomputation takes a stage's first layers."""
    kinds = layer_kinds(model)
    if not isinstance(recompute, PartialRecompute):
        return Counter((kinds[layer], recompute) for layer in held)
    modes: list[Recomputation] = ["full" if at < recompute.layers else "none" for at in range(len(held))]
    return Counter((kinds[layer], mode) for layer, mode in zip(held, modes, strict=True))


def _build(pieces: PricedLayers, contents: Contents, *, alone: bool) -> Stage:
    units = [_layer_unit(pieces, kind, mode, times) for (kind, mode), times in contents.layers]
    if contents.first:
        table = embedding_parameters(pieces.model)
        units.insert(0, _end_unit(pieces, pieces.embedding, table, place="embedding"))
    if contents.last:
        units += _last_units(pieces, alone=alone)

    def total(operation: TaskType) -> Segment:
        return in_a_row([(unit.piece.passes[operation], unit.times) for unit in units], pieces.points)

    return Stage(tuple(units), {operation: total(operation) for operation in pieces.head.passes})


def _layer_unit(pieces: PricedLayers, kind: BlockKind, mode: Recomputation, times: int) -> LayerRun:
    """Matrices are cut by the tensor group, experts by their own groups; norms and the like are whole on every rank."""
    model, shape, zero = pieces.model, pieces.shape, np.zeros(pieces.points)

    def on_rank(block: BlockParameters) -> tuple[Floats, Floats]:
        dense = block.tensor / shape.tensor + block.replicated + zero
        return dense, block.expert / (shape.expert * shape.expert_tensor) + zero

    own, trained = on_rank(block_parameters(model, kind)), shape.trained
    piece = pieces.layers[kind, mode]
    if trained == ALL:
        return LayerRun(piece, times, *own, "layer", *own, zero, zero)
    added, trains = (on_rank(count(model, kind, trained)) for count in (added_parameters, trained_parameters))
    worth = 1.0 - trained.base_bytes / HALF_BYTES
    dense, experts = (kept + more for kept, more in zip(own, added, strict=True))
    spared, spared_experts = (worth * few for few in on_rank(quantized_parameters(model, kind, trained)))
    return LayerRun(piece, times, dense, experts, "layer", *trains, spared, spared_experts)


def _end_unit(
    pieces: PricedLayers, piece: PricedLayer, parameters: float, times: int = 1, place: Place = "head"
) -> LayerRun:
    zero = np.zeros(pieces.points)
    held, trained = parameters / pieces.shape.tensor + zero, pieces.shape.trained
    trains = held if trained.trains({"embedding": "embedding"}.get(place, "output head")) else zero
    quantized = place == "head" and pieces.shape.software.quantized_head and trained.quantizes
    spared = (1.0 - trained.base_bytes / HALF_BYTES) * held if quantized else zero
    return LayerRun(piece, times, held, zero, place, trains, zero, spared, zero)


def _last_units(pieces: PricedLayers, *, alone: bool) -> list[LayerRun]:
    """Multi-token prediction and the output head, which runs once more for every such module.

    The last stage keeps a copy of a tied embedding as its output head, unless it holds the embedding itself.
    """
    model = pieces.model
    copy = model.hidden * model.vocab if model.tied_embeddings and not alone else 0.0
    units = [_end_unit(pieces, pieces.head, head_parameters(model) + copy)]
    if pieces.prediction is not None:
        shared_head = _end_unit(pieces, pieces.head, 0.0, model.mtp_layers)
        units += [_end_unit(pieces, pieces.prediction, prediction_parameters(model), model.mtp_layers), shared_head]
    return units
