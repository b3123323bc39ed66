"""ZB-H1: 1F1B whose weight gradients are passes of their own, put off to fill the bubble, in the memory of 1F1B.

Source: Qi et al. 2023, "Zero Bubble Pipeline Parallelism", arXiv 2401.10241, section 2.3.1 and figure 3: stage s puts
off its weight gradients by s micro-batches, so that all stages keep as many activations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.placement import by_turns as placement
from clustersim.schedules.schedule import FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, Order, order_of
from clustersim.schedules.traits import APART, WHOLE, Traits

__all__ = ["bubble_lower_bound", "in_flight", "order", "placement", "traits"]


def as_in_1f1b(stage: Ints, stages: int) -> Ints:
    """Forward passes before a stage's first gradient."""
    return stages - stage


def by_the_stage(stage: Ints, stages: int) -> Ints:
    """Weight gradients after a stage's last input gradient."""
    return stage + 1


traits = Traits(WHOLE | APART, post_validates=True, warm_up=as_in_1f1b, put_off=by_the_stage)


def order(stages: int, micro_batches: int, virtual_stages: int) -> list[Order]:
    """The passes of every stage."""
    return [_stage_order(stage, stages, micro_batches) for stage in range(stages)]


def _stage_order(stage: int, stages: int, micro_batches: int) -> Order:
    ahead = min(stages - stage - 1, micro_batches)
    passes = [(FORWARD, 0, i) for i in range(ahead)]
    for i in range(micro_batches):
        if i + ahead < micro_batches:
            passes.append((FORWARD, 0, i + ahead))
        passes.append((INPUT_GRADIENT, 0, i))
        if i >= stage:
            passes.append((WEIGHT_GRADIENT, 0, i - stage))
    passes += [(WEIGHT_GRADIENT, 0, i) for i in range(max(0, micro_batches - stage), micro_batches)]
    return order_of(passes)


def in_flight(stage: ArrayLike, stages: ArrayLike, micro_batches: ArrayLike, chunks: ArrayLike = 1) -> Ints:
    """Activations alive at most on any stage, to the end of their weight gradients: min(p, m).

    Source: Qi et al. 2023, table 2 (p M_B), with M_W = M_B.
    """
    alive = np.minimum(np.asarray(stages, dtype=np.int64), micro_batches)
    return np.broadcast_arrays(alive, stage, chunks)[0]


def bubble_lower_bound(
    forward: ArrayLike,
    backward: ArrayLike,
    stages: ArrayLike,
    virtual_stages: ArrayLike = 1,
    weight_gradient: ArrayLike = 0.0,
) -> Floats:
    """Seconds that the first device idles at least: (p-1)(F + B - W), B the input gradient alone.

    Reached with equal stages, free links, at least p micro-batches and W no longer than F and B.
    Source: Qi et al. 2023, table 2.
    """
    spared = np.multiply(2.0, weight_gradient)  # `backward` is B + W
    gap = np.add(forward, backward, dtype=np.float64) - spared
    return np.asarray(np.multiply(np.subtract(stages, 1), np.maximum(0.0, gap)))
