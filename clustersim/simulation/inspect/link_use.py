"""Which network tiers the messages of a step use over time, stage by stage.

Messages inside passes (tensor, context and expert groups) are the segment clock's; here are those of the step's own
graph: between stages, and among data-parallel replicas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.program import Kind, TaskType
from clustersim.simulation.step.step import PlayedStep
from clustersim.simulation.step.task_prices import boundary_of

TIERS = ("scale-up", "scale-out")
DATA = frozenset({TaskType.GATHER_PARAMETERS, TaskType.REDUCE_GRADIENTS})
PIPELINE = frozenset({TaskType.SEND_ACTIVATION, TaskType.SEND_GRADIENT})
MESSAGES = DATA | PIPELINE | {TaskType.SYNC_EMBEDDINGS, TaskType.GRADIENT_NORM}


@dataclass(frozen=True, eq=False)
class LinkUse:
    """How many messages of a device of one stage are under way on a tier: `messages[i]` from `times_s[i]` on."""

    stage: int
    tier: str
    times_s: Floats  # [events] seconds, rising
    messages: Ints  # [events]


def link_use(step: PlayedStep) -> tuple[LinkUse, ...]:
    """The use of every tier that messages of a played step cross, by the stage that sends."""
    program = step.program
    tiers = np.array([_tier(step, kind) for kind in program.kinds])[program.graph.kind]  # [tasks] index, or -1
    took = step.timeline.end[:, 0] > step.timeline.start[:, 0]
    uses = []
    for stage in range(program.stages):
        for index, tier in enumerate(TIERS):
            tasks = np.flatnonzero((program.stage == stage) & (tiers == index) & took)
            if len(tasks):
                uses.append(_use(stage, tier, step.timeline.start[tasks, 0], step.timeline.end[tasks, 0]))
    return tuple(uses)


def _use(stage: int, tier: str, start: Floats, end: Floats) -> LinkUse:
    changes = np.concatenate([np.ones(len(start), dtype=np.int64), np.full(len(end), -1, dtype=np.int64)])
    times = np.concatenate([start, end])
    order = np.argsort(times, kind="stable")
    moments, first = np.unique(times[order], return_index=True)
    under_way = np.add.reduceat(changes[order], first).cumsum()
    return LinkUse(stage, tier, moments, under_way)


def _tier(step: PlayedStep, kind: Kind) -> int:
    """The outermost tier that a message crosses, as an index into TIERS; -1 for what is no message."""
    groups = step.machine.groups
    if kind.operation not in MESSAGES:
        return -1
    if kind.operation in DATA:
        return int(np.max(groups["data"].across) > 1)
    stages = groups["pipeline"]
    if kind.operation not in PIPELINE:
        return int(np.max(stages.across) > 1)
    return int(step.machine.leaves_domain(boundary_of(step.program, kind)))
