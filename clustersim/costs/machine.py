"""The machine: one device with its software and its place in the network; prices any operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clustersim.costs.collectives import Cost, Reach, cost_of
from clustersim.costs.exchanges import send
from clustersim.costs.gemm_on_chip import product_time
from clustersim.costs.links import Link, link_of
from clustersim.costs.placement import RankPlacement
from clustersim.costs.scans import chunked_scan_time
from clustersim.inputs.hardware import Accelerator, Cluster
from clustersim.inputs.precisions import WIDE
from clustersim.inputs.stack import Stack
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Attention, Collective, Gemm, Operation, Pointwise, Scan

AWAITED = 10e-6  # seconds until a host that waits for the device knows of a kernel's end: assumed


@dataclass(frozen=True)
class Machine:
    """Prices operations on one accelerator with one stack, its groups placed on the network."""

    accelerator: Accelerator
    stack: Stack
    up: Link
    out: Link
    groups: Mapping[str, RankPlacement]

    def time(self, operation: Operation) -> Array:
        """Seconds of one operation, with the host's gap before each of its kernels."""
        gap = self.gap
        if isinstance(operation, Gemm):
            return self.gemm_time(operation) + gap
        if isinstance(operation, Attention):
            return self.attention_time(operation) + gap * operation.kernels
        if isinstance(operation, Scan):
            return self.scan_time(operation) + gap * operation.kernels
        if isinstance(operation, Pointwise):
            return self.pointwise_time(operation) + gap * self.kernels_of(operation)
        return self.collective(operation).seconds

    @property
    def gap(self) -> Array:
        """Idle seconds before each kernel; with the host's where it issues a kernel only when the last one is done."""
        return self.stack.kernel_gap + (self.stack.host_launch + AWAITED if self.stack.blocking_launches else 0.0)

    def kernels_of(self, work: Pointwise) -> Array:
        """Kernels of memory-bound work: so many more than fused ones as they move more bytes, each of its own."""
        return work.kernels if work.fused else work.kernels * np.maximum(1.0, self.stack.memory_factor)

    def gemm_time(self, gemm: Gemm) -> Array:
        """Seconds of matrix products, at the level that chip and software sustain."""
        kernels = self.accelerator.kernels
        level = kernels.sustained * self.stack.sustained * (1.0 - self.stack.reserved_cores)
        if gemm.precision not in WIDE:
            level = level * self.stack.low_precision_share
        if gemm.precision == "nvfp4":
            level = level * kernels.four_bit
        apart = gemm.part == "gemm" and not self.stack.grouped_products
        return product_time(gemm, self.accelerator, level, apart=apart)

    def attention_time(self, attention: Attention) -> Array:
        """Seconds of a fused attention kernel: in 16 bits, or in 32 where nothing is narrower."""
        kernels = self.accelerator.kernels
        rate = kernels.attention_backward if attention.backward else kernels.attention_forward
        native = 1.0 if self.stack.native_attention else kernels.legacy_attention
        rate = rate * (self.stack.attention_share * native * (1.0 - self.stack.reserved_cores))
        wide = attention.precision in ("fp32", "tf32")
        peak = self.peak(attention.precision) if wide else self.accelerator.base_peak
        seconds = fused_attention_time(attention.flops, peak=peak, efficiency=rate)
        return np.maximum(seconds, kernels.launch * attention.kernels)

    def scan_time(self, scan: Scan) -> Array:
        """Seconds of a core of linear attention or of a state space."""
        share = 1.0 - self.stack.reserved_cores
        return chunked_scan_time(scan, self.accelerator, self.stack.scan_kernels, share)

    def pointwise_time(self, work: Pointwise) -> Array:
        """Seconds of memory-bound work."""
        return streaming_time(
            work.bytes,
            factor=1.0 if work.fused else self.stack.memory_factor,
            bandwidth=self.memory_bandwidth,
            kernels=self.kernels_of(work),
            launch=self.accelerator.kernels.launch,
        )

    def collective(self, collective: Collective) -> Cost:
        """Seconds and bytes of a collective over its group; none where the group is one rank."""
        return cost_of(collective, self.reach(collective.group))

    def collective_time(self, collective: Collective) -> Array:
        """Seconds of a collective over its group."""
        return self.collective(collective).seconds

    def reach(self, group: str) -> Reach:
        """Where a group sits, and its links."""
        return Reach(self.groups[group], self.up, self.out, self.accelerator.kernels.launch)

    def transfer(self, message: Array, stage: Array) -> Cost:
        """Seconds and bytes of a message of so many bytes from pipeline stage `stage` to the next (or back)."""
        return send(message, self.leaves_domain(stage), self.up, self.out)

    def transfer_time(self, message: Array, stage: Array) -> Array:
        """Seconds to send `message` bytes from pipeline stage `stage` to the next (or back)."""
        return self.transfer(message, stage).seconds

    def leaves_domain(self, stage: Array) -> Array:
        """Whether pipeline stage `stage` and the next are in different scale-up domains."""
        group = self.groups["pipeline"]
        return np.where(group.across > 1.0, (stage + 1.0) % group.inside == 0.0, False)

    @property
    def lone_groups(self) -> frozenset[str]:
        """Groups of one rank, whose collectives take no time."""
        return frozenset(name for name, group in self.groups.items() if np.max(group.ranks) <= 1.0)

    def peak(self, precision: str) -> float:
        """Dense FLOP/s of the matrix units at a precision."""
        return self.accelerator.peak[precision]  # type: ignore[index]

    @property
    def memory_bandwidth(self) -> float:
        """Bytes a second that streaming kernels reach."""
        return self.accelerator.streaming_bandwidth


def machine_of(cluster: Cluster, stack: Stack, groups: Mapping[str, RankPlacement]) -> Machine:
    """The machine of a cluster running a stack, with the groups of a layout placed on it."""
    node = cluster.node
    return Machine(
        cluster.accelerator,
        stack,
        up=link_of(node.scale_up, stack.scale_up_efficiency),
        out=link_of(node.scale_out, stack.scale_out_efficiency),
        groups=groups,
    )


def fused_attention_time(flops: Array, *, peak: float, efficiency: float) -> Array:
    """Seconds of a fused attention kernel: executed FLOP / (peak * efficiency).

    Efficiency by chip and direction; Dao 2023 (FlashAttention-2, arXiv 2307.08691, section 4.1) for A100.
    """
    return flops / (peak * efficiency)


def streaming_time(ideal_bytes: Array, *, factor: float, bandwidth: float, kernels: Array, launch: float) -> Array:
    """Seconds of memory-bound work: max(factor * bytes / bandwidth, kernels * launch).

    `factor`: bytes that the stack really moves over those of fully fused kernels. `bandwidth`: what streaming kernels
    reach. `kernels * launch`: the least that issuing them takes.
    """
    return np.maximum(factor * ideal_bytes / bandwidth, kernels * launch)
