"""The passes of a step by number, what each waits for, and an order in which all can be emitted.

Passes come out stage by stage: a stage runs on in its own order until a pass waits for one that isn't emitted yet, and
goes on when that one is. So they are in topological order without a sort, in time linear in their number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clustersim.engines.graph import Ints
from clustersim.errors import DeadlockError
from clustersim.schedules.placement import NOWHERE, ChunkPlacement
from clustersim.schedules.schedule import FORWARD_BESIDE, WEIGHT_GRADIENT, Order

SIDES = np.array([0, 1, 1, 2, 0, 1])  # of each of PASSES: forward, backward, weight gradient
NOBODY = -1


class Passes:
    """The passes of every cell and micro-batch; a pass's number is its place in the table `[sides, cells, numbers]`.

    The micro-batches are shared out over the routes, the first ones to the first route; every route numbers its own.
    """

    def __init__(self, orders: Sequence[Order], placement: ChunkPlacement, micro_batches: int) -> None:
        self.placement, self.stages = placement, placement.stages
        self.cells = placement.virtual.size
        self.numbers = micro_batches // placement.copies  # of micro-batches on one route
        sides = 3 if any((order.operation == WEIGHT_GRADIENT).any() for order in orders) else 2
        numbers = np.arange(sides * self.cells * self.numbers).reshape(sides, self.cells, self.numbers)
        self.by_stage = [  # [stages] numbers in the order in which the stage runs them
            numbers[SIDES[order.operation], order.chunk * self.stages + stage, order.micro_batch % self.numbers]
            for stage, order in enumerate(orders)
        ]
        self.operation: Ints = np.zeros(numbers.size, dtype=np.int64)  # [passes] index into PASSES
        self.turn: Ints = np.full(numbers.size, NOBODY)  # [passes] place in the stage's order; NOBODY: doesn't occur
        for passes, order in zip(self.by_stage, orders, strict=True):
            self.operation[passes] = order.operation
            self.turn[passes] = np.arange(len(passes))
        cells = np.arange(self.cells)
        self.cell: Ints = np.tile(np.repeat(cells, self.numbers), sides)  # [passes] where: chunk * stages + stage
        micro_batch = np.arange(self.numbers) + self.numbers * placement.cell_route[:, np.newaxis]
        self.micro_batch: Ints = np.tile(micro_batch.ravel(), sides)  # [passes] of those of the replica's step
        self.awaited = self._awaited(numbers)  # [passes] the one before it along the model, or NOBODY
        self.beside, self.ended_by = self._pairs()
        turns = self.turn.reshape(numbers.shape)
        ends = turns[1:].transpose(1, 0, 2).reshape(self.cells, -1).argmax(axis=1)  # [cells] of both kinds of gradients
        self.first: Ints = numbers[0, cells, turns[0].argmin(axis=1)]  # [cells] forward pass that runs first
        self.last: Ints = numbers[1 + ends // self.numbers, cells, ends % self.numbers]  # [cells] gradient that is last

    def _awaited(self, numbers: Ints) -> Ints:
        before, after = self.placement.links
        forward, backward = numbers[:2]
        starts, turns_back = before == NOWHERE, after == NOWHERE
        awaited = np.full_like(numbers, NOBODY)
        awaited[0] = np.where(starts[:, np.newaxis], NOBODY, forward[before])
        awaited[1] = np.where(turns_back[:, np.newaxis], forward, backward[after])
        return awaited.ravel()

    def _pairs(self) -> tuple[Ints, Ints]:
        """`[passes]` what a pass waits for too, as it runs beside another; and the pass that ends with or after it."""
        beside, ended_by = self.awaited, np.arange(len(self.awaited))
        forwards = [passes[:-1][self.operation[passes[:-1]] == FORWARD_BESIDE] for passes in self.by_stage]
        if any(map(len, forwards)):
            beside = beside.copy()
            for own, passes in zip(forwards, self.by_stage, strict=True):
                partner = passes[self.turn[own] + 1]
                beside[own], ended_by[own] = self.awaited[partner], partner
        return beside, ended_by

    def crosses(self, passes: Ints) -> Ints:
        """1 where the result goes on to another device, 0 where it stays."""
        before, after = self.placement.links
        onward = np.array([after, before, np.full_like(before, NOWHERE)])  # [sides, cells] who waits for a result
        here = np.arange(self.cells) % self.stages
        crossing = (onward != NOWHERE) & (onward % self.stages != here)
        return np.asarray(crossing[SIDES[self.operation[passes]], self.cell[passes]], dtype=np.int64)

    def emitted(self) -> Ints:
        """All passes in topological order; raises DeadlockError where the stages' orders wait for each other."""
        queues, waits = self._queues()
        awaited = np.where(waits == NOBODY, NOBODY, self.ended_by[waits]).tolist()
        at = [0] * self.stages
        done = bytearray(len(awaited)) + b"\1"  # the last is NOBODY, who is always done
        emitted: list[int] = []
        sleeping: dict[int, list[int]] = {}  # the pass that stages wait for -> the stages
        ready = list(range(self.stages))[::-1]
        while ready:
            stage = ready.pop()
            queue = queues[stage]
            for turn in range(at[stage], len(queue)):
                number = queue[turn]
                if not done[awaited[number]]:
                    at[stage] = turn
                    sleeping.setdefault(awaited[number], []).append(stage)
                    break
                done[number] = 1
                emitted.append(number)
                if number in sleeping:
                    ready += sleeping.pop(number)
        if sleeping:
            stuck = sorted(stage for stages in sleeping.values() for stage in stages)
            raise DeadlockError(f"stages {stuck} wait for each other's passes and never go on")
        order = np.array(emitted)
        return order if len(awaited) == len(self.awaited) else order[order < len(self.awaited)]

    def _queues(self) -> tuple[list[list[int]], Ints]:
        """The stages' passes, and what each waits for. Two beside each other have a gate before them, a number of its
        own that waits for what the second waits for.
        """
        paired = self.beside is not self.awaited
        pairs = np.flatnonzero(self.beside != self.awaited) if paired else np.empty(0, dtype=np.int64)
        gate = {number: len(self.awaited) + index for index, number in enumerate(pairs.tolist())}
        queues = [passes.tolist() for passes in self.by_stage]
        if gate:
            queues = [[each for number in queue for each in _gated(number, gate)] for queue in queues]
        return queues, np.concatenate([self.awaited, self.beside[pairs]]) if gate else self.awaited


def _gated(number: int, gate: dict[int, int]) -> tuple[int, ...]:
    return (gate[number], number) if number in gate else (number,)
