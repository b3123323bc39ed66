"""ZB-V: zero bubble in the memory of 1F1B, every stage holding two runs of layers that a micro-batch meets in a V.

Source: Qi et al. 2024, "Pipeline Parallelism with Controllable Memory", arXiv 2405.15362 (V-ZB), and Qi et al. 2023,
arXiv 2401.10241, section 6: stage s holds virtual stages s and 2p - 1 - s, so that loss and its gradient meet on one
device. Of 2p activations of a chunk, stage s keeps up to 2p - 1 - s for its first and s + 1 for its second: so many
forward passes fill the time until the first gradient comes back. After that a stage runs what is most urgent.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.placement import ChunkPlacement, there_and_back
from clustersim.schedules.planning import Filling, Pass, PlannedOrder
from clustersim.schedules.schedule import EQUAL, FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, Order, Ratios
from clustersim.schedules.traits import APART, TWO, WHOLE, Traits

__all__ = ["bubble_lower_bound", "in_flight", "order", "placement", "traits"]

traits = Traits(WHOLE | APART, planned=True, post_validates=True, chunks=TWO)

NEVER = 1 << 60
PATIENCE = 3  # a micro-batch's passes are due so many times later than they could be: 2p activations live so long


def placement(stages: int, chunks: int) -> ChunkPlacement:
    """The V."""
    return there_and_back(stages)


def order(stages: int, micro_batches: int, virtual_stages: int, ratios: Ratios = EQUAL) -> list[Order]:
    """The passes of every stage, planned on `ratios`."""
    plans = _plans(placement(stages, virtual_stages), micro_batches, ratios)
    return min(plans, key=lambda plan: plan.cost).orders()


def _plans(cells: ChunkPlacement, micro_batches: int, ratios: Ratios) -> Iterator[PlannedOrder]:
    """By hand, as equal passes ask for; the most urgent pass first, weight gradients as they come, or put off as far as
    memory allows.
    """
    by_hand = [_by_hand(stage, cells.stages, micro_batches) for stage in range(cells.stages)]
    yield Filling(by_hand, cells, micro_batches, 2 * cells.stages, ratios, fill_short_gaps=False).plan()
    urgent = MostUrgent(cells, micro_batches, ratios).plan()
    yield urgent
    others = [[planned for planned in passes if planned[0] != WEIGHT_GRADIENT] for passes in urgent.passes]
    for fill_short_gaps in (True, False):
        limit = 2 * cells.stages
        yield Filling(others, cells, micro_batches, limit, ratios, fill_short_gaps=fill_short_gaps).plan()


def _by_hand(stage: int, stages: int, micro_batches: int) -> list[Pass]:
    """One stage's passes in the order that has no bubble where F = B = W.

    Forward passes fill the way down the V and back; then both chunks take turns, each forward pass with a backward one
    and its weight gradient; while the pipeline drains, weight gradients wait until no input gradient does.
    Source: Qi et al. 2024, arXiv 2405.15362, figure 2 (V-ZB); as PyTorch's `ScheduleZBVZeroBubble` has it (recalled).
    """
    planned = max(2 * stages - 1, micro_batches)  # a shorter step leaves the last ones out
    done = {(operation, chunk): 0 for operation in OPERATIONS for chunk in (0, 1)}
    passes: list[Pass] = []

    def run(*runs: tuple[int, int]) -> None:
        for operation, chunk in runs:
            passes.append((operation, chunk, done[operation, chunk]))
            done[operation, chunk] += 1

    def both(chunk: int) -> list[tuple[int, int]]:
        return [(INPUT_GRADIENT, chunk), (WEIGHT_GRADIENT, chunk)]

    run(*[(FORWARD, 0)] * (2 * (stages - stage) - 1))
    run(*[(FORWARD, 1), (FORWARD, 0)] * stage)
    for _ in range(stages - stage):
        run((FORWARD, 1), *both(1))
    while done[FORWARD, 1] < planned:
        run(*[(FORWARD, 0)] * (done[FORWARD, 0] < planned), *both(0), (FORWARD, 1), *both(1))
    run(*[(INPUT_GRADIENT, 0), (INPUT_GRADIENT, 1)] * stage)
    for _ in range(stages - stage):
        run(*both(0))
    for chunk in (1, 0):
        run(*[(WEIGHT_GRADIENT, chunk)] * (planned - done[WEIGHT_GRADIENT, chunk]))
    return [run for run in passes if run[2] < micro_batches]


class MostUrgent:
    """Every stage runs, of what it can, the pass that is due first; weight gradients where nothing else can run.

    Micro-batch i enters i rounds (2 (F + B + W)) after the first; its passes are due PATIENCE times as long after that
    as they could be done. A forward pass that finds no room waits for a weight gradient to make some.
    """

    def __init__(self, cells: ChunkPlacement, micro_batches: int, ratios: Ratios) -> None:
        self.stages, self.micro_batches, self.transfer = cells.stages, micro_batches, ratios.transfer
        self.before, self.after = (links.tolist() for links in cells.links)
        virtual, count = cells.virtual.ravel(), cells.virtual.size
        self.durations = ratios.over(virtual)[:3]
        means = [sum(each) / count for each in self.durations]
        forward, backward = means[0] + self.transfer, means[1] + self.transfer
        self.due = [  # [forward, input gradient][cell] units after the micro-batch's round
            (PATIENCE * forward * virtual).tolist(),
            (PATIENCE * (forward * count + backward * (count - 1 - virtual))).tolist(),
        ]
        self.round = 2 * sum(means)
        stage = np.arange(self.stages)
        self.room: list[int] = np.concatenate([2 * self.stages - 1 - stage, stage + 1]).tolist()  # [cells]
        self.arrived = [[[NEVER] * micro_batches for _ in range(count)] for _ in range(2)]
        self.arrived[FORWARD][int(np.argmin(virtual))] = [0] * micro_batches
        self.done = [[0] * count for _ in range(3)]  # [forward, input gradient, weight gradient][cell] passes
        self.free = [0] * self.stages
        self.started = [NEVER] * self.stages
        self.out: list[list[Pass]] = [[] for _ in range(self.stages)]

    def plan(self) -> PlannedOrder:
        """Play on planned durations."""
        moments = [(0, stage) for stage in range(self.stages)]
        while moments:
            now, stage = heapq.heappop(moments)
            if now < self.free[stage]:
                continue
            chosen, later = self._choose(stage, now)
            if chosen is None:
                if later < NEVER:
                    heapq.heappush(moments, (later, stage))
                continue
            for moment in self._run(chosen, now):
                heapq.heappush(moments, moment)
        return PlannedOrder(max(end - start for start, end in zip(self.started, self.free, strict=True)), self.out)

    def _choose(self, stage: int, now: int) -> tuple[tuple[int, int] | None, int]:
        """(what, cell) to run now or None; and when the next pass arrives, as far as is known."""
        cells, later = (stage, self.stages + stage), NEVER
        waiting: list[tuple[float, int, int]] = []  # (due, what, cell)
        for cell in cells:
            for what in (INPUT_GRADIENT_SIDE, FORWARD):
                number = self.done[what][cell]
                if number == self.micro_batches:
                    continue
                arrival, room = self.arrived[what][cell][number], what != FORWARD or self._has_room(cell)
                if arrival > now:
                    later = min(later, arrival) if room else later
                elif room or self.done[INPUT_GRADIENT_SIDE][cell] > self.done[WEIGHT_SIDE][cell]:
                    due = self.round * number + self.due[what][cell]
                    waiting.append((due, what if room else WEIGHT_SIDE, cell))
        if waiting:
            return min(waiting)[1:], later
        pending = [cell for cell in cells if self.done[INPUT_GRADIENT_SIDE][cell] > self.done[WEIGHT_SIDE][cell]]
        fits = pending and later - now >= self.durations[WEIGHT_SIDE][pending[-1]]
        return ((WEIGHT_SIDE, pending[-1]) if fits else None), later

    def _has_room(self, cell: int) -> bool:
        """Of the second chunk also where the first one's passes are all done and leave theirs."""
        alive = self.done[FORWARD][cell] - self.done[WEIGHT_SIDE][cell]
        other = cell - self.stages
        if alive < self.room[cell] or other < 0 or self.done[FORWARD][other] < self.micro_batches:
            return alive < self.room[cell]
        return alive + self.micro_batches - self.done[WEIGHT_SIDE][other] < 2 * self.stages

    def _run(self, chosen: tuple[int, int], now: int) -> Iterator[tuple[int, int]]:
        """Run a pass; the moments at which stages should look again."""
        what, cell = chosen
        stage, number = cell % self.stages, self.done[what][cell]
        end = now + self.durations[what][cell]
        self.out[stage].append((OPERATIONS[what], cell // self.stages, number))
        self.started[stage], self.free[stage] = min(self.started[stage], now), end
        self.done[what][cell] += 1
        yield end, stage
        if what == WEIGHT_SIDE:
            return
        onward = (self.after if what == FORWARD else self.before)[cell]
        if onward < 0 and what == FORWARD:  # the loss: its gradient starts here
            self.arrived[INPUT_GRADIENT_SIDE][cell][number] = end
        elif onward >= 0:
            arrival = end + (self.transfer if onward % self.stages != stage else 0)
            self.arrived[what][onward][number] = arrival
            yield arrival, onward % self.stages


INPUT_GRADIENT_SIDE, WEIGHT_SIDE = 1, 2  # places in Ratios
OPERATIONS = (FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT)


def in_flight(stage: ArrayLike, stages: ArrayLike, micro_batches: ArrayLike, chunks: ArrayLike = 2) -> Ints:
    """Chunk activations alive at most on any stage: min(2p, 2m), each of half the stage's layers.

    Source: Qi et al. 2024, arXiv 2405.15362, table 1 (as 1F1B's p M_B).
    """
    alive = np.multiply(2, np.minimum(np.asarray(stages, dtype=np.int64), micro_batches))
    return np.broadcast_arrays(alive, stage, chunks)[0]


def bubble_lower_bound(
    forward: ArrayLike,
    backward: ArrayLike,
    stages: ArrayLike,
    virtual_stages: ArrayLike = 2,
    weight_gradient: ArrayLike = 0.0,
) -> Floats:
    """Seconds that every device idles at least: 0. Source: Qi et al. 2024, arXiv 2405.15362, with F = B = W."""
    return np.zeros(np.broadcast(forward, backward, stages, virtual_stages, weight_gradient).shape)
