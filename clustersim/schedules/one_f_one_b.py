"""1F1B (PipeDream-flush): after a warm-up, every stage runs one forward and one backward pass by turns.

Source: Narayanan et al. 2021, "Efficient large-scale language model training on GPU clusters using Megatron-LM", arXiv
2104.04473, section 2.2.1 and figure 4 (top).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Ints
from clustersim.schedules.gpipe import bubble_lower_bound
from clustersim.schedules.placement import by_turns as placement
from clustersim.schedules.schedule import Order, alternate, one_chunk
from clustersim.schedules.traits import Traits, without_a_pipeline

__all__ = ["bubble_lower_bound", "in_flight", "order", "placement", "traits"]

traits = Traits(exact_bubble=True, runs_beside=without_a_pipeline)


def order(stages: int, micro_batches: int, virtual_stages: int) -> list[Order]:
    """The passes of every stage: stage s warms up with p - s - 1 forward passes."""
    passes = one_chunk(micro_batches)
    return [alternate(passes, passes, min(stages - stage - 1, micro_batches)) for stage in range(stages)]


def in_flight(stage: ArrayLike, stages: ArrayLike, micro_batches: ArrayLike, chunks: ArrayLike = 1) -> Ints:
    """Activations alive at most on stage s: min(p - s, m). Source: Narayanan et al. 2021, section 2.2.1."""
    alive = np.minimum(np.subtract(stages, stage, dtype=np.int64), micro_batches)
    return np.broadcast_arrays(alive, chunks)[0]
