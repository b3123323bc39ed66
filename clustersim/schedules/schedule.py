"""What a pipeline schedule is: in which order each stage runs its passes, what that keeps, and what it cannot avoid.

A pipeline of p **stages** (devices) holds v model **chunks** a stage. Chunk c of stage s is **virtual stage** c p + s
of the model, in the order in which a micro-batch meets them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.errors import InfeasibleError
from clustersim.schedules.program import Operation

PASSES = (Operation.FORWARD, Operation.BACKWARD)


class Order(NamedTuple):
    """The passes of one stage, in order."""

    operation: Ints  # [passes] index into PASSES
    chunk: Ints  # [passes]
    micro_batch: Ints  # [passes]


class Schedule(Protocol):
    """One way to order the passes; each is a module of this package, and its docstring names the paper."""

    def order(self, stages: int, micro_batches: int, virtual_stages: int) -> Sequence[Order]:
        """The passes of every stage; raises InfeasibleError for sizes that the schedule can't take."""
        ...

    def in_flight(self, stage: ArrayLike, stages: ArrayLike, micro_batches: ArrayLike, chunks: ArrayLike) -> Ints:
        """The most activations of (chunk, micro-batch) alive on a stage, from start of forward to end of backward."""
        ...

    def bubble_lower_bound(
        self, forward: ArrayLike, backward: ArrayLike, stages: ArrayLike, virtual_stages: ArrayLike
    ) -> Floats:
        """Seconds that every device must idle; `forward`, `backward`: seconds of one micro-batch on all its chunks."""
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


def one_chunk(name: str, micro_batches: int, virtual_stages: int) -> tuple[Ints, Ints]:
    """(chunk, micro-batch) of the passes of a stage with one chunk; raises InfeasibleError where it holds more."""
    if virtual_stages != 1:
        raise InfeasibleError(
            f"schedule {name} runs one chunk a stage, not {virtual_stages}; set virtual_stages to 1, "
            "or take interleaved-1f1b"
        )
    return np.zeros(micro_batches, dtype=np.int64), np.arange(micro_batches)
