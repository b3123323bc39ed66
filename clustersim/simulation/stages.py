"""What each virtual pipeline stage takes for one micro-batch, forward and backward, and what it keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.engines.graph import Floats
from clustersim.inputs.layout import PartialRecompute, Recompute
from clustersim.inputs.model import BlockKind, Model, layer_kinds
from clustersim.schedules.program import Operation
from clustersim.simulation.segment import Segment, empty_segment, play_segment, shared_parts
from clustersim.workload.blocks import block_elements, embedding_elements, head_elements, prediction_elements
from clustersim.workload.elements import Element
from clustersim.workload.operations import Pass
from clustersim.workload.parameters import (
    block_parameters,
    embedding_parameters,
    head_parameters,
    prediction_parameters,
)
from clustersim.workload.passes import (
    Phase,
    Recomputation,
    beside,
    element_pass,
    placeholder_bytes,
    saved_bytes,
    weight_input_bytes,
    working_bytes,
)
from clustersim.workload.shape import Shape

Place = Literal["embedding", "layer", "head"]
Passes = Mapping[Operation, Segment]  # a micro-batch's, of the operations that the schedule runs

WHOLE = frozenset({Operation.FORWARD, Operation.BACKWARD})
APART = (Operation.INPUT_GRADIENT, Operation.WEIGHT_GRADIENT)
PHASES: Mapping[Operation, Phase] = {  # what a pass works on
    Operation.FORWARD: "forward",
    Operation.BACKWARD: "backward",
    Operation.INPUT_GRADIENT: "input_gradient",
    Operation.WEIGHT_GRADIENT: "weight_gradient",
    Operation.FORWARD_BESIDE: "forward",
    Operation.BACKWARD_BESIDE: "backward",
}


@dataclass(frozen=True)
class Piece:
    """A layer or an end of the model, played once, to be counted as often as stages hold it."""

    passes: Passes
    kept_bytes: Floats  # [points] from forward to backward
    working_bytes: Floats  # [points] beyond them while the backward pass runs
    placeholder_bytes: Floats  # [points] of unused weight gradients that stand all step
    weight_input_bytes: Floats  # [points] from backward to the pass over weights' gradients, where that is apart
    name: str
    work: Mapping[Operation, Pass]  # what was played

    @property
    def forward(self) -> Segment:
        """The forward pass."""
        return self.passes[Operation.FORWARD]

    @property
    def backward(self) -> Segment:
        """The backward pass, both gradients."""
        return self.passes[Operation.BACKWARD]


@dataclass(frozen=True)
class Pieces:
    """Every kind of layer under every recomputation that is asked for, and the model's ends."""

    model: Model
    shape: Shape
    points: int
    layers: Mapping[tuple[BlockKind, Recomputation], Piece]
    embedding: Piece
    head: Piece
    prediction: Piece | None


@dataclass(frozen=True)
class Unit:
    """Layers of one kind in a row (or an end of the model), with the parameters of each on one rank."""

    piece: Piece
    times: int
    dense_parameters: Floats  # [points]
    expert_parameters: Floats  # [points]
    place: Place


@dataclass(frozen=True)
class Stage:
    """One virtual stage: units in the order in which a forward pass meets them."""

    units: tuple[Unit, ...]
    passes: Passes

    @property
    def forward(self) -> Segment:
        """The forward pass."""
        return self.passes[Operation.FORWARD]

    @property
    def backward(self) -> Segment:
        """The backward pass, both gradients."""
        return self.passes[Operation.BACKWARD]

    @cached_property
    def activation_bytes(self) -> Floats:
        """Bytes [points] that one micro-batch keeps of the layers from forward to backward."""
        return self._total(lambda unit: unit.piece.kept_bytes * (unit.place == "layer"))

    @cached_property
    def embedding_bytes(self) -> Floats:
        """Bytes [points] that one micro-batch keeps of the embedding: its dropout mask."""
        return self._total(lambda unit: unit.piece.kept_bytes * (unit.place == "embedding"))

    @property
    def layers(self) -> int:
        """Transformer layers, those of multi-token prediction counted."""
        return sum(unit.times for unit in self.units if unit.place == "layer")

    @cached_property
    def logit_bytes(self) -> Floats:
        """Bytes [points] that norm, output head and loss keep, for one micro-batch at a time."""
        return self._total(lambda unit: unit.piece.kept_bytes * (unit.place == "head"))

    @cached_property
    def weight_input_bytes(self) -> Floats:
        """Bytes [points] that one micro-batch keeps from backward to a pass of its own over weights' gradients."""
        return self._total(lambda unit: unit.piece.weight_input_bytes)

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
        return self._most(lambda unit: unit.piece.placeholder_bytes)

    @cached_property
    def largest_layer(self) -> Floats:
        """Parameters [points] of one rank's largest layer."""
        return self._most(lambda unit: (unit.dense_parameters + unit.expert_parameters) * (unit.place == "layer"))

    @cached_property
    def end_parameters(self) -> Floats:
        """Parameters [points] of one rank's share of the model's ends."""
        return self._total(lambda unit: unit.dense_parameters * (unit.place != "layer"))

    @cached_property
    def dense_parameters(self) -> Floats:
        """Parameters [points] of one rank that the data group shares."""
        return self._total(lambda unit: unit.dense_parameters)

    @cached_property
    def expert_parameters(self) -> Floats:
        """Parameters [points] of one rank's routed experts."""
        return self._total(lambda unit: unit.expert_parameters)

    def _most(self, figure: Callable[[Unit], Floats]) -> Floats:
        return np.asarray(np.max([np.zeros_like(self.forward.seconds), *map(figure, self.units)], axis=0))

    def _total(self, figure: Callable[[Unit], Floats]) -> Floats:
        return sum((figure(unit) * unit.times for unit in self.units), np.zeros_like(self.forward.seconds))


def price_pieces(
    model: Model,
    shape: Shape,
    machine: Machine,
    modes: Sequence[Recomputation],
    points: int = 1,
    *,
    operations: frozenset[Operation] = WHOLE,
) -> Pieces:
    """Play every kind of layer that the model has; `points` is the length of the shape's arrays.

    `operations`: the passes that the schedule runs, forward and backward at least.
    """

    def play(name: str, elements: Sequence[Element], recompute: Recomputation = "none") -> Piece:
        block_input = shape.activation_bytes * shape.resident_tokens * model.hidden
        zero = np.zeros(points)
        work = {
            operation: element_pass(elements, phase, recompute, early_stop=machine.stack.early_stop)
            for operation, phase in PHASES.items()
            if operation in operations | WHOLE
        }
        return Piece(
            passes_of(elements, recompute, work),
            saved_bytes(elements, recompute, block_input) + zero,
            working_bytes(elements, recompute, block_input) + zero,
            placeholder_bytes(elements) + zero,
            weight_input_bytes(elements) + zero,
            name,
            work,
        )

    def passes_of(elements: Sequence[Element], recompute: Recomputation, work: Mapping[Operation, Pass]) -> Passes:
        """Every pass alone, but those that the stack or the schedule runs beside another."""

        def alone(operation: Operation) -> Segment:
            return play_segment(work[operation], machine, points)

        forward, backward = alone(Operation.FORWARD), alone(Operation.BACKWARD)
        apart = {operation: alone(operation) for operation in APART if operation in operations}
        if Operation.FORWARD_BESIDE in operations:
            halves = shared_parts(forward, backward, steady_pair(elements, recompute, "backward"))
            apart |= zip((Operation.FORWARD_BESIDE, Operation.BACKWARD_BESIDE), halves, strict=True)
        elif "expert" in shape.overlap and apart:
            pair = steady_pair(elements, recompute, "input_gradient")
            forward, apart[Operation.INPUT_GRADIENT] = shared_parts(forward, apart[Operation.INPUT_GRADIENT], pair)
        elif "expert" in shape.overlap:
            forward, backward = shared_parts(forward, backward, steady_pair(elements, recompute, "backward"))
        return {Operation.FORWARD: forward, Operation.BACKWARD: backward} | apart

    def steady_pair(elements: Sequence[Element], recompute: Recomputation, back: Phase) -> Segment:
        """A layer's forward and backward beside each other among layers of its kind: what the third one adds."""
        two, three = (
            play_segment(
                beside(
                    element_pass(list(elements) * layers, back, recompute, early_stop=machine.stack.early_stop),
                    element_pass(list(elements) * layers, "forward"),
                    machine.lone_groups,
                ),
                machine,
                points,
            )
            for layers in (2, 3)
        )
        return three.beyond(two)

    kinds = sorted(set(layer_kinds(model)))
    return Pieces(
        model,
        shape,
        points,
        {
            (kind, mode): play(_layer_name(kind, mode), block_elements(model, kind, shape), mode)
            for kind in kinds
            for mode in modes
        },
        play("embedding", embedding_elements(model, shape)),
        play("head", head_elements(model, shape)),
        play("multi-token prediction", prediction_elements(model, shape)) if model.mtp_layers else None,
    )


def _layer_name(kind: BlockKind, mode: Recomputation) -> str:
    """Such as `expert layer, sliding attention, full recomputation`; what is usual isn't said."""
    attention = "" if kind.attention == "full" else f", {kind.attention} attention"
    recomputed = "" if mode == "none" else f", {mode} recomputation"
    return f"{'expert' if kind.experts else 'dense'} layer{attention}{recomputed}"


def recomputations(recompute: Recompute) -> tuple[Recomputation, ...]:
    """The modes that a layout's layers need."""
    return ("none", "full") if isinstance(recompute, PartialRecompute) else (recompute,)


def assemble_stages(pieces: Pieces, stage_layers: Sequence[int], recompute: Recompute) -> list[Stage]:
    """Every virtual stage in pipeline order; stages that hold the same are built once."""
    model, built = pieces.model, {}
    stages = []
    last = len(stage_layers) - 1
    for index, (end, count) in enumerate(zip(accumulate(stage_layers), stage_layers, strict=True)):
        held = list(range(end - count, end))
        if index == last:
            held += range(model.layers, model.layers + model.mtp_layers)
        counts = _count(model, held, recompute)
        key = (frozenset(counts.items()), index == 0, index == last)
        if key not in built:
            built[key] = _build(pieces, counts, first=index == 0, last=index == last, alone=last == 0)
        stages.append(built[key])
    return stages


def _count(model: Model, held: Sequence[int], recompute: Recompute) -> Counter[tuple[BlockKind, Recomputation]]:
    """How many layers of each kind and recomputation; partial recomputation takes a stage's first layers."""
    kinds = layer_kinds(model)
    if not isinstance(recompute, PartialRecompute):
        return Counter((kinds[layer], recompute) for layer in held)
    modes: list[Recomputation] = ["full" if at < recompute.layers else "none" for at in range(len(held))]
    return Counter((kinds[layer], mode) for layer, mode in zip(held, modes, strict=True))


def _build(
    pieces: Pieces, counts: Counter[tuple[BlockKind, Recomputation]], *, first: bool, last: bool, alone: bool
) -> Stage:
    units = [_layer_unit(pieces, kind, mode, times) for (kind, mode), times in counts.items()]
    if first:
        table = embedding_parameters(pieces.model)
        units.insert(0, _end_unit(pieces, pieces.embedding, table, place="embedding"))
    if last:
        units += _last_units(pieces, alone=alone)

    def total(operation: Operation) -> Segment:
        return sum((unit.piece.passes[operation] * unit.times for unit in units), empty_segment(pieces.points))

    return Stage(tuple(units), {operation: total(operation) for operation in pieces.head.passes})


def _layer_unit(pieces: Pieces, kind: BlockKind, mode: Recomputation, times: int) -> Unit:
    """Matrices are cut by the tensor group, experts by their own groups; norms and the like are whole on every rank."""
    block, shape, zero = block_parameters(pieces.model, kind), pieces.shape, np.zeros(pieces.points)
    dense = block.tensor / shape.tensor + block.replicated + zero
    experts = block.expert / (shape.expert * shape.expert_tensor) + zero
    return Unit(pieces.layers[kind, mode], times, dense, experts, "layer")


def _end_unit(pieces: Pieces, piece: Piece, parameters: float, times: int = 1, place: Place = "head") -> Unit:
    zero = np.zeros(pieces.points)
    return Unit(piece, times, parameters / pieces.shape.tensor + zero, zero, place)


def _last_units(pieces: Pieces, *, alone: bool) -> list[Unit]:
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
