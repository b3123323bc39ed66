"""Interleaved 1F1B: every stage holds v chunks of the model and runs them by turns, p micro-batches at a time.

Source: Narayanan et al. 2021, "Efficient large-scale language model training on GPU clusters using Megatron-LM", arXiv
2104.04473, section 2.2.2 and figure 4 (bottom); warm-up and order of chunks as in Megatron-LM,
megatron/core/pipeline_parallel/schedules.py, `forward_backward_pipelining_with_interleaving` (recalled). Its older
releases ran all forward passes first where m = p; this is the later rule for every m. Its warm-up of two passes for
every stage that follows lets forward passes run beside backward ones: neighbours wait for each other's last pair but
one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules import one_f_one_b
from clustersim.schedules.placement import by_turns as placement
from clustersim.schedules.schedule import Order, alternate
from clustersim.schedules.traits import SEVERAL, Multiples, Traits, always

__all__ = ["bubble_lower_bound", "in_flight", "order", "placement", "traits"]


def by_the_stages(stages: int) -> Multiples:
    """Chunks take turns after as many micro-batches as there are stages."""
    return Multiples(stages, stages, "interleaving needs")


traits = Traits(exact_bubble=True, chunks=SEVERAL, micro_batches=by_the_stages, runs_beside=always)


def order(stages: int, micro_batches: int, virtual_stages: int) -> list[Order]:
    """The passes of every stage."""
    step = np.arange(micro_batches * virtual_stages)
    chunk = step % (stages * virtual_stages) // stages
    micro_batch = step // (stages * virtual_stages) * stages + step % stages
    forwards, backwards = (chunk, micro_batch), (virtual_stages - 1 - chunk, micro_batch)
    return [
        alternate(forwards, backwards, min(_warm_up(stage, stages, virtual_stages), len(step)))
        for stage in range(stages)
    ]


def in_flight(stage: ArrayLike, stages: ArrayLike, micro_batches: ArrayLike, chunks: ArrayLike = 1) -> Ints:
    """Chunk activations alive at most on stage s: min(warm-up + 1, m v), each of 1/v of the stage's layers.

    Source: Megatron-LM as above; on stage 0 it is the 1 + (p-1)/(p v) of Korthikanti et al. 2022, arXiv 2205.05198,
    section 4.2.3, times p v.
    """
    stage, stages, chunks = np.broadcast_arrays(*(np.asarray(size, dtype=np.int64) for size in (stage, stages, chunks)))
    interleaved = np.minimum(2 * (stages - stage - 1) + (chunks - 1) * stages + 1, np.asarray(micro_batches) * chunks)
    return np.where(chunks == 1, one_f_one_b.in_flight(stage, stages, micro_batches), interleaved)


def bubble_lower_bound(
    forward: ArrayLike,
    backward: ArrayLike,
    stages: ArrayLike,
    virtual_stages: ArrayLike = 1,
    weight_gradient: ArrayLike = 0.0,
) -> Floats:
    """Seconds that every device idles at least: (p-1)(f+b)/v, reached with equal chunks and free links.

    Source: Narayanan et al. 2021, section 2.2.2.
    """
    return np.divide(one_f_one_b.bubble_lower_bound(forward, backward, stages), virtual_stages)


def _warm_up(stage: int, stages: int, virtual_stages: int) -> int:
    return 2 * (stages - stage - 1) + (virtual_stages - 1) * stages
