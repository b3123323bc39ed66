"""The passes of a step by number, what each waits for, and an order in which all can be emitted.

Passes come out stage by stage: a stage runs on in its own order until a pass waits for one that isn't emitted yet, and
goes on when that one is. So they are in topological order without a sort, in time linear in their number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clustersim.engines.graph import Ints
from clustersim.errors import DeadlockError
from clustersim.schedules.schedule import Order


class Passes:
    """Forward and backward of every virtual stage and micro-batch; a pass's number is its place in that table."""

    def __init__(self, orders: Sequence[Order], stages: int, micro_batches: int, virtual_stages: int) -> None:
        self.stages, self.virtual_stages = stages, stages * virtual_stages  # of the whole pipeline
        self.micro_batches = micro_batches
        forward, backward = numbers = np.arange(2 * self.virtual_stages * micro_batches).reshape(
            2, self.virtual_stages, micro_batches
        )
        self.by_stage = [  # [stages] numbers in the order in which the stage runs them
            numbers[order.operation, order.chunk * stages + stage, order.micro_batch]
            for stage, order in enumerate(orders)
        ]
        nobody = np.full_like(forward[:1], -1)
        awaited = (nobody, forward[:-1], backward[1:], forward[-1:])
        self.awaited: Ints = np.concatenate(awaited).ravel()  # [passes] the one before it along the model, or -1
        turn = np.empty(numbers.size, dtype=np.int64)
        for passes in self.by_stage:
            turn[passes] = np.arange(len(passes))
        forward_turn, backward_turn = turn.reshape(numbers.shape)
        every = np.arange(self.virtual_stages)
        self.first: Ints = forward[every, forward_turn.argmin(axis=1)]  # [virtual stages] forward pass that runs first
        self.last: Ints = backward[every, backward_turn.argmax(axis=1)]  # [virtual stages] backward pass that runs last
        self.last_turn: Ints = turn[self.last]  # [virtual stages] its place in its stage's order

    def operation(self, passes: Ints) -> Ints:
        """0 for forward passes, 1 for backward ones."""
        return passes // (self.virtual_stages * self.micro_batches)

    def virtual_stage(self, passes: Ints) -> Ints:
        """Where passes run: chunk * stages + stage."""
        return passes // self.micro_batches % self.virtual_stages

    def crosses(self, passes: Ints) -> Ints:
        """1 where the result goes on to another device, 0 where it stays."""
        ends = np.array([self.virtual_stages - 1, 0])  # of the way forward, of the way back
        goes_on = self.virtual_stage(passes) != ends[self.operation(passes)]
        return np.asarray(goes_on & (self.stages > 1), dtype=np.int64)

    def emitted(self) -> Ints:
        """All passes in topological order; raises DeadlockError where the stages' orders wait for each other."""
        awaited = self.awaited.tolist()
        queues = [passes.tolist() for passes in self.by_stage]
        at = [0] * self.stages
        done = bytearray(len(awaited))
        emitted: list[int] = []
        sleeping: dict[int, int] = {}  # the pass that a stage waits for -> the stage
        ready = list(range(self.stages))[::-1]
        while ready:
            stage = ready.pop()
            queue = queues[stage]
            for turn in range(at[stage], len(queue)):
                number = queue[turn]
                if awaited[number] >= 0 and not done[awaited[number]]:
                    at[stage] = turn
                    sleeping[awaited[number]] = stage
                    break
                done[number] = 1
                emitted.append(number)
                if number in sleeping:
                    ready.append(sleeping.pop(number))
        if len(emitted) < len(awaited):
            raise DeadlockError(f"stages {sorted(sleeping.values())} wait for each other's passes and never go on")
        return np.array(emitted)
