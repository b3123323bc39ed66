"""The segment clock: one pass over a layer (or an end of the model) on the compute and communication streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from itertools import accumulate, pairwise

import numpy as np

from clustersim.costs.host import Launches, host_time, launches_of
from clustersim.costs.machine import Machine
from clustersim.costs.pricing import OperationGroup, bundle_times, bundles
from clustersim.engines import play
from clustersim.engines.graph import NO_BARRIER, Floats, TaskGraph, Timeline
from clustersim.simulation.segment.coupling import play_coupled
from clustersim.simulation.segment.demands import pass_demands, sharing_of
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective, Gemm, Pass

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


def in_a_row(segments: Sequence[tuple[Segment, float]], points: int) -> Segment:
    """Segments one after the other, each so many times."""
    seconds, flops = np.zeros((2, points))
    parts = {name: np.zeros(points) for name in sorted({name for segment, _ in segments for name in segment.parts})}
    for segment, times in segments:
        seconds, flops = seconds + segment.seconds * times, flops + segment.gemm_flops * times
        for name, spent in segment.parts.items():
            parts[name] = parts[name] + spent * times
    return Segment(seconds, parts, flops)


def empty_segment(points: int) -> Segment:
    """No work."""
    return Segment(np.zeros(points), {}, np.zeros(points))


@dataclass(frozen=True, eq=False)
class PassBatch:
    """Passes to be priced and played at once, each from its own start. What only they decide is worked out once."""

    passes: tuple[Pass, ...]

    @cached_property
    def bundles(self) -> list[OperationGroup]:
        """All their operations, those that are alike together."""
        return bundles([operation for work in self.passes for operation in work.operations])

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups of ranks that their collectives are among."""
        found = {each.group for work in self.passes for each in work.operations if isinstance(each, Collective)}
        return tuple(sorted(found))

    @cached_property
    def graph(self) -> TaskGraph:
        """Their task graph."""
        return _graph(tuple((work.streams, work.after) for work in self.passes))

    @cached_property
    def bounds(self) -> list[int]:
        """Where each pass starts among all operations, and where the last one ends."""
        return [0, *accumulate(len(work.operations) for work in self.passes)]

    def play(self, machine: Machine, points: int = 1) -> Timeline:
        """When every operation ran, from the start of its pass: seconds `[operations of all, points]`."""
        durations = bundle_times(self.bundles, machine, points)
        if machine.stack.coupling:
            sharing = sharing_of(pass_demands(self.passes, durations, machine), machine)
            return play_coupled(self.graph, durations, sharing, machine.stack.coupling).timeline
        timeline = play(self.graph, durations)
        slowdown = machine.stack.overlap_slowdown
        if np.any(slowdown):
            timeline = play(self.graph, durations + slowdown * self._beside_collectives(timeline))
        return timeline

    def segments(self, machine: Machine, points: int = 1) -> list[Segment]:
        """What every pass takes. `points`: length of the machine's and the passes' arrays."""
        timeline, zero = self.play(machine, points), np.zeros(points)
        # Times [points] of every operation: plain floats for one point, which are added quicker than arrays.
        start, end = (times[:, 0].tolist() if points == 1 else list(times) for times in (timeline.start, timeline.end))
        segments = []
        passes = zip(self.passes, self.gemm_flops, self.launches, pairwise(self.bounds), strict=True)
        for work, flops, launched, (low, high) in passes:
            seconds, parts = _spent(work, start[low:high], end[low:high])
            spent = {part: zero + times for part, times in parts.items()}
            waiting = np.maximum(0.0, host_time(launched, machine) - seconds) + zero
            if waiting.any():
                spent["host"] = spent.get("host", 0.0) + waiting
            segments.append(Segment(zero + seconds + waiting, spent, zero + flops))
        return segments

    @cached_property
    def gemm_flops(self) -> list[Array]:
        """FLOP of every pass inside weight products."""
        return [
            sum(product.flops for product in work.operations if isinstance(product, Gemm) and product.part == "gemm")
            for work in self.passes
        ]

    @cached_property
    def launches(self) -> list[Launches]:
        """What the host issues for every pass."""
        return [launches_of(work.operations) for work in self.passes]

    def _beside_collectives(self, timeline: Timeline) -> Floats:
        """Seconds [operations, points] that every compute operation ran beside a collective; 0 for collectives.

        One pass of coupling: slowed compute is not looked at again, an error of second order in the slow-down.
        """
        beside = np.zeros_like(timeline.end)
        for work, first in zip(self.passes, self.bounds, strict=False):
            computes = np.array([stream == COMPUTE for stream in work.streams], dtype=np.bool_)
            moving, computing = (first + np.flatnonzero(some) for some in (~computes, computes))
            for task in computing if len(moving) else ():
                start = np.maximum(timeline.start[moving], timeline.start[task])
                end = np.minimum(timeline.end[moving], timeline.end[task])
                beside[task] = np.maximum(0.0, end - start).sum(axis=0)
        return beside


def play_segment(work: Pass, machine: Machine, points: int = 1) -> Segment:
    """Play one pass: seconds, and where they went. `points`: length of the machine's and the pass's arrays."""
    return PassBatch((work,)).segments(machine, points)[0]


def play_pass(work: Pass, machine: Machine, points: int = 1) -> Timeline:
    """When every operation of a pass ran: seconds from its start, `[operations, points]`."""
    return PassBatch((work,)).play(machine, points)


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
def _graph(passes: tuple[tuple[tuple[str, ...], tuple[tuple[int, ...], ...]], ...]) -> TaskGraph:
    """The task graph of passes beside each other; those of one structure (their streams and waits) share it."""
    names = [(number, stream) for number, (streams, _) in enumerate(passes) for stream in streams]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    firsts = [0, *accumulate(len(streams) for streams, _ in passes)]
    waits = [
        [first + task for task in wait] for first, (_, after) in zip(firsts, passes, strict=False) for wait in after
    ]
    tasks = len(names)
    return TaskGraph(
        kind=np.arange(tasks),
        stream=np.array([numbers[name] for name in names], dtype=np.int64),
        dependency_offsets=np.cumsum([0, *map(len, waits)], dtype=np.int64),
        dependencies=np.array([task for wait in waits for task in wait], dtype=np.int64),
        barrier=np.full(tasks, NO_BARRIER, dtype=np.int64),
        kinds=tasks,
        streams=len(numbers),
        barriers=0,
    )


def _spent(work: Pass, start: Sequence[Array], end: Sequence[Array]) -> tuple[Array, dict[str, Array]]:
    """Seconds of a played pass, and the same by part. Times of every operation: [points], or floats.

    A walk along the compute stream: its work counts as it ran, a gap counts for the collective that ended last
    before it.
    """
    parts: dict[str, Array] = {}
    clock: Array = 0.0
    for task, stream in enumerate(work.streams):
        if stream != COMPUTE:
            continue
        _add_gap(parts, work, end, work.after[task], start[task] - clock)
        part = work.operations[task].part
        parts[part] = parts.get(part, 0.0) + (end[task] - start[task])
        clock = end[task]
    others = [task for task, stream in enumerate(work.streams) if stream != COMPUTE]
    later = max if isinstance(clock, float) else np.maximum
    seconds = reduce(later, [end[task] for task in others], clock)
    _add_gap(parts, work, end, others, seconds - clock)
    return seconds, parts


def _add_gap(parts: dict[str, Array], work: Pass, end: Sequence[Array], waited: Sequence[int], gap: Array) -> None:
    if not waited or not (gap.any() if isinstance(gap, np.ndarray) else gap):
        return
    last = np.argmax(np.array([end[task] for task in waited]), axis=0) if len(waited) > 1 else 0  # which ended last
    for index, task in enumerate(waited):
        part = work.operations[task].part
        explained = np.where(last == index, gap, 0.0) if len(waited) > 1 else gap
        parts[part] = parts.get(part, 0.0) + explained
