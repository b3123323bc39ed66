"""Matrix products on an accelerator: at the level that a run sustains, or timed alone as in tables of kernels."""

from __future__ import annotations

import numpy as np

from clustersim.costs.gemm import alignment_factor, gemm_efficiency, gemm_time
from clustersim.inputs.hardware import Accelerator
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Gemm

ELEMENT_BYTES = {"fp32": 4.0, "tf32": 4.0, "fp8": 1.0, "mxfp8": 1.0, "nvfp4": 0.5}


def product_time(gemm: Gemm, chip: Accelerator, level: float, *, apart: bool = False) -> Array:
    """Seconds of matrix products at `level` of the chip's best rate, one launch at least; `apart`: a kernel for each.

    The level of a run is what chip and stack sustain; of products timed alone, over and over, `kernels.looped`.
    Attention's products suffer from unaligned head sizes; the others are padded by software.
    """
    kernels = chip.kernels
    efficiency = gemm_efficiency(
        gemm.m,
        gemm.n,
        gemm.k,
        1.0 if apart else gemm.count,
        kernels.gemm_ceiling * level,
        kernels.gemm_short_k,
        kernels.gemm_small,
    )
    if gemm.part == "attention":
        efficiency = efficiency * alignment_factor(gemm.n, gemm.k, kernels.unaligned)
    seconds = gemm_time(
        gemm.m,
        gemm.n,
        gemm.k,
        gemm.count,
        peak=chip.peak[gemm.precision],  # type: ignore[index]
        efficiency=efficiency,
        bandwidth=chip.streaming_bandwidth,
        element_bytes=ELEMENT_BYTES.get(gemm.precision, 2.0),
        summed_bytes=gemm.summed_bytes,
        sum_exposed=kernels.sum_exposed,
    )
    return np.maximum(seconds, kernels.launch * (gemm.count if apart else 1.0))
