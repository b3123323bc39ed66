"""What every kind of task of a step takes, by part of the breakdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from clustersim.costs.machine import Machine
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import COMPUTE_PASSES, Kind, Operation, Position, Program
from clustersim.simulation.data_parallel import SILENT, pass_traffic, shared_pass
from clustersim.simulation.segment import Segment
from clustersim.simulation.stages import Stage
from clustersim.simulation.tail import (
    embedding_sync_time,
    gather_stage_time,
    gradient_bytes,
    norm_time,
    optimizer_time,
    reduce_stage_time,
)
from clustersim.workload.operations import Collective
from clustersim.workload.shape import activation_bytes_of

Parts: TypeAlias = Mapping[str, float]

OF_A_STAGE = COMPUTE_PASSES | {  # what takes the same on virtual stages that hold the same
    Operation.REDUCE_GRADIENTS,
    Operation.GATHER_PARAMETERS,
}


@dataclass(frozen=True)
class TaskPrices:
    """Prices the kinds of tasks of one step."""

    scenario: Scenario
    machine: Machine
    stages: Sequence[Stage]  # virtual stages in pipeline order; those that hold the same are one object
    program: Program
    _known: dict[tuple[Operation, Position | Operation, int], Parts] = field(default_factory=dict)

    def parts(self, kind: Kind) -> Parts:
        """Seconds of one kind of task, by part of the breakdown."""
        if kind.operation not in OF_A_STAGE:
            return self._whole_parts(kind)
        stage = self._stage(kind.stage, kind.chunk)
        reduces = kind.operation is Operation.REDUCE_GRADIENTS
        detail = self._ending[kind.stage, kind.chunk] if reduces else kind.position
        key = (kind.operation, detail, id(stage))
        if key not in self._known:
            self._known[key] = self._stage_parts(kind, stage)
        return self._known[key]

    def _stage_parts(self, kind: Kind, stage: Stage) -> Parts:
        match kind.operation:
            case Operation.REDUCE_GRADIENTS:
                return {"data_comm": self._reduce_time(stage, self._ending[kind.stage, kind.chunk])}
            case Operation.GATHER_PARAMETERS:
                return {"data_comm": gather_stage_time(self.scenario, self.machine, stage)}
            case _:
                return self._pass_parts(kind, stage)

    def _stage(self, stage: int, chunk: int) -> Stage:
        return self.stages[int(self.program.placement.virtual[chunk, stage])]

    def _whole_parts(self, kind: Kind) -> Parts:
        scenario, machine = self.scenario, self.machine
        match kind.operation:
            case Operation.SEND_ACTIVATION | Operation.SEND_GRADIENT:
                return {"pipeline_comm": self._transfer_time(kind)}
            case Operation.SYNC_EMBEDDINGS:
                return {"data_comm": embedding_sync_time(scenario, machine)}
            case Operation.GRADIENT_NORM:
                return {"data_comm": norm_time(machine)}
            case Operation.OPTIMIZER:
                chunks = [self._stage(kind.stage, chunk) for chunk in range(self.program.placement.chunks)]
                seconds = optimizer_time(scenario, machine, chunks)
                return {"optimizer": seconds, "other": scenario.stack.fixed_overhead}
            case _:
                raise ValueError(f"no duration for {kind}")

    def _pass_parts(self, kind: Kind, stage: Stage) -> Parts:
        """A pass with its data traffic; what the last backward leaves to send is the reduction's to wait for."""
        scenario = self.scenario
        played = shared_pass(
            stage,
            self.machine,
            scenario.plan,
            gradient_bytes(scenario),
            kind.operation,
            at_end=kind.position is not Position.STEADY,
        )
        parts = _segment_parts(played.segment if kind.position is Position.LAST else played.whole)
        if scenario.plan.offload != "activations":
            return parts
        moving = float(stage.activation_bytes[0]) / scenario.cluster.node.host_bandwidth
        return {**parts, "host": max(0.0, moving - sum(parts.values()))}  # the link works beside the whole pass

    def _reduce_time(self, stage: Stage, ending: Operation) -> float:
        """Seconds of gradient reduction after the pass that ends the stage's gradients."""
        layout = self.scenario.plan
        if pass_traffic(layout, ending, at_end=True) == SILENT:
            return reduce_stage_time(self.scenario, self.machine, stage)
        return shared_pass(stage, self.machine, layout, gradient_bytes(self.scenario), ending, at_end=True).carry_s

    @cached_property
    def _ending(self) -> dict[tuple[int, int], Operation]:
        """(stage, chunk) -> the operation that ends its gradients."""
        kinds = (kind for kind in self.program.kinds if kind.position is Position.LAST)
        return {(kind.stage, kind.chunk): kind.operation for kind in kinds}

    def _transfer_time(self, kind: Kind) -> float:
        """Seconds between two stages: each tensor rank sends its 1/t; without sequence parallelism they regather it.

        Source: Narayanan et al. 2021, arXiv 2104.04473, section 4.1 (scatter/gather optimization).
        """
        layout, training = self.scenario.plan, self.scenario.training
        tokens = layout.micro_batch * training.sequence_length / layout.context
        message = activation_bytes_of(training.precision) * tokens * self.scenario.model.hidden
        seconds = float(self.machine.transfer_time(message / layout.tensor, boundary_of(self.program, kind)))
        if not layout.sequence_parallel:
            regather = Collective("regather", "all-gather", "tensor", message)
            seconds += float(self.machine.collective_time(regather))
        return seconds


def boundary_of(program: Program, kind: Kind) -> int:
    """The stage before the boundary that a transfer crosses."""
    onward = (kind.operation is Operation.SEND_ACTIVATION) != program.placement.backwards[kind.chunk]
    return kind.stage if onward else (kind.stage - 1) % program.stages


def _segment_parts(segment: Segment) -> Parts:
    return {name: float(seconds[0]) for name, seconds in segment.parts.items()}
