"""What every kind of task of a step takes, by part of the breakdown."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.engines.graph import Floats, Ints
from clustersim.inputs.layout import ResolvedLayout
from clustersim.inputs.precisions import activation_bytes_of
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import COMPUTE_PASSES, Kind, Position, Program, TaskType
from clustersim.simulation.memory.holdings import offloaded_activations
from clustersim.simulation.segment.stages import Stage
from clustersim.simulation.step.data_parallel import SILENT, pass_traffic, shared_pass
from clustersim.simulation.step.optimizer_step import (
    embedding_sync_time,
    gather_stage_time,
    norm_time,
    optimizer_time,
    reduce_stage_time,
)
from clustersim.simulation.step.side_by_side import Columns
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective
from clustersim.workload.states import StateBytes, state_bytes_of

Parts: TypeAlias = Mapping[str, Floats]  # seconds [points] by part of the breakdown


@dataclass(frozen=True, eq=False)
class PriceTable:
    """What kinds of tasks take: rows that differ, and which of them every kind has."""

    rows: Sequence[Parts]
    row: Ints  # [kinds]
    points: int

    @property
    def parts(self) -> tuple[Parts, ...]:
        """Seconds by part of every kind."""
        return tuple(self.rows[number] for number in self.row.tolist())

    @cached_property
    def seconds(self) -> Floats:
        """[kinds, points]."""
        none = np.zeros(self.points)  # what a stage without layers takes
        return np.asarray(np.array([sum(parts.values(), none) for parts in self.rows])[self.row])


OF_A_STAGE = COMPUTE_PASSES | {  # what takes the same on virtual stages that hold the same
    TaskType.REDUCE_GRADIENTS,
    TaskType.GATHER_PARAMETERS,
}


@dataclass(frozen=True)
class TaskPrices:
    """Prices the kinds of tasks of steps of one structure."""

    columns: Columns
    machine: Machine
    stages: Sequence[Stage]  # virtual stages in pipeline order; those that hold the same are one object
    program: Program
    _known: dict[Hashable, Parts] = field(default_factory=dict)

    @property
    def scenario(self) -> Scenario:
        """The first of them."""
        return self.columns.scenario

    @property
    def points(self) -> int:
        """How many steps."""
        return self.columns.points

    def table(self) -> PriceTable:
        """What all kinds of the program take."""
        kinds, place = _alike(self.program, self._held)
        parts = [self.parts(kind) for kind in kinds]
        rows = {id(row): row for row in parts}  # a stage's first, steady and last passes are one where nothing is sent
        number = {key: number for number, key in enumerate(rows)}
        return PriceTable(list(rows.values()), np.array([number[id(row)] for row in parts])[place], self.points)

    def parts(self, kind: Kind) -> Parts:
        """Seconds of one kind of task, by part of the breakdown; kinds that take the same share one record."""
        key = _key(self.program, self._held, kind)
        if key not in self._known:
            of_a_stage = kind.operation in OF_A_STAGE
            self._known[key] = (
                self._stage_parts(kind, self._stage(kind.stage, kind.chunk)) if of_a_stage else self._whole_parts(kind)
            )
        return self._known[key]

    @cached_property
    def _held(self) -> tuple[int, ...]:
        """A number for every virtual stage, the same for those that hold the same."""
        numbers: dict[int, int] = {}
        return tuple(numbers.setdefault(id(stage), len(numbers)) for stage in self.stages)

    def _stage_parts(self, kind: Kind, stage: Stage) -> Parts:
        match kind.operation:
            case TaskType.REDUCE_GRADIENTS:
                return {
                    "data_comm": self._every_point(
                        self._reduce_time(stage, _endings(self.program)[kind.stage, kind.chunk])
                    )
                }
            case TaskType.GATHER_PARAMETERS:
                return {"data_comm": self._every_point(gather_stage_time(self.scenario, self.machine, stage))}
            case _:
                return self._pass_parts(kind, stage)

    def _stage(self, stage: int, chunk: int) -> Stage:
        return self.stages[self.program.placement.cells[chunk][stage]]

    def _chunks(self, stage: int) -> list[Stage]:
        return [self.stages[virtual[stage]] for virtual in self.program.placement.cells]

    def _whole_parts(self, kind: Kind) -> Parts:
        scenario, machine = self.scenario, self.machine
        match kind.operation:
            case TaskType.SEND_ACTIVATION | TaskType.SEND_GRADIENT:
                return {"pipeline_comm": self.transfers[boundary_of(self.program, kind)]}
            case TaskType.SYNC_EMBEDDINGS:
                return {"data_comm": self._every_point(embedding_sync_time(scenario, machine))}
            case TaskType.GRADIENT_NORM:
                return {"data_comm": self._every_point(norm_time(machine))}
            case TaskType.OPTIMIZER:
                seconds = self._every_point(optimizer_time(scenario, machine, self._chunks(kind.stage)))
                return {"optimizer": seconds, "other": self._every_point(scenario.stack.fixed_overhead)}
            case _:
                raise ValueError(f"no duration for {kind}")

    def _pass_parts(self, kind: Kind, stage: Stage) -> Parts:
        """A pass with its data traffic; what the last backward leaves to send is the reduction's to wait for."""
        scenario, at_end = self.scenario, kind.position is not Position.STEADY
        played = shared_pass(stage, self.machine, self._layout, self._state_bytes, kind.operation, at_end=at_end)
        parts = (played.segment if kind.position is Position.LAST else played.whole).parts
        if self._layout.offload in ("none", "optimizer"):
            return parts
        moving = (
            offloaded_activations(stage, scenario.resolved_layout.offload).moving / scenario.cluster.node.host_bandwidth
        )
        took = sum(parts.values(), np.zeros(self.points))
        return {**parts, "host": np.maximum(0.0, moving - took)}  # the link works beside the whole pass

    def _reduce_time(self, stage: Stage, ending: TaskType) -> Array:
        """Seconds of gradient reduction after the pass that ends the stage's gradients."""
        if pass_traffic(self._layout, ending, at_end=True) == SILENT:
            return reduce_stage_time(self.scenario, self.machine, stage)
        return shared_pass(stage, self.machine, self._layout, self._state_bytes, ending, at_end=True).carry_s

    @cached_property
    def _layout(self) -> ResolvedLayout:
        return self.scenario.resolved_layout

    @cached_property
    def _state_bytes(self) -> StateBytes:
        return state_bytes_of(self.scenario.training, "fp32")

    @cached_property
    def transfers(self) -> Floats:
        """Seconds [boundaries, points] of a message between two stages."""
        return boundary_seconds(self.columns, self.machine)

    def _every_point(self, seconds: Array) -> Floats:
        return np.zeros(self.points) + seconds


@lru_cache(maxsize=64)
def _alike(program: Program, held: tuple[int, ...]) -> tuple[list[Kind], Ints]:
    """The first of all kinds that take the same, and the place of every kind's like among them."""
    firsts: dict[Hashable, Kind] = {}
    keys = [_key(program, held, kind) for kind in program.kinds]
    for key, kind in zip(keys, program.kinds, strict=True):
        firsts.setdefault(key, kind)
    places = {key: place for place, key in enumerate(firsts)}
    return list(firsts.values()), np.array([places[key] for key in keys])


def _key(program: Program, held: tuple[int, ...], kind: Kind) -> Hashable:
    """What a kind's duration depends on: what its stage holds, or what lies between two stages."""
    match kind.operation:
        case TaskType.SEND_ACTIVATION | TaskType.SEND_GRADIENT:
            return boundary_of(program, kind)
        case TaskType.OPTIMIZER:
            return tuple(held[virtual[kind.stage]] for virtual in program.placement.cells)
        case TaskType.SYNC_EMBEDDINGS | TaskType.GRADIENT_NORM:
            return kind.operation
        case TaskType.REDUCE_GRADIENTS:
            detail: Hashable = _endings(program)[kind.stage, kind.chunk]
        case _:
            detail = kind.position
    return kind.operation, detail, held[program.placement.cells[kind.chunk][kind.stage]]


@lru_cache(maxsize=64)
def _endings(program: Program) -> dict[tuple[int, int], TaskType]:
    """(stage, chunk) -> the operation that ends its gradients."""
    kinds = (kind for kind in program.kinds if kind.position is Position.LAST)
    return {(kind.stage, kind.chunk): kind.operation for kind in kinds}


def boundary_seconds(columns: Columns, machine: Machine) -> Floats:
    """Seconds [boundaries, points] between two stages: each tensor rank sends its 1/t; without sequence parallelism
    they regather it.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 4.1 (scatter/gather optimization).
    """
    layout, message = columns.scenario.resolved_layout, boundary_bytes(columns)
    boundaries = np.arange(float(layout.pipeline))[:, np.newaxis]
    seconds = machine.transfer_time(message / columns.sizes.tensor, boundaries)
    if not layout.sequence_parallel:
        seconds = seconds + machine.collective_time(Collective("regather", "all-gather", "tensor", message))
    return np.zeros((len(boundaries), columns.points)) + seconds


def boundary_bytes(columns: Columns) -> Array:
    """Bytes of what one micro-batch hands to the next stage, on all tensor ranks together."""
    sizes, training = columns.sizes, columns.scenario.training
    tokens = sizes.micro_batch * training.sequence_length / sizes.context
    return activation_bytes_of(training.precision) * tokens * columns.scenario.model.residual_width


def boundary_of(program: Program, kind: Kind) -> int:
    """The stage before the boundary that a transfer crosses."""
    onward = (kind.operation is TaskType.SEND_ACTIVATION) != program.placement.backwards[kind.chunk]
    return kind.stage if onward else (kind.stage - 1) % program.stages
