"""Matrix products: a roofline whose compute side bends for short inner sizes, and what every kernel costs beside it."""

from __future__ import annotations

import numpy as np

from clustersim.workload.arrays import Array

ALIGNMENT = 8  # elements: 16 bytes of half precision, what tensor cores load at once


def gemm_time(
    m: Array,
    n: Array,
    k: Array,
    count: Array,
    *,
    rate: Array,
    bandwidth: float,
    short_k: float = 0.0,
    overhead: Array = 0.0,
    kernels: Array = 1.0,
    element_bytes: float = 2.0,
    summed_bytes: Array = 0.0,
    sum_exposed: float = 0.0,
) -> Array:
    """Seconds of `count` products [m, k] x [k, n] in so many `kernels`, of which large ones run at `rate` FLOP/s.

    max(2 m n (k + short_k) count / rate, bytes / bandwidth) + kernels overhead. `short_k` is the prologue of the loop
    over k (a tile starts only when its first operands have arrived), `overhead` the seconds that launch, ramp and tail
    of a kernel cost. Source: Williams, Waterman and Patterson 2009 (roofline); form: NVIDIA,
    "Matrix Multiplication Background User's Guide", sections 3 and 4; constants by chip. A product that is added to a
    sum in place waits for the share `sum_exposed` of that traffic: a tile's last instructions, behind which only other
    tiles' products run.
    """
    summing = summed_bytes / bandwidth
    compute = 2.0 * m * n * (k + short_k) * count / rate + sum_exposed * summing
    traffic = element_bytes * count * (m * k + k * n + m * n) / bandwidth + summing
    return np.maximum(compute, traffic) + kernels * overhead


def alignment_factor(n: Array, k: Array, unaligned: float) -> Array:
    """Rate over the aligned one: `unaligned` where the inner sizes are no multiples of 8.

    Source: BigScience, chronicles-prequel (head sizes 108 and 150 against 112 and 128); NVIDIA's guide, section 2.2.
    """
    aligned = (np.mod(n, ALIGNMENT) == 0) & (np.mod(k, ALIGNMENT) == 0)
    return np.where(aligned, 1.0, unaligned)
