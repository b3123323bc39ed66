"""Fused attention kernels."""

from __future__ import annotations

from clustersim.workload.arrays import Array


def fused_attention_time(flops: Array, *, peak: float, efficiency: float) -> Array:
    """Seconds of a fused attention kernel: executed FLOP / (peak * efficiency).

    Efficiency by chip and direction; Dao 2023 (FlashAttention-2, arXiv 2307.08691, section 4.1) for A100.
    """
    return flops / (peak * efficiency)
