"""Matrix products: a roofline whose compute side bends for short inner sizes and small products."""

from __future__ import annotations

import numpy as np

from clustersim.workload.arrays import Array

ALIGNMENT = 8  # elements: 16 bytes of half precision, what tensor cores load at once


def gemm_efficiency(m: Array, n: Array, k: Array, count: Array, ceiling: float, short_k: float, small: float) -> Array:
    """Share of the peak that `count` products [m, k] x [k, n] reach when compute-bound.

    ceiling * k / (k + short_k) * x / (x + small), with x = m n k count. The first factor is the prologue of the loop
    over k (a tile starts only when its first operands have arrived), the second what launch, ramp and tail of one
    kernel cost. Form: NVIDIA, "Matrix Multiplication Background User's Guide", sections 3 and 4; constants by chip.
    """
    work = m * n * k * count
    return ceiling * k / (k + short_k) * work / (work + small)


def gemm_time(
    m: Array,
    n: Array,
    k: Array,
    count: Array,
    *,
    peak: float,
    efficiency: Array,
    bandwidth: float,
    element_bytes: float = 2.0,
    summed_bytes: Array = 0.0,
    sum_exposed: float = 0.0,
) -> Array:
    """Seconds of `count` products: max(2 m n k / (peak efficiency), bytes / bandwidth).

    Source: Williams, Waterman and Patterson 2009 (roofline). A product that is added to a sum in place waits for the
    share `sum_exposed` of that traffic: a tile's last instructions, behind which only other tiles' products run.
    """
    summing = summed_bytes / bandwidth
    compute = 2.0 * m * n * k * count / (peak * efficiency) + sum_exposed * summing
    traffic = element_bytes * count * (m * k + k * n + m * n) / bandwidth + summing
    return np.maximum(compute, traffic)


def alignment_factor(n: Array, k: Array, unaligned: float) -> Array:
    """Rate over the aligned one: `unaligned` where the inner sizes are no multiples of 8.

    Source: BigScience, chronicles-prequel (head sizes 108 and 150 against 112 and 128); NVIDIA's guide, section 2.2.
    """
    aligned = (np.mod(n, ALIGNMENT) == 0) & (np.mod(k, ALIGNMENT) == 0)
    return np.where(aligned, 1.0, unaligned)
