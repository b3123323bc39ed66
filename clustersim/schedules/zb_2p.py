"""ZB-2p: zero bubble in twice the memory of 1F1B, 2p activations a stage, the order planned on the durations.

Source: Qi et al. 2023, "Zero Bubble Pipeline Parallelism", arXiv 2401.10241, section 3. As ZB-1p with another limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.placement import by_turns as placement
from clustersim.schedules.schedule import EQUAL, Order, Ratios
from clustersim.schedules.traits import APART, WHOLE, Traits
from clustersim.schedules.zb_1p import plan

__all__ = ["bubble_lower_bound", "in_flight", "order", "placement", "traits"]

traits = Traits(WHOLE | APART, planned=True, post_validates=True)


def order(stages: int, micro_batches: int, virtual_stages: int, ratios: Ratios = EQUAL) -> list[Order]:
    """The passes of every stage, planned on `ratios`."""
    return plan(stages, micro_batches, 2 * stages, ratios).orders()


def in_flight(stage: ArrayLike, stages: ArrayLike, micro_batches: ArrayLike, chunks: ArrayLike = 1) -> Ints:
    """Activations alive at most on any stage: min(2p, m). Source: Qi et al. 2023, section 3."""
    alive = np.minimum(np.multiply(2, stages, dtype=np.int64), micro_batches)
    return np.broadcast_arrays(alive, stage, chunks)[0]


def bubble_lower_bound(
    forward: ArrayLike,
    backward: ArrayLike,
    stages: ArrayLike,
    virtual_stages: ArrayLike = 1,
    weight_gradient: ArrayLike = 0.0,
) -> Floats:
    """Seconds that every device idles at least: 0, reached where F = B = W and 2p - 1 micro-batches are there."""
    return np.zeros(np.broadcast(forward, backward, stages, virtual_stages, weight_gradient).shape)
