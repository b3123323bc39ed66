"""Accelerators, nodes, network tiers and clusters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from clustersim.inputs.base import Description
from clustersim.inputs.units import (
    Bytes,
    BytesPerSecond,
    DollarsPerHour,
    FlopsPerSecond,
    Fraction,
    Seconds,
    Watts,
)

Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "mxfp8", "nvfp4"]


class Memory(Description):
    """Device memory (HBM)."""

    capacity: Annotated[Bytes, Field(description="bytes on the package, as sold")]
    usable: Annotated[
        Bytes | None, Field(description="bytes that a program can allocate; 94 % of capacity if unknown")
    ] = None
    bandwidth: Annotated[BytesPerSecond, Field(description="nominal bytes a second")]

    @property
    def usable_bytes(self) -> float:
        """Bytes that a training process can allocate: stated, or 94 % of capacity (60.3 of 64 GiB on Ascend 910B)."""
        return self.usable if self.usable is not None else 0.94 * self.capacity


class Kernels(Description):
    """How close single kernels come to the hardware, measured in isolation on this chip."""

    gemm_ceiling: Annotated[Fraction, Field(description="best matrix-multiply rate over the peak")]
    gemm_short_k: Annotated[float, Field(ge=0, description="k at which the rate is half of the ceiling")] = 0.0
    gemm_small: Annotated[float, Field(ge=0, description="m n k (FLOP/2) at which launch and ramp halve the rate")] = (
        0.0
    )
    sustained: Annotated[
        Fraction, Field(description="matrix rate under the power cap and with cold caches over the isolated one")
    ] = 1.0
    unaligned: Annotated[
        Fraction, Field(description="matrix rate where an inner size is no multiple of 8, over the aligned one")
    ] = 0.2
    attention_forward: Annotated[Fraction, Field(description="fused attention forward rate over the peak")]
    attention_backward: Annotated[Fraction, Field(description="fused attention backward rate over the peak")]
    memory: Annotated[Fraction, Field(description="bandwidth of streaming kernels over the nominal one")]
    launch: Annotated[Seconds, Field(description="seconds between two small kernels of a stream")] = 5e-6


class Accelerator(Description):
    """One device as software sees it."""

    name: Annotated[str, Field(description="as people write it")]
    vendor: Annotated[str, Field(description="nvidia, huawei, amd, google, ...")]
    year: Annotated[int | None, Field(description="of launch")] = None
    peak: Annotated[dict[Precision, FlopsPerSecond], Field(description="dense matrix peak by precision, FLOP/s")]
    other_peaks: Annotated[
        dict[str, FlopsPerSecond],
        Field(description="other peaks in print (marketed, data-sheet), as bases of MFU claims"),
    ] = {}
    vector: Annotated[dict[str, FlopsPerSecond], Field(description="vector units' peak by precision, FLOP/s")] = {}
    memory: Memory
    kernels: Kernels
    power: Annotated[Watts | None, Field(description="board power (TDP)")] = None
    price: Annotated[DollarsPerHour | None, Field(description="rent of one device, USD an hour")] = None
    node: Annotated[str | None, Field(description="catalog name of the node it usually comes in")] = None

    @property
    def base_peak(self) -> float:
        """FLOP/s that MFU is measured against: the dense bf16 peak, or fp16 where the chip has no bf16."""
        return self.peak.get("bf16") or self.peak["fp16"]


class Tier(Description):
    """One level of the network: the devices that it joins, and how fast."""

    kind: Annotated[Literal["switched", "full-mesh", "torus", "tree"], Field(description="topology")]
    technology: Annotated[str, Field(description="for people: NVLink4, HCCS, RoCE 200G, ...")] = ""
    bandwidth: Annotated[BytesPerSecond, Field(description="bytes a second, one direction, one device")]
    link_bandwidth: Annotated[
        BytesPerSecond | None, Field(description="one pair of a full mesh: bytes a second, one direction")
    ] = None
    latency: Annotated[Seconds, Field(description="seconds a message needs before its first byte arrives")]
    efficiency: Annotated[Fraction, Field(description="large-message bandwidth over the nominal one, measured")] = 1.0


class Node(Description):
    """A server or a rack: accelerators joined by a scale-up network, with their way out of it."""

    name: str
    accelerator: Annotated[Accelerator, Field(description="catalog name, path or mapping")]
    devices: Annotated[PositiveInt, Field(description="accelerators a node")]
    scale_up_domain: Annotated[
        PositiveInt | None, Field(description="devices joined by the scale-up network, where more than the node")
    ] = None
    scale_up: Tier
    scale_out: Tier
    host_power: Annotated[Watts, Field(description="watts a node beside its accelerators")] = 0.0

    @property
    def domain(self) -> int:
        """Devices in one scale-up domain."""
        return self.scale_up_domain or self.devices


class Cluster(Description):
    """Nodes of one kind."""

    node: Annotated[Node, Field(description="catalog name, path or mapping; or give `accelerator` for its usual node")]
    nodes: PositiveInt
    price: Annotated[DollarsPerHour | None, Field(description="USD a device-hour, before the catalog's price")] = None
    availability: Annotated[Fraction, Field(description="productive share of wall-clock time")] = 1.0
    power_usage_effectiveness: Annotated[
        PositiveFloat, Field(ge=1, description="PUE: facility power over the power of the machines")
    ] = 1.0

    @property
    def devices(self) -> int:
        """Accelerators in the cluster."""
        return self.nodes * self.node.devices

    @property
    def accelerator(self) -> Accelerator:
        """The device that the cluster is made of."""
        return self.node.accelerator
