"""What can be timed of a step beside the step itself, and what the simulator has for it: passes, kernels, messages.

A chunk is what one rank's clock or profiler sees: a pass over one layer or one pipeline stage, all matrix products of a
step, one all-reduce. It costs one node to measure, and says of a stack what a step of a thousand nodes needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import COMPUTE_PASSES, FORWARDS, TaskType
from clustersim.simulation.segment.layer_prices import PricedLayer
from clustersim.simulation.segment.segment import PassBatch
from clustersim.simulation.segment.stages import Stage
from clustersim.simulation.step.step import PlayedSteps, step_machine
from clustersim.simulation.step.windows import step_windows
from clustersim.workload.operations import Attention, Collective, CollectiveKind, Gemm, Group, Operation, Pointwise

Chunk = Literal[
    "step",
    "layer_forward",
    "layer_backward",
    "stage_forward",
    "stage_backward",
    "gemm",
    "attention",
    "memory_bound",
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
]
CHUNKS: tuple[Chunk, ...] = get_args(Chunk)
KERNELS: dict[str, type[Operation]] = {"gemm": Gemm, "attention": Attention, "memory_bound": Pointwise}
MESSAGES: tuple[CollectiveKind, ...] = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all")
GROUPS: tuple[Group, ...] = ("tensor", "context", "expert", "expert_tensor", "data", "expert_data")


@dataclass(frozen=True)
class Observed:
    """What was timed. `stage`: of the pipeline; `group` and `bytes`: of a message."""

    chunk: Chunk = "step"
    stage: int = 0
    group: Group = "tensor"
    bytes: float = 0.0


STEP = Observed()


def ranks_of(scenario: Scenario) -> dict[Group, int]:
    """Ranks of every group of a scenario's layout that messages go among."""
    from clustersim.simulation.step.side_by_side import side_by_side

    machine = step_machine(side_by_side([scenario]), of_one=True)
    known = GROUPS if scenario.model.moe else [group for group in GROUPS if not group.startswith("expert")]
    return {group: round(float(machine.groups[group].ranks)) for group in known}


def seconds_of(observed: Observed, played: PlayedSteps) -> Floats:
    """Seconds [points] that played steps have for what was timed; 0 where they do no such thing."""
    if observed.chunk == "step":
        return step_windows(played.program, played.timeline).seconds + played.imbalance_s
    none = np.zeros(played.columns.points)
    if observed.chunk in MESSAGES:
        message = Collective("timed", observed.chunk, observed.group, observed.bytes)
        return none + step_machine(played.columns).collective_time(message)
    if observed.chunk in KERNELS:
        return none + _kernel_seconds(played, KERNELS[observed.chunk], observed.stage)
    what, _, way = observed.chunk.partition("_")
    operation = TaskType.FORWARD if way == "forward" else TaskType.BACKWARD
    stage = played.stages[played.program.placement.cells[0][observed.stage]]
    return none + (stage if what == "stage" else _usual_layer(stage)).passes[operation].seconds


def _usual_layer(stage: Stage) -> PricedLayer:
    """The kind of layer that a stage has most of."""
    layers = [unit for unit in stage.units if unit.place == "layer"]
    return max(layers or stage.units, key=lambda unit: unit.times).piece


def _kernel_seconds(played: PlayedSteps, kind: type[Operation], stage: int) -> Floats:
    """Seconds [points] inside kernels of a kind in all passes of a step over a pipeline stage, without gaps between.

    The optimizer's are not among them.
    """
    machine = step_machine(played.columns)
    bare = machine.stack.model_copy(update={"kernel_gap": 0.0, "blocking_launches": False})
    machine, total = replace(machine, stack=bare), np.zeros(played.columns.points)
    for piece, operation, times in _passes_run(played, stage):
        batch = PassBatch((piece.work[operation],))
        timeline = batch.play(machine, played.columns.points)
        took = timeline.end - timeline.start
        works = piece.work[operation].operations
        of_kind = [isinstance(work, kind) and work.part != "imbalance" for work in works]  # of the mean rank
        total = total + times * took[of_kind].sum(axis=0)
    return total


def _passes_run(played: PlayedSteps, stage: int) -> Iterator[tuple[PricedLayer, TaskType, int]]:
    """Every kind of layer on a pipeline stage with each pass over it, and how often a step runs that."""
    program, runs = played.program, Counter[tuple[int, TaskType]]()
    tasks = np.bincount(program.graph.kind, minlength=len(program.kinds)).tolist()
    for kind, count in zip(program.kinds, tasks, strict=True):
        if kind.operation in COMPUTE_PASSES and kind.stage == stage:
            runs[kind.chunk, _alone(kind.operation)] += count
    for (chunk, operation), count in runs.items():
        for unit in played.stages[program.placement.cells[chunk][stage]].units:
            yield unit.piece, operation, count * unit.times


def _alone(operation: TaskType) -> TaskType:
    """The pass that does the same work by itself."""
    if operation is TaskType.BACKWARD_BESIDE:
        return TaskType.BACKWARD
    return TaskType.FORWARD if operation in FORWARDS else operation
