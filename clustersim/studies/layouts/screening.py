"""Many pipelines of the same layers bounded at once: the bytes of each in full, its time from passes alone.

What a stage holds and takes for a micro-batch does not depend on the pipeline that it stands in, so that distinct
stages are priced once, and pipelines differ by how many micro-batches there are and which stages a device holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clustersim.engines.graph import Floats, Ints
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import Program, TaskType
from clustersim.schedules.registry import find_schedule
from clustersim.simulation.memory.holdings import (
    Held,
    ShardedStates,
    bytes_beside_states,
    fullest_moment,
    held_by,
    holdings,
    kept_all_step,
    may_peak_after_passes,
    offloaded_activations,
    sharding_of,
)
from clustersim.simulation.segment.layer_prices import Passes
from clustersim.simulation.segment.stages import Stage
from clustersim.studies.layouts.bounds import SLACK, is_one_way, meets, turns_apart
from clustersim.studies.layouts.shares import StageTimes, longest_shares, turns_of
from clustersim.workload.sizes import Sizes


@dataclass(frozen=True, eq=False)
class Lane:
    """A pipeline, whose layouts have as many replicas and micro-batches, [points] each, as it leaves them."""

    program: Program
    stages: Sequence[Stage]  # virtual stages in pipeline order; those that hold the same are one object
    data: Floats
    micro_batches: Floats
    scenario: Scenario  # of one of its layouts


@dataclass(frozen=True, eq=False)
class Screening:
    """Pipelines whose stages are made of the same pieces, and whose schedules run the same passes."""

    lanes: Sequence[Lane]
    sizes: Sizes  # of the groups, but for replicas
    passes: frozenset[TaskType]

    def least_seconds(self) -> Floats:
        """Seconds [lanes, points] that a step takes at least, by its passes: no message, gradient sum or update counts.

        As `bounds.step_bound`, at the durations of passes without data traffic, which makes none of them shorter.
        """
        return np.array([self._least(lane) for lane in self.lanes]) * (1.0 - SLACK)

    def _least(self, lane: Lane) -> Floats:
        program, place = lane.program, np.array(self._place(lane))[lane.program.placement.virtual]  # [chunks, stages]
        forward, gradient, both = self._seconds[:, place]  # [chunks, stages, points]
        count = lane.micro_batches / program.placement.copies
        busy = count * (forward + both).sum(axis=0)
        if meets(lane.scenario, program.stages):
            if is_one_way(program):
                busy[1:] += np.cumsum((forward[0] + gradient[0])[:-1], axis=0)
        elif turns_apart(program, self.passes):
            turns = turns_of(lane.scenario.resolved_layout.schedule, program.stages, lane.micro_batches)
            weight, free = both[0] - gradient[0], np.zeros_like(busy)
            passes = StageTimes(
                busy, forward[0], gradient[0], weight, weight, free, free, filling=turns.before * forward[0]
            )
            busy = longest_shares(passes, turns)
        return np.asarray(busy.max(axis=0))

    def held_bytes(self, scenario: Scenario, lanes: Sequence[int]) -> Floats:
        """Bytes [lanes, points] that the fullest device of some lanes holds at least; `scenario` cuts states as all do.

        With one chunk a device all that it holds when most micro-batches are in flight. With several, what a pass keeps
        of the leanest chunk for each in flight, beside what stays all step.
        """
        rows = [row for lane in lanes for row in self._rows[lane]]
        lane_of = np.repeat(np.arange(len(lanes)), [len(self._rows[lane]) for lane in lanes])
        held = np.empty((len(lanes), len(self.lanes[0].data)))
        several = np.array([row.chunks > 1 for row in rows])
        for chunked in (False, True):
            some = np.flatnonzero(several == chunked)
            if not len(some):
                continue
            bytes_ = self._held(scenario, [rows[at] for at in some], [self.lanes[lanes[at]] for at in lane_of[some]])
            starts = np.flatnonzero(np.diff(lane_of[some], prepend=-1))
            held[lane_of[some][starts]] = np.maximum.reduceat(bytes_, starts, axis=0)
        return held * (1.0 - SLACK)

    def _held(self, scenario: Scenario, rows: Sequence[DeviceRow], lanes: Sequence[Lane]) -> Floats:
        data, counts = (np.array([getattr(lane, name) for lane in lanes]) for name in ("data", "micro_batches"))
        sizes = Sizes(**{**vars(self.sizes), "data": data})
        copies = lanes[0].program.placement.copies
        once, often = (sharding_of(scenario, sizes, count, copies) for count in (1, 2))
        several = self._bytes(scenario, rows, often)
        # A single micro-batch's gradients may be cut as they come, or be none while it runs forward.
        if (once.kind, once.frees_gradients) == (often.kind, often.frees_gradients):
            return several
        return np.where(counts == 1.0, self._bytes(scenario, rows, once), several)

    def _bytes(self, scenario: Scenario, rows: Sequence[DeviceRow], sharding: ShardedStates) -> Floats:
        """Bytes [rows, points] at the fullest moment of devices, all of one chunk or all of several."""
        stack = scenario.stack
        held = Held(*np.array([row.held for row in rows]).swapaxes(0, 1))  # [rows, points] each
        flying = np.array([row.flying for row in rows])
        if rows[0].chunks == 1:
            staying, passing, embedding, working, logits = self._moving(sharding, [row.stage for row in rows])
            kept = staying * flying + passing
            moving = {"kept": kept, "others": embedding * flying + working + logits}
        else:
            kept = self._leanest(sharding, rows) * flying
            moving = {"kept": kept}
        moving["fragmentation"] = stack.fragmentation * kept
        nothing, chunks = np.zeros_like(flying), np.array([[row.chunks] for row in rows])
        after = nothing
        if may_peak_after_passes(sharding, stack):
            after = nothing + bytes_beside_states(held, chunks, sharding, stack)
        resident = {part: nothing + size for part, size in kept_all_step(held, sharding, stack).items()}
        return np.asarray(sum(fullest_moment(resident, moving, after, sharding).values(), nothing))

    def _moving(self, sharding: ShardedStates, places: Sequence[int]) -> Floats:
        """What passes of devices of one chunk keep, [figures, rows, points]."""
        figures = []
        for stage in self._distinct:
            kept = offloaded_activations(stage, sharding.offload)
            figures.append([kept.staying, kept.passing, stage.embedding_bytes, stage.working_bytes, stage.logit_bytes])
        return np.array(figures)[places].swapaxes(0, 1)

    def _leanest(self, sharding: ShardedStates, rows: Sequence[DeviceRow]) -> Floats:
        """Bytes [rows, points] that a micro-batch leaves of the leanest chunk."""
        kept = np.array([offloaded_activations(stage, sharding.offload).staying for stage in self._distinct])
        return np.array([kept[row.held_by].min(axis=0) for row in rows])

    @cached_property
    def _rows(self) -> list[list[DeviceRow]]:
        """Of every lane its devices that hold different chunks: the first of each kind has most in flight."""
        figures = np.array([holdings(stage) for stage in self._distinct])
        return [list(self._devices(lane, figures)) for lane in self.lanes]

    def _devices(self, lane: Lane, figures: Floats) -> Iterator[DeviceRow]:
        program, place = lane.program, np.array(self._place(lane))
        firsts: dict[tuple[int, ...], int] = {}
        for stage, held in enumerate(place[program.placement.virtual].T.tolist()):
            firsts.setdefault(tuple(held), stage)
        flying = self._in_flight(lane, np.array(list(firsts.values())))
        for (chunks, _), alive in zip(firsts.items(), flying, strict=True):
            yield DeviceRow(len(chunks), chunks[0], list(chunks), held_by(figures[list(chunks)]), alive)

    def _in_flight(self, lane: Lane, stages: Ints) -> Floats:
        """Chunk activations [stages, points] that are alive together at least once, with all that backward needs."""
        program, schedule = lane.program, find_schedule(lane.scenario.resolved_layout.schedule)
        counts = np.maximum(1.0, lane.micro_batches).astype(np.int64)
        if TaskType.WEIGHT_GRADIENT in self.passes:  # what they keep for weights comes on top
            ahead = schedule.traits.warm_up
            some = stages[:, np.newaxis]
            alive = np.ones_like(some) if ahead is None else ahead(some, program.stages)
            return np.minimum(alive, counts).astype(float)
        alive = schedule.in_flight(stages[:, np.newaxis], program.stages, counts, program.placement.chunks)
        return np.asarray(alive, dtype=float)

    @cached_property
    def _number(self) -> dict[int, int]:
        numbers: dict[int, int] = {}
        for lane in self.lanes:
            for stage in lane.stages:
                numbers.setdefault(id(stage), len(numbers))
        return numbers

    @cached_property
    def _distinct(self) -> list[Stage]:
        stages = {id(stage): stage for lane in self.lanes for stage in lane.stages}
        return [stages[key] for key in self._number]

    def _place(self, lane: Lane) -> list[int]:
        """The number of each virtual stage's like among the distinct ones."""
        return [self._number[id(stage)] for stage in lane.stages]

    @cached_property
    def _seconds(self) -> Floats:
        """[3, distinct stages, points] one forward pass, the gradient that goes back, and both gradients, at least."""
        return np.array([_least_passes(stage.passes) for stage in self._distinct]).swapaxes(0, 1)


def _least_passes(passes: Passes) -> tuple[Floats, Floats, Floats]:
    """Of a stage, where the schedule may run passes in several ways the shortest."""
    forward, back = passes[TaskType.FORWARD].seconds, passes[TaskType.BACKWARD].seconds
    if TaskType.FORWARD_BESIDE in passes:
        forward = np.minimum(forward, passes[TaskType.FORWARD_BESIDE].seconds)
        back = np.minimum(back, passes[TaskType.BACKWARD_BESIDE].seconds)
    if TaskType.WEIGHT_GRADIENT not in passes:
        return forward, back, back
    first = passes[TaskType.INPUT_GRADIENT].seconds
    return forward, np.minimum(first, back), np.minimum(back, first + passes[TaskType.WEIGHT_GRADIENT].seconds)


@dataclass(frozen=True, eq=False)
class DeviceRow:
    """A device of a lane."""

    chunks: int
    stage: int  # the number of its first chunk's like
    held_by: list[int]  # of all its chunks' likes
    held: Held  # [points] each
    flying: Floats  # [points] chunk activations alive together
