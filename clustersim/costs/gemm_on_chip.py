"""Matrix products on an accelerator: at the level that a run sustains, or timed alone as in tables of kernels."""

from __future__ import annotations

import numpy as np

from clustersim.costs.gemm import alignment_factor, gemm_time
from clustersim.inputs.hardware import Accelerator
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Gemm


def product_time(gemm: Gemm, chip: Accelerator, level: float, *, apart: bool = False) -> Array:
    """Seconds of matrix products at `level` of the chip's best rate, one launch at least; `apart`: a kernel for each.

    The level of a run is what chip and stack sustain; of products timed alone, over and over, `kernels.looped`.
    Attention's products suffer from unaligned head sizes; the others are padded by software.
    """
    kernels = chip.kernels
    rate: Array = chip.peak[gemm.precision] * kernels.gemm_ceiling * level  # type: ignore[index]
    # Launch, ramp and tail are no shorter for products in low precision: seconds, from the rate of 16-bit ones.
    wide = np.minimum(rate, chip.base_peak * kernels.gemm_ceiling * level)
    if gemm.part == "attention":
        rate = rate * alignment_factor(gemm.n, gemm.k, kernels.unaligned)
    launches = gemm.count if apart else 1.0
    seconds = gemm_time(
        gemm.m,
        gemm.n,
        gemm.k,
        gemm.count,
        rate=rate,
        bandwidth=chip.streaming_bandwidth,
        short_k=kernels.gemm_short_k,
        overhead=2.0 * kernels.gemm_small / wide,
        kernels=launches,
        element_bytes=gemm.element_bytes,
        summed_bytes=gemm.summed_bytes,
        sum_exposed=kernels.sum_exposed,
    )
    return np.maximum(seconds, kernels.launch * launches)
