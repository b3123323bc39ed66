"""The segment clock, opened: what runs beside what inside one layer's passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from clustersim.engines.graph import Timeline
from clustersim.schedules.program import TaskType
from clustersim.simulation.segment.layer_prices import PricedLayer
from clustersim.simulation.segment.segment import play_pass
from clustersim.simulation.step.step import PlayedStep
from clustersim.workload.operations import Pass
from clustersim.workload.passes import beside

TOGETHER = {TaskType.FORWARD_BESIDE, TaskType.BACKWARD_BESIDE}  # never alone


@dataclass(frozen=True)
class PlayedPass:
    """One pass over a layer (or an end of the model): its operations, and when each ran."""

    layer: str  # such as `dense layer`
    what: str  # such as `forward`
    work: Pass
    timeline: Timeline

    @property
    def name(self) -> str:
        """What it is a pass of."""
        return f"{self.layer}: {self.what}"

    @property
    def streams(self) -> list[str]:
        """Its streams that do anything, in the order in which work comes to them."""
        took = (self.timeline.end[:, 0] > self.timeline.start[:, 0]).tolist()
        return list(dict.fromkeys(stream for stream, works in zip(self.work.streams, took, strict=True) if works))


def played_passes(step: PlayedStep) -> Iterator[PlayedPass]:
    """Every pass over every kind of layer that a played step holds, each alone from its start.

    Where the stack or the schedule runs a forward pass beside a backward one, both together come last.
    """
    run = {kind.operation for kind in step.program.kinds}
    for piece in _pieces(step):
        for operation, work in piece.work.items():
            if operation in run - TOGETHER and work.operations:
                yield PlayedPass(piece.name, operation.value, work, play_pass(work, step.machine))
        if TaskType.FORWARD_BESIDE in run:
            pair = beside(piece.work[TaskType.BACKWARD], piece.work[TaskType.FORWARD], step.machine.lone_groups)
            yield PlayedPass(piece.name, "forward and backward together", pair, play_pass(pair, step.machine))


def usual_layer(step: PlayedStep) -> str:
    """The kind of layer that the model has most of."""
    counts = Counter[str]()
    for stage in step.stages:
        counts.update({unit.piece.name: unit.times for unit in stage.units if unit.place == "layer"})
    return counts.most_common(1)[0][0]


def _pieces(step: PlayedStep) -> list[PricedLayer]:
    """Every kind of layer and end of the model once, in the order of the model."""
    pieces = {unit.piece.name: unit.piece for stage in step.stages for unit in stage.units}
    return list(pieces.values())
