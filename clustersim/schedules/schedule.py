"""What a pipeline schedule is: in which order each stage runs its passes, what that keeps, and what it cannot avoid.

A pipeline of p **stages** (devices) holds model **chunks**, v a stage in most schedules. `placement.py` says which
**virtual stage** of the model each is, in the order in which a micro-batch meets them; most schedules let chunk c of
stage s be virtual stage c p + s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.placement import ChunkPlacement
from clustersim.schedules.program import TaskType
from clustersim.schedules.traits import Traits

PASSES = (
    TaskType.FORWARD,
    TaskType.BACKWARD,
    TaskType.INPUT_GRADIENT,
    TaskType.WEIGHT_GRADIENT,
    TaskType.FORWARD_BESIDE,
    TaskType.BACKWARD_BESIDE,
)
FORWARD, BACKWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, FORWARD_BESIDE, BACKWARD_BESIDE = range(len(PASSES))


class Order(NamedTuple):
    """The passes of one stage, in order. A FORWARD_BESIDE pass stands right before the BACKWARD_BESIDE one."""

    operation: Ints  # [passes] index into PASSES
    chunk: Ints  # [passes]
    micro_batch: Ints  # [passes]


class Ratios(NamedTuple):
    """What an automatic schedule is planned on: durations of every virtual stage, in whole units, and what it keeps."""

    forward: tuple[int, ...]  # [virtual stages], or one that holds for all
    input_gradient: tuple[int, ...]
    weight_gradient: tuple[int, ...]
    kept_eighths: tuple[int, ...]  # of a micro-batch's activations, what the weight gradient needs in the end
    transfer: int
    ends_meet: bool = False  # first and last stage share a gradient in the end, so that they end together

    def over(self, virtual: Ints) -> tuple[list[int], list[int], list[int], list[int]]:
        """Forward, input gradient, weight gradient and what is kept, of cells by their virtual stage."""
        figures = (np.broadcast_to(figure, virtual.max() + 1)[virtual].tolist() for figure in self[:4])
        forward, input_gradient, weight_gradient, kept = figures
        return forward, input_gradient, weight_gradient, kept


EQUAL = Ratios((1,), (1,), (1,), (8,), 0)


class Schedule(Protocol):
    """One way to order the passes; each is a module of this package, and its docstring names the paper."""

    traits: Traits

    def placement(self, stages: int, chunks: int) -> ChunkPlacement:
        """Which virtual stages each stage holds, for a model cut into `stages * chunks` of them."""
        ...

    def order(self, stages: int, micro_batches: int, virtual_stages: int) -> Sequence[Order]:
        """The passes of every stage, for sizes that the traits allow."""
        ...

    def in_flight(self, stage: ArrayLike, stages: ArrayLike, micro_batches: ArrayLike, chunks: ArrayLike) -> Ints:
        """The most activations of (chunk, micro-batch) alive on a stage, from start of forward to end of backward.

        Where weight gradients are passes of their own, to their end.
        """
        ...

    def bubble_lower_bound(
        self,
        forward: ArrayLike,
        backward: ArrayLike,
        stages: ArrayLike,
        virtual_stages: ArrayLike,
        weight_gradient: ArrayLike,
    ) -> Floats:
        """Seconds that every device must idle; `forward`, `backward`: seconds of one micro-batch on all its chunks.

        `weight_gradient`: what of `backward` can wait.
        """
        ...


class PlannedSchedule(Protocol):
    """A schedule whose order depends on what it is planned on; the same ratios give the same order."""

    def order(self, stages: int, micro_batches: int, virtual_stages: int, ratios: Ratios) -> Sequence[Order]:
        """The passes of every stage, for sizes that the traits allow."""
        ...


def alternate(forwards: tuple[Ints, Ints], backwards: tuple[Ints, Ints], warm_up: int) -> Order:
    """`warm_up` forward passes, then one forward and one backward by turns, then the backward passes that are left.

    `forwards` and `backwards`: (chunk, micro-batch) of each, in order.
    """
    steady = len(forwards[0]) - warm_up
    operation = np.concatenate([np.zeros(warm_up), np.tile([0, 1], steady), np.ones(warm_up)]).astype(np.int64)
    order = Order(operation, np.empty_like(operation), np.empty_like(operation))
    for index, (chunk, micro_batch) in enumerate((forwards, backwards)):
        order.chunk[operation == index] = chunk
        order.micro_batch[operation == index] = micro_batch
    return order


def pair_passes(order: Order) -> Order:
    """The order with every backward pass and the forward pass that follows it run beside each other.

    So one forward pass more comes before the first backward one, and stays alive; warm-up and cool-down are bare.
    Source: Megatron-LM @d98e8a6, megatron/core/pipeline_parallel/combined_1f1b.py and schedules.py
    (`--overlap-moe-expert-parallel-comm`).
    """
    backward, follows = order.operation[:-1] == BACKWARD, order.operation[1:] == FORWARD
    first = np.flatnonzero(backward & follows)
    place = np.arange(len(order.operation))
    place[first], place[first + 1] = first + 1, first
    turned = Order(*(figure[place] for figure in order))
    turned.operation[first], turned.operation[first + 1] = FORWARD_BESIDE, BACKWARD_BESIDE
    return turned


def order_of(passes: Sequence[tuple[int, int, int]]) -> Order:
    """An order from (operation, chunk, micro-batch) of every pass."""
    return Order(*np.array(passes, dtype=np.int64).reshape(-1, 3).T)


def one_chunk(micro_batches: int) -> tuple[Ints, Ints]:
    """(chunk, micro-batch) of the passes of a stage with one chunk."""
    return np.zeros(micro_batches, dtype=np.int64), np.arange(micro_batches)
