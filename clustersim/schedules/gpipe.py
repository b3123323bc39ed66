"""GPipe: all forward passes, then all backward passes, the last micro-batch first.

Source: Huang et al. 2019, "GPipe: Efficient training of giant neural networks using pipeline parallelism", arXiv
1811.06965, figure 2(c) and section 2.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.placement import by_turns as placement
from clustersim.schedules.schedule import Order, alternate, one_chunk
from clustersim.schedules.traits import Traits

__all__ = ["bubble_lower_bound", "in_flight", "order", "placement", "traits"]

traits = Traits(exact_bubble=True)


def order(stages: int, micro_batches: int, virtual_stages: int) -> list[Order]:
    """The passes of every stage."""
    chunk, micro_batch = one_chunk(micro_batches)
    return [alternate((chunk, micro_batch), (chunk, micro_batch[::-1]), warm_up=micro_batches)] * stages


def in_flight(stage: ArrayLike, stages: ArrayLike, micro_batches: ArrayLike, chunks: ArrayLike = 1) -> Ints:
    """Activations alive at most on a stage: all m micro-batches. Source: Huang et al. 2019, section 2.3."""
    alive: Ints = np.broadcast_arrays(np.asarray(micro_batches, dtype=np.int64), stage, stages, chunks)[0]
    return alive


def bubble_lower_bound(
    forward: ArrayLike,
    backward: ArrayLike,
    stages: ArrayLike,
    virtual_stages: ArrayLike = 1,
    weight_gradient: ArrayLike = 0.0,
) -> Floats:
    """Seconds that every device idles at least: (p-1)(f+b), reached with equal stages and free links.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2.1.
    """
    return np.multiply(np.subtract(stages, 1), np.add(forward, backward, dtype=np.float64))
