"""What the tasks of a step draw on, a pipeline stage being a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.engines.graph import Floats
from clustersim.engines.sharing import Sharing
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import Kind, Operation, Position, Program
from clustersim.simulation.data_parallel import Traffic, data_messages, pass_traffic
from clustersim.simulation.demands import Demand, collective_demand, sent_by, sharing_of, work_demand
from clustersim.simulation.stages import Stage
from clustersim.simulation.tail import reduce_stage_time
from clustersim.simulation.task_prices import Parts, Table, boundary_bytes, boundary_of
from clustersim.workload.states import state_bytes_of

GATHERS, REDUCES = Traffic(gathers=True), Traffic(reduces=True)


@dataclass(frozen=True)
class StepDemands:
    """Says of every kind of task of a step what it draws on."""

    scenario: Scenario
    machine: Machine
    stages: Sequence[Stage]  # virtual stages in pipeline order
    program: Program
    points: int
    _known: dict[tuple[int, Operation], Floats] = field(default_factory=dict)  # bytes inside a piece's passes

    def sharing(self, table: Table) -> Sharing:
        """Of all kinds, from what they take alone."""
        demands = [self._of_kind(kind, parts) for kind, parts in zip(self.program.kinds, table.parts, strict=True)]
        return sharing_of(demands, self.machine)

    def _of_kind(self, kind: Kind, parts: Parts) -> Demand:
        seconds = np.asarray(sum(parts.values()))
        match kind.operation:
            case Operation.SEND_ACTIVATION | Operation.SEND_GRADIENT:
                return self._transfer(kind, seconds)
            case Operation.GATHER_PARAMETERS:
                return collective_demand(kind.stage, seconds, self._data_bytes(self._stage(kind), GATHERS))
            case Operation.REDUCE_GRADIENTS:  # all of a chunk's gradients, or what the passes have left of them
                stage = self._stage(kind)
                whole = np.zeros(self.points) + reduce_stage_time(self.scenario, self.machine, stage)
                share = np.divide(seconds, whole, out=np.zeros_like(whole), where=whole > 0.0)
                return collective_demand(kind.stage, seconds, share * self._data_bytes(stage, REDUCES))
            case Operation.SYNC_EMBEDDINGS | Operation.GRADIENT_NORM:  # when everything else has been sent
                return Demand(kind.stage, seconds, moving=1.0)
            case Operation.OPTIMIZER:
                return work_demand(kind.stage, seconds, parts, None)
            case _:
                return work_demand(kind.stage, seconds, parts, self._pass_bytes(kind))

    def _stage(self, kind: Kind) -> Stage:
        return self.stages[self.program.placement.cells[kind.chunk][kind.stage]]

    def _transfer(self, kind: Kind, seconds: Floats) -> Demand:
        """A message to the stage on the other side of the boundary."""
        boundary = boundary_of(self.program, kind)
        ends = (boundary, (boundary + 1) % self.program.stages)
        crosses = self.machine.leaves_domain(float(boundary))
        message = boundary_bytes(self.scenario) / self.scenario.plan.tensor + np.zeros(self.points)
        sent = np.array([np.where(crosses, 0.0, message), np.where(crosses, message, 0.0)])
        return Demand(kind.stage, seconds, moving=1.0, sent=sent, receiver=ends[kind.stage == boundary])

    def _pass_bytes(self, kind: Kind) -> Floats:
        """Of collectives inside the layers, and among replicas beside them."""
        stage, operation = self._stage(kind), kind.operation
        total = np.zeros((2, self.points))
        for unit in stage.units:
            key = (id(unit.piece), operation)
            if key not in self._known:
                self._known[key] = sent_by(unit.piece.work[operation].operations, self.machine, self.points)
            total = total + unit.times * self._known[key]
        traffic = pass_traffic(self.scenario.plan, operation, at_end=kind.position is not Position.STEADY)
        return total + self._data_bytes(stage, traffic)

    def _data_bytes(self, stage: Stage, traffic: Traffic) -> Floats:
        """Of all parameters that a stage gathers and gradients that it reduces."""
        each = state_bytes_of(self.scenario.training, "fp32")
        total = np.zeros((2, self.points))
        for unit in stage.units:
            for messages in data_messages(unit, self.machine, self.scenario.plan.sharding, each, traffic):
                total = total + unit.times * sent_by(messages, self.machine, self.points)
        return total
