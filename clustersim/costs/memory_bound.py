"""Work that is bound by memory: norms, activations, residuals, softmax, optimizer."""

from __future__ import annotations

import numpy as np

from clustersim.workload.arrays import Array


def streaming_time(ideal_bytes: Array, *, factor: float, bandwidth: float, kernels: float, launch: float) -> Array:
    """Seconds of memory-bound work: max(factor * bytes / bandwidth, kernels * launch).

    `factor`: bytes that the stack really moves over those of fully fused kernels. `bandwidth`: what streaming kernels
    reach. `kernels * launch`: the least that issuing them takes.
    """
    return np.maximum(factor * ideal_bytes / bandwidth, kernels * launch)
