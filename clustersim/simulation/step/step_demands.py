"""What the tasks of a step draw on, a pipeline stage being a device."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.engines.graph import Floats
from clustersim.engines.sharing import Sharing
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import Kind, Position, Program, TaskType
from clustersim.simulation.segment.demands import TIERS, Demand, collective_demand, sent_by, sharing_of, work_demand
from clustersim.simulation.segment.stages import LayerRun, Stage
from clustersim.simulation.step.data_parallel import DataTraffic, data_messages, pass_traffic
from clustersim.simulation.step.optimizer_step import reduce_stage_time
from clustersim.simulation.step.side_by_side import Columns
from clustersim.simulation.step.task_prices import Parts, PriceTable, boundary_bytes, boundary_of
from clustersim.workload import operations
from clustersim.workload.states import state_bytes_of

GATHERS, REDUCES = DataTraffic(gathers=True), DataTraffic(reduces=True)


@dataclass(frozen=True)
class StepDemands:
    """Says of every kind of task of a step what it draws on."""

    columns: Columns
    machine: Machine
    stages: Sequence[Stage]  # virtual stages in pipeline order
    program: Program
    _known: dict[Hashable, Floats] = field(default_factory=dict)  # bytes of stages

    @property
    def scenario(self) -> Scenario:
        """The first of the steps."""
        return self.columns.scenario

    @property
    def points(self) -> int:
        """How many steps."""
        return self.columns.points

    def sharing(self, table: PriceTable) -> Sharing:
        """Of all kinds, from what they take alone."""
        demands = [self._of_kind(kind, parts) for kind, parts in zip(self.program.kinds, table.parts, strict=True)]
        return sharing_of(demands, self.machine)

    def _of_kind(self, kind: Kind, parts: Parts) -> Demand:
        seconds = sum(parts.values(), np.zeros(self.points))
        match kind.operation:
            case TaskType.SEND_ACTIVATION | TaskType.SEND_GRADIENT:
                return self._transfer(kind, seconds)
            case TaskType.GATHER_PARAMETERS:
                return collective_demand(kind.stage, seconds, self._data_bytes(self._stage(kind), GATHERS))
            case TaskType.REDUCE_GRADIENTS:  # all of a chunk's gradients, or what the passes have left of them
                stage = self._stage(kind)
                whole = np.zeros(self.points) + reduce_stage_time(self.scenario, self.machine, stage)
                share = np.divide(seconds, whole, out=np.zeros_like(whole), where=whole > 0.0)
                return collective_demand(kind.stage, seconds, share * self._data_bytes(stage, REDUCES))
            case TaskType.SYNC_EMBEDDINGS | TaskType.GRADIENT_NORM:  # when everything else has been sent
                return Demand(kind.stage, seconds, moving=1.0)
            case TaskType.OPTIMIZER:
                return work_demand(kind.stage, seconds, parts, None)
            case _:
                return work_demand(kind.stage, seconds, parts, self._pass_bytes(kind))

    def _stage(self, kind: Kind) -> Stage:
        return self.stages[self.program.placement.cells[kind.chunk][kind.stage]]

    def _transfer(self, kind: Kind, seconds: Floats) -> Demand:
        """A message to the stage on the other side of the boundary."""
        boundary = boundary_of(self.program, kind)
        ends = (boundary, (boundary + 1) % self.program.stages)
        message = boundary_bytes(self.columns) / self.columns.sizes.tensor + np.zeros(self.points)
        _, near, far = self.machine.transfer(message, float(boundary))
        return Demand(
            kind.stage, seconds, moving=1.0, sent=np.array([near, far]), receiver=ends[kind.stage == boundary]
        )

    def _pass_bytes(self, kind: Kind) -> Floats:
        """Of collectives inside the layers, and among replicas beside them."""
        traffic = pass_traffic(
            self.scenario.resolved_layout, kind.operation, at_end=kind.position is not Position.STEADY
        )
        stage = self._stage(kind)
        inside = self._total(stage, kind.operation, lambda unit: unit.piece.work[kind.operation].operations)
        return inside + self._data_bytes(stage, traffic)

    def _data_bytes(self, stage: Stage, traffic: DataTraffic) -> Floats:
        """Of all parameters that a stage gathers and gradients that it reduces."""
        each, layout = state_bytes_of(self.scenario.training, "fp32"), self.scenario.resolved_layout
        return self._total(
            stage, traffic, lambda unit: chain(*data_messages(unit, self.machine, layout, each, traffic))
        )

    def _total(
        self, stage: Stage, what: Hashable, messages: Callable[[LayerRun], Iterable[operations.Operation]]
    ) -> Floats:
        """Bytes [tiers, points] of all layers of a stage, worked out once for stages that hold the same."""
        key = (id(stage), what)
        if key not in self._known:
            each = (unit.times * sent_by(messages(unit), self.machine, self.points) for unit in stage.units)
            self._known[key] = sum(each, np.zeros((TIERS, self.points)))
        return self._known[key]
