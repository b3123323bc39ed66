"""DualPipe: micro-batches enter from both ends of a pipeline that holds the model twice, and most forward passes run
beside a backward pass of the other direction, which hides their communication.

Source: DeepSeek-V3, arXiv 2412.19437, section 3.2.1, figure 5 and table 2; the eight phases as in DeepSeek's DualPipe,
dualpipe.py, `step` (recalled).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.placement import ChunkPlacement, both_ways
from clustersim.schedules.planning import Pass
from clustersim.schedules.schedule import (
    BACKWARD,
    BACKWARD_BESIDE,
    FORWARD,
    FORWARD_BESIDE,
    INPUT_GRADIENT,
    WEIGHT_GRADIENT,
    Order,
    order_of,
)
from clustersim.schedules.traits import APART, BESIDE, WHOLE, Multiples, Traits, always


def twice_the_stages(stages: int) -> Multiples:
    """Each direction takes half of them, and fills the pipeline."""
    return Multiples(2, 2 * stages, "dualpipe needs to fill the pipeline from both ends")


traits = Traits(
    WHOLE | APART | BESIDE,
    stages=Multiples(2, 2, "dualpipe pairs stages from both ends"),
    micro_batches=twice_the_stages,
    runs_beside=always,
)


def placement(stages: int, chunks: int) -> ChunkPlacement:
    """Both directions."""
    return both_ways(stages)


def order(stages: int, micro_batches: int, virtual_stages: int) -> list[Order]:
    """The passes of every stage."""
    return [Phases(stage, stages, micro_batches).order() for stage in range(stages)]


class Phases:
    """One stage's passes. Direction 0 is the one whose start is nearer: its first half of the model is here."""

    def __init__(self, stage: int, stages: int, micro_batches: int) -> None:
        self.from_end = min(stage, stages - 1 - stage)  # stages between this one and its nearer end
        self.to_middle = stages // 2 - 1 - self.from_end
        self.each = micro_batches // 2  # micro-batches a direction
        self.steady = self.each - stages + self.from_end + 1
        self.chunks = (0, 1) if stage < stages // 2 else (1, 0)  # of the directions
        self.forwards, self.backwards = [0, 0], [0, 0]
        self.put_off: list[tuple[int, int]] = []  # (chunk, micro-batch) whose weight gradient is to come
        self.passes: list[Pass] = []

    def order(self) -> Order:
        """Warm-up, pairs, and a drain whose second half puts weight gradients off."""
        for _ in range(2 * self.to_middle):
            self._forward(0)
        for _ in range(self.from_end + 1):
            self._forward(0)
            self._forward(1)
        for _ in range(self.to_middle):
            self._input_gradient(1)
            self._weight_gradient()
            self._forward(1)
        for turn in range(self.steady):
            if turn == 0 and self.to_middle == 0:  # apart, which leaves less bubble in the middle of the pipeline
                self._forward(0)
                self._backward(1)
            else:
                self._pair(0, 1)
            self._pair(1, 0)
        for _ in range(self.to_middle):
            self._backward(1)
            self._pair(1, 0)
        self._drain()
        return order_of(self.passes)

    def _drain(self) -> None:
        count = self.from_end + 1
        for turn in range(2 * count):
            late = turn >= count
            (self._input_gradient if late else self._backward)(1 - turn % 2)
        for _ in range(self.to_middle):
            self._weight_gradient()
            self._input_gradient(0)
        for _ in range(count):
            self._weight_gradient()

    def _forward(self, direction: int, operation: int = FORWARD) -> None:
        self._add(operation, direction, self.forwards)

    def _backward(self, direction: int, operation: int = BACKWARD) -> None:
        self._add(operation, direction, self.backwards)

    def _input_gradient(self, direction: int) -> None:
        self._add(INPUT_GRADIENT, direction, self.backwards)
        self.put_off.append(self.passes[-1][1:])

    def _pair(self, forward: int, backward: int) -> None:
        self._forward(forward, FORWARD_BESIDE)
        self._backward(backward, BACKWARD_BESIDE)

    def _weight_gradient(self) -> None:
        self.passes.append((WEIGHT_GRADIENT, *self.put_off.pop(0)))

    def _add(self, operation: int, direction: int, counts: list[int]) -> None:
        chunk = self.chunks[direction]
        self.passes.append((operation, chunk, chunk * self.each + counts[direction]))
        counts[direction] += 1


def in_flight(stage: ArrayLike, stages: ArrayLike, micro_batches: ArrayLike, chunks: ArrayLike = 1) -> Ints:
    """Activations alive at most on any stage, of a whole stage's layers: p + 1. Source: DeepSeek-V3, table 2."""
    return np.broadcast_arrays(np.add(stages, 1, dtype=np.int64), stage, micro_batches, chunks)[0]


def bubble_lower_bound(
    forward: ArrayLike,
    backward: ArrayLike,
    stages: ArrayLike,
    virtual_stages: ArrayLike = 1,
    weight_gradient: ArrayLike = 0.0,
) -> Floats:
    """Seconds that every device idles: (p/2 - 1)(F&B + B - 3W), a pair F&B taking F + B, B both gradients.

    Exact where forward and input gradient take as long as each other (so where F = W and B = 2W); elsewhere it is the
    paper's count. Source: DeepSeek-V3, table 2.
    """
    pair = np.add(forward, backward, dtype=np.float64)
    gap = pair + backward - np.multiply(3.0, weight_gradient)
    return np.asarray((np.divide(stages, 2.0) - 1.0) * np.maximum(0.0, gap))
