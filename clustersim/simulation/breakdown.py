"""Where a step's time went, on the device that ends last; and how busy the devices were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from clustersim.engines.graph import Timeline
from clustersim.schedules.program import Operation, Program
from clustersim.simulation.results import BREAKDOWN_PARTS

WAIT_PART = {
    Operation.SEND_ACTIVATION: "pipeline_comm",
    Operation.SEND_GRADIENT: "pipeline_comm",
    Operation.GATHER_PARAMETERS: "data_comm",
    Operation.REDUCE_GRADIENTS: "data_comm",
    Operation.SYNC_EMBEDDINGS: "data_comm",
    Operation.GRADIENT_NORM: "data_comm",
}
COMMUNICATION = frozenset(part for part in BREAKDOWN_PARTS if part.endswith("_comm"))


class Window(NamedTuple):
    """The device that a step's time is read off, and its share of the timeline."""

    stage: int
    start: float
    end: float


def step_window(program: Program, timeline: Timeline) -> Window:
    """The device that ends last, from the start of the step; or the one that takes longest, where none waits for all.

    Without a meeting of all stages a device starts its next step as soon as its own share of this one is done, and
    steps follow each other by the longest share. Source: Qi et al. 2023, arXiv 2401.10241, section 4 and figure 1.
    """
    start, end = timeline.start[:, 0], timeline.end[:, 0]
    if any(kind.operation is Operation.GRADIENT_NORM for kind in program.kinds):
        last = int(np.argmax(end))
        return Window(int(program.stage[last]), 0.0, float(end[last]))
    starts, ends = np.full(program.stages, np.inf), np.zeros(program.stages)
    np.minimum.at(starts, program.stage, start)
    np.maximum.at(ends, program.stage, end)
    longest = int(np.argmax(ends - starts))
    return Window(longest, float(starts[longest]), float(ends[longest]))


def breakdown(program: Program, timeline: Timeline, parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Seconds by part of the device that the step is read off; they sum to the step. `parts`: of each kind's duration.

    A gap before a task counts as the communication that ended last before it, for as long as that took, and as bubble
    beyond: a longer wait is for work on another device.
    """
    total = dict.fromkeys(BREAKDOWN_PARTS, 0.0)
    ends = timeline.end[:, 0]
    stage, start, end = step_window(program, timeline)
    graph = program.graph
    tasks = np.flatnonzero(graph.stream == program.compute_streams[stage])
    played = np.bincount(graph.kind[tasks], minlength=graph.kinds)  # [kinds] times
    for kind in np.flatnonzero(played).tolist():
        for part, seconds in parts[kind].items():
            total[part] += float(played[kind]) * seconds
    gaps = timeline.start[tasks, 0] - np.concatenate([[start], ends[tasks[:-1]]])
    for index in np.flatnonzero(gaps > 0.0):
        _add_wait(total, program, timeline, graph.dependencies_of(int(tasks[index])), float(gaps[index]))
    clock = float(ends[tasks[-1]])
    own = np.flatnonzero((program.stage == stage) & (graph.stream != program.compute_streams[stage]))
    _add_wait(total, program, timeline, own, end - clock)
    return total


def _add_wait(total: dict[str, float], program: Program, timeline: Timeline, waited: np.ndarray, gap: float) -> None:
    if gap <= 0.0:
        return
    hidden = 0.0
    if len(waited):
        last = int(waited[np.argmax(timeline.end[waited, 0])])
        part = WAIT_PART.get(program.kinds[program.graph.kind[last]].operation)
        if part is not None:
            hidden = min(gap, float(timeline.end[last, 0] - timeline.start[last, 0]))
            total[part] += hidden
    total["bubble"] += gap - hidden


def busy_shares(program: Program, timeline: Timeline, parts: Sequence[Mapping[str, float]]) -> tuple[float, float]:
    """(busy_any, busy_compute): shares of the step in which any stream, or the compute stream, runs; device mean."""
    window = step_window(program, timeline)
    seconds = window.end - window.start
    kinds = program.graph.kind
    exposed = np.array([sum(row[part] for part in row.keys() & COMMUNICATION) for row in parts])
    durations = timeline.end[:, 0] - timeline.start[:, 0]
    any_stream, compute = 0.0, 0.0
    for stage, stream in enumerate(program.compute_streams):
        on_compute = program.graph.stream == stream
        compute += float(durations[on_compute].sum() - exposed[kinds[on_compute]].sum())
        own = program.stage == stage
        any_stream += _union(timeline.start[own, 0], timeline.end[own, 0])
    return any_stream / seconds / program.stages, compute / seconds / program.stages


def _union(start: np.ndarray, end: np.ndarray) -> float:
    """Length of the union of intervals."""
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    reached = np.concatenate([[0.0], np.maximum.accumulate(end)[:-1]])
    return float(np.maximum(0.0, end - np.maximum(start, reached)).sum())
