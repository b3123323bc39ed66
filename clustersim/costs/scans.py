"""Seconds of the cores of linear attention and state spaces: published rates of kernels, and what stands in for them.

Rates are over executed FLOP and hold for many heads side by side; fewer leave processors idle, for a head's chunks
follow each other. Where no rate is published for a chip, the nearest kind on the chip stands in, or a share of the
chip's rate of fused attention: between what is published of H100 and of GB200 lies a factor of 3, so that such a
figure may be off by nearly two either way (`UNPUBLISHED_SPREAD`).
"""

from __future__ import annotations

import math
from typing import NamedTuple, get_args

import numpy as np

from clustersim.inputs.hardware import Accelerator, ScanLibrary, ScanRate
from clustersim.inputs.kinds import handled
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Scan

# Of fused attention written for the generation before: 141 of 326 TFLOP/s on H100, 141 of 1,000 on GB200 (their files);
# the geometric mean, and the factor from it to either.
UNPUBLISHED_SHARE = 0.25
UNPUBLISHED_SPREAD = math.log(1.75)
HALF_HEADS = 26.0  # where a chip's own isn't published: GB200's
KIN = {"kimi-delta": "gated-delta", "lightning": "gated-delta", "state-space": "gated-delta"}  # products of like shape
KINDS = ("gated-delta", "kimi-delta", "lightning", "state-space", "selective")


class FoundRate(NamedTuple):
    """A rate, and how it was found."""

    rate: ScanRate
    spread: float  # sd of the logarithm of what it leaves open; 0 where it is published


def scan_rate(chip: Accelerator, library: str, kind: str) -> FoundRate:
    """The rate of a kind of core on a chip: published, of its nearest kind there, or a share of fused attention's."""
    handled("scan", [kind], KINDS)
    handled("stack.scan_kernels", [library], get_args(ScanLibrary))
    own = chip.kernels.scans.get(library) or {}  # type: ignore[call-overload]
    if kind in own:
        return FoundRate(own[kind], 0.0)
    kin = KIN.get(kind)
    if kin in own:
        return FoundRate(own[kin], UNPUBLISHED_SPREAD)
    return FoundRate(_share_of_attention(chip, kind), UNPUBLISHED_SPREAD)


def chunked_scan_time(scan: Scan, chip: Accelerator, library: str, share: float = 1.0) -> Array:
    """Seconds: max(FLOP / (rate h / (h + h_half)), bytes / bandwidth, launches), h heads side by side.

    `share`: of the cores that compute has.
    """
    found, kernels = scan_rate(chip, library, scan.kind).rate, chip.kernels
    rate = (found.backward if scan.backward else found.forward) * share
    compute = scan.flops * (scan.heads + found.half_heads) / (scan.heads * rate)
    streamed = scan.bytes / chip.streaming_bandwidth
    seconds: Array = np.maximum(np.maximum(compute, streamed), kernels.launch * scan.kernels)
    return seconds


def _share_of_attention(chip: Accelerator, kind: str) -> ScanRate:
    """A share of the rate of attention kernels of the generation before; a selective scan's, of the vector units'."""
    kernels = chip.kernels
    if kind == "selective" and chip.vector:
        rate = UNPUBLISHED_SHARE * max(chip.vector.values())
        return ScanRate(forward=rate, backward=rate)
    forward, backward = kernels.attention_forward, kernels.attention_backward
    rates = (UNPUBLISHED_SHARE * chip.base_peak * kernels.legacy_attention * rate for rate in (forward, backward))
    return ScanRate(forward=next(rates), backward=next(rates), half_heads=HALF_HEADS)
