"""Where weight gradients go: between given forward and backward passes, on planned durations, within a memory limit.

A weight gradient fills a gap that is long enough for it, or a shorter one on the stage that would else wait most of
all; it runs at once where a forward pass would not find room. Source: Qi et al. 2023, "Zero Bubble Pipeline
Parallelism", arXiv 2401.10241, section 3.1 (the heuristic before the integer program).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from clustersim.schedules.placement import NOWHERE, ChunkPlacement
from clustersim.schedules.schedule import FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, Order, Ratios, order_of

Pass: TypeAlias = tuple[int, int, int]  # operation (index into PASSES), chunk, micro-batch

WHOLE = 8  # eighths of a micro-batch's activations


class PlannedOrder(NamedTuple):
    """The passes of every stage, and the longest share of a stage on planned durations."""

    cost: int
    passes: list[list[Pass]]

    def orders(self) -> list[Order]:
        """The passes of every stage in arrays."""
        return [order_of(passes) for passes in self.passes]


class Filling:
    """Forward and backward passes in a given order, played stage by stage, with weight gradients put between them.

    Weight gradients that stand in the order already run there, and then none is put into gaps.
    """

    def __init__(
        self,
        orders: Sequence[Sequence[Pass]],
        placement: ChunkPlacement,
        micro_batches: int,
        limit: int,
        ratios: Ratios,
        *,
        fill_short_gaps: bool,
    ) -> None:
        """`limit`: of activations alive on a stage, in micro-batches of a chunk; the given orders need no more."""
        self.orders, self.stages, self.transfer = orders, placement.stages, ratios.transfer
        self.forward, self.input_gradient, self.weight_gradient, self.kept = ratios.over(placement.virtual.ravel())
        self.room = WHOLE * limit
        self.fill_gaps = not any(planned[0] == WEIGHT_GRADIENT for planned in orders[0])
        self.fill_short_gaps = fill_short_gaps
        self.ends_meet = ratios.ends_meet
        before, after = (links.tolist() for links in placement.links)
        self.onward = {FORWARD: before, INPUT_GRADIENT: after}  # the cell that a pass of each kind waits for
        shape = (2, placement.virtual.size, micro_batches)
        self.ended: list[list[list[int]]] = np.full(shape, -1).tolist()  # of forward and input gradient passes
        self.at, self.free, self.held, self.idle = ([0] * self.stages for _ in range(4))
        self.started = [-1] * self.stages
        self.worst = 0
        self.pending: list[deque[tuple[int, int]]] = [deque() for _ in orders]
        self.out: list[list[Pass]] = [[] for _ in orders]

    def plan(self) -> PlannedOrder:
        """The filled orders."""
        sleeping: dict[tuple[int, int, int], list[int]] = {}  # (kind, cell, micro-batch) -> stages that wait for it
        ready = list(range(self.stages))[::-1]
        while ready:
            stage = ready.pop()
            order = self.orders[stage]
            while self.at[stage] < len(order):
                operation, chunk, micro_batch = order[self.at[stage]]
                cell = chunk * self.stages + stage
                if operation == WEIGHT_GRADIENT:
                    self._run_early(stage)
                    continue
                source = self._source(operation, cell)
                came = -1 if source is None else self.ended[source[0]][source[1]][micro_batch]
                if source is not None and came < 0:
                    sleeping.setdefault((*source, micro_batch), []).append(stage)
                    break
                away = source is not None and source[1] % self.stages != stage
                arrival = max(0, came) + (self.transfer if away else 0)
                self._make_room(stage, operation)
                self._fill(stage, arrival)
                self._run(stage, (operation, chunk, micro_batch), arrival)
                ready += sleeping.pop((int(operation != FORWARD), cell, micro_batch), ())
        for stage, pending in enumerate(self.pending):
            while pending:
                self._put_off(stage)
        if self.ends_meet:
            self.free[0] = self.free[-1] = max(self.free[0], self.free[-1])
        return PlannedOrder(max(end - start for start, end in zip(self.started, self.free, strict=True)), self.out)

    def _source(self, operation: int, cell: int) -> tuple[int, int] | None:
        """(kind, cell) of the pass that one waits for: 0 forward, 1 backward; None for the first of all."""
        other = self.onward[operation][cell]
        if operation == FORWARD:
            return None if other == NOWHERE else (0, other)
        return (0, cell) if other == NOWHERE else (1, other)

    def _make_room(self, stage: int, operation: int) -> None:
        while operation == FORWARD and self.held[stage] + WHOLE > self.room and self.pending[stage]:
            self._put_off(stage)

    def _fill(self, stage: int, arrival: int) -> None:
        while self.fill_gaps and self.pending[stage]:
            gap, chunk = arrival - self.free[stage], self.pending[stage][0][0]
            fits = gap >= self.weight_gradient[chunk * self.stages + stage]
            worth = fits or (self.fill_short_gaps and self.idle[stage] + gap > self.worst)
            if gap <= 0 or not worth:
                return
            self._put_off(stage)

    def _run_early(self, stage: int) -> None:
        """A weight gradient where the order has it, unless memory has asked for it before."""
        self.at[stage] += 1
        if self.pending[stage]:
            self._put_off(stage)

    def _put_off(self, stage: int) -> None:
        """Run the weight gradient that has waited longest."""
        chunk, micro_batch = self.pending[stage].popleft()
        cell = chunk * self.stages + stage
        self.out[stage].append((WEIGHT_GRADIENT, chunk, micro_batch))
        self.free[stage] += self.weight_gradient[cell]
        self.held[stage] -= self.kept[cell]

    def _run(self, stage: int, planned: Pass, arrival: int) -> None:
        operation, chunk, micro_batch = planned
        start = max(self.free[stage], arrival)
        if self.started[stage] < 0:
            self.started[stage] = start
        else:
            self.idle[stage] += start - self.free[stage]
            self.worst = max(self.worst, self.idle[stage])
        forward, cell = operation == FORWARD, chunk * self.stages + stage
        self.free[stage] = start + (self.forward if forward else self.input_gradient)[cell]
        self.ended[0 if forward else 1][cell][micro_batch] = self.free[stage]
        self.held[stage] += WHOLE if forward else self.kept[cell] - WHOLE
        if not forward:
            self.pending[stage].append((chunk, micro_batch))
        self.out[stage].append(planned)
        self.at[stage] += 1
