"""A lower bound on the time of a step, for stages of any duration."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats


def step_lower_bound(forward: ArrayLike, backward: ArrayLike, stages: int, micro_batches: ArrayLike) -> Floats:
    """Seconds `[points]` (or one) that the passes of a step take at least: max over s of head + work + tail.

    `forward` and `backward`: seconds of one micro-batch on every virtual stage, `[virtual stages]` or `[virtual stages,
    points]`, virtual stage c p + s on stage s. Stage s can't start before a micro-batch has gone forward through the
    stages before it (head = sum of f[i], i < s), runs all its own passes (work = m * sum over its chunks of f + b), and
    after its last one a gradient goes back through the stages before it (tail = sum of b[i], i < s). It holds for every
    order that runs each pass once, with any transfers; a transfer that blocks the compute stream may be counted in the
    pass before it. With equal stages it is m(f+b) + (p-1)(f+b)/v, which 1F1B reaches: Narayanan et al. 2021, arXiv
    2104.04473, section 2.2.
    """
    forwards, backwards = np.asarray(forward, dtype=np.float64), np.asarray(backward, dtype=np.float64)
    both = forwards + backwards  # [virtual stages, points] seconds
    work = micro_batches * both.reshape(-1, stages, *both.shape[1:]).sum(axis=0)
    ends = np.zeros_like(both[:stages])  # head + tail
    ends[1:] = np.cumsum(both[: stages - 1], axis=0)
    return np.asarray((ends + work).max(axis=0))
