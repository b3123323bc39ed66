"""The segment clock: one pass over a layer (or an end of the model) on the compute and communication streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.engines import play
from clustersim.engines.graph import NO_BARRIER, Floats, TaskGraph, Timeline
from clustersim.workload.operations import Gemm, Pass

COMPUTE = "compute"


@dataclass(frozen=True)
class Segment:
    """Seconds of a pass, and the same seconds by part: compute as it ran, communication as far as compute waited."""

    seconds: Floats  # [points]
    parts: Mapping[str, Floats]  # they sum to `seconds`
    gemm_flops: Floats  # FLOP inside weight products, those of the part "gemm"

    def __add__(self, other: Segment) -> Segment:
        """One after the other."""
        names = self.parts.keys() | other.parts.keys()
        zero = np.zeros_like(self.seconds)
        parts = {name: self.parts.get(name, zero) + other.parts.get(name, zero) for name in sorted(names)}
        return Segment(self.seconds + other.seconds, parts, self.gemm_flops + other.gemm_flops)

    def __mul__(self, times: float) -> Segment:
        """Several in a row."""
        return Segment(
            self.seconds * times,
            {name: seconds * times for name, seconds in self.parts.items()},
            self.gemm_flops * times,
        )

    def beyond(self, shorter: Segment) -> Segment:
        """What this pass takes more than a shorter one, part by part."""
        parts = {name: np.maximum(0.0, seconds - shorter.parts.get(name, 0.0)) for name, seconds in self.parts.items()}
        seconds = sum(parts.values(), np.zeros_like(self.seconds))
        return Segment(seconds, parts, self.gemm_flops - shorter.gemm_flops)


def empty_segment(points: int) -> Segment:
    """No work."""
    return Segment(np.zeros(points), {}, np.zeros(points))


def play_segment(work: Pass, machine: Machine, points: int = 1) -> Segment:
    """Play one pass: seconds, and where they went. `points`: length of the machine's and the pass's arrays."""
    if not work.operations:
        return empty_segment(points)
    timeline = play_pass(work, machine, points)
    flops = np.zeros(points)
    for operation in work.operations:
        if isinstance(operation, Gemm) and operation.part == "gemm":
            flops = flops + operation.flops
    return Segment(timeline.makespan, _parts(work, timeline), flops)


def play_pass(work: Pass, machine: Machine, points: int = 1) -> Timeline:
    """When every operation of a pass ran: seconds from its start, `[operations, points]`."""
    durations = np.empty((len(work.operations), points))  # [operations, points] seconds
    for row, operation in enumerate(work.operations):
        durations[row] = machine.time(operation)
    graph = _graph(work.streams, work.after)
    timeline = play(graph, durations)
    slowdown = machine.stack.overlap_slowdown
    if np.any(slowdown):
        timeline = play(graph, durations + slowdown * _beside_collectives(work, timeline))
    return timeline


def shared_parts(first: Segment, second: Segment, together: Segment) -> tuple[Segment, Segment]:
    """Two passes that ran `together`, apart again: each has its share of every part of what both took."""
    return _share(first, second, together), _share(second, first, together)


def _share(own: Segment, other: Segment, together: Segment) -> Segment:
    parts = {}
    for name, seconds in own.parts.items():
        alone = seconds + other.parts.get(name, 0.0)
        both = together.parts.get(name, np.zeros_like(alone))
        parts[name] = np.divide(seconds * both, alone, out=np.zeros_like(alone), where=alone > 0)
    return Segment(sum(parts.values(), np.zeros_like(own.seconds)), parts, own.gemm_flops)


@lru_cache(maxsize=512)
def _graph(streams: tuple[str, ...], after: tuple[tuple[int, ...], ...]) -> TaskGraph:
    """The task graph of a pass; passes of one structure share it."""
    names = sorted(set(streams))
    tasks = len(streams)
    return TaskGraph(
        kind=np.arange(tasks),
        stream=np.array([names.index(stream) for stream in streams], dtype=np.int64),
        dependency_offsets=np.cumsum([0, *(len(waits) for waits in after)], dtype=np.int64),
        dependencies=np.array([task for waits in after for task in waits], dtype=np.int64),
        barrier=np.full(tasks, NO_BARRIER, dtype=np.int64),
        kinds=tasks,
        streams=len(names),
        barriers=0,
    )


def _beside_collectives(work: Pass, timeline: Timeline) -> Floats:
    """Seconds [operations, points] that every compute operation ran beside a collective; 0 for collectives.

    One pass of coupling: slowed compute is not looked at again, an error of second order in the slow-down.
    """
    beside = np.zeros_like(timeline.end)
    moving = [task for task, stream in enumerate(work.streams) if stream != COMPUTE]
    for task, stream in enumerate(work.streams):
        if stream == COMPUTE and moving:
            start = np.maximum(timeline.start[moving], timeline.start[task])
            end = np.minimum(timeline.end[moving], timeline.end[task])
            beside[task] = np.maximum(0.0, end - start).sum(axis=0)
    return beside


def _parts(work: Pass, timeline: Timeline) -> dict[str, Floats]:
    """Walk the compute stream: its work counts as it ran, a gap counts for the collective that ended last before it."""
    points = timeline.end.shape[1]
    parts: dict[str, Floats] = {}
    clock = np.zeros(points)
    for task, stream in enumerate(work.streams):
        if stream != COMPUTE:
            continue
        _add_gap(parts, work, timeline, work.after[task], timeline.start[task] - clock)
        part = work.operations[task].part
        parts[part] = parts.get(part, 0.0) + (timeline.end[task] - timeline.start[task])
        clock = timeline.end[task]
    others = [task for task, stream in enumerate(work.streams) if stream != COMPUTE]
    _add_gap(parts, work, timeline, others, timeline.makespan - clock)
    return parts


def _add_gap(parts: dict[str, Floats], work: Pass, timeline: Timeline, waited: Sequence[int], gap: Floats) -> None:
    if not len(waited) or not gap.any():
        return
    last = np.argmax(timeline.end[list(waited)], axis=0)  # [points] which of `waited` ended last
    for index, task in enumerate(waited):
        part = work.operations[task].part
        parts[part] = parts.get(part, 0.0) + np.where(last == index, gap, 0.0)
