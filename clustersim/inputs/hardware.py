"""Accelerators, nodes, network tiers and clusters."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator, model_validator

from clustersim.inputs.base import Description, Follows, Reference, refusal
from clustersim.inputs.plausible import Plausible
from clustersim.inputs.precisions import Precision
from clustersim.inputs.units import (
    Bytes,
    BytesPerSecond,
    DollarsPerHour,
    FlopsPerSecond,
    Fraction,
    Seconds,
    Watts,
)

ScanLibrary = Literal["triton", "cudnn"]  # flash-linear-attention and mamba_ssm; cuDNN
Efficiency = Annotated[Fraction, Field(gt=0)]
Peak = Annotated[FlopsPerSecond, Field(gt=0)]
Bandwidth = Annotated[BytesPerSecond, Field(gt=0)]

# What hardware for training has had, from graphics cards of ten years ago to what is announced; prices of a device-hour
# from the spot market's least to the most that anybody lists. A test holds the catalog to them (recalled beyond it).
MEMORY = Plausible(4e9, 500e9)
MEMORY_BANDWIDTH = Plausible(100e9, 25e12)
PEAK = Plausible(1e12, 50e15)
VECTOR_PEAK = Plausible(0.1e12, 1e15)
POWER = Plausible(20.0, 2500.0)
HOST_POWER = Plausible(50.0, 150e3)  # of a server; of a rack of 72
PRICE = Plausible(0.05, 100.0)
LINK = Plausible(0.1e9, 5e12)  # from gigabit Ethernet on
HOST_LINK = Plausible(1e9, 1e12)
LATENCY = Plausible(0.1e-6, 0.1)  # from a hop on the board to another continent
LAUNCH = Plausible(0.1e-6, 1e-3)


class Memory(Description):
    """Device memory (HBM)."""

    capacity: Annotated[Bytes, MEMORY, Field(gt=0, description="bytes on the package, as sold")]
    usable: Annotated[
        Bytes | None,
        Follows(("capacity",), "unset", "94 % of capacity"),
        MEMORY,
        Field(gt=0, description="bytes that a program can allocate; 94 % of capacity if unknown"),
    ] = None
    bandwidth: Annotated[Bandwidth, MEMORY_BANDWIDTH, Field(description="nominal bytes a second")]

    @field_validator("usable")
    @classmethod
    def _usable_within_capacity(cls, usable: float | None, info: ValidationInfo) -> float | None:
        capacity = info.data.get("capacity")
        if usable is not None and capacity is not None and usable > capacity:
            raise refusal(f"more than the capacity of {capacity / 2**30:.4g} GiB")
        return usable

    @property
    def usable_bytes(self) -> float:
        """Bytes that a training process can allocate: stated, or 94 % of capacity (60.3 of 64 GiB on Ascend 910B)."""
        return self.usable if self.usable is not None else 0.94 * self.capacity


class ScanRate(Description):
    """How fast a core of linear attention or of a state space runs on a chip, over executed FLOP."""

    forward: Annotated[Peak, Field(description="FLOP/s forward with many heads side by side")]
    backward: Annotated[Peak, Field(description="the same backward")]
    half_heads: Annotated[
        float, Field(ge=0, description="heads, of all sequences of a rank, at which the rate is half of that")
    ] = 0.0


class Kernels(Description):
    """How close single kernels come to the hardware, measured in isolation on this chip."""

    gemm_ceiling: Annotated[Efficiency, Field(description="best matrix-multiply rate over the peak")]
    best_measured: Annotated[
        Efficiency | None,
        Field(
            description="the highest rate that any tool measured on any chip of the kind, over the peak: bounds claims"
        ),
    ] = None
    gemm_short_k: Annotated[float, Field(ge=0, description="k at which the rate is half of the ceiling")] = 0.0
    gemm_small: Annotated[float, Field(ge=0, description="m n k (FLOP/2) at which launch and ramp halve the rate")] = (
        0.0
    )
    sustained: Annotated[
        Efficiency, Field(description="matrix rate under the power cap and with cold caches over the isolated one")
    ] = 1.0
    looped: Annotated[
        Efficiency,
        Field(
            description="matrix rate of kernels of many shapes timed alone, over and over, over the best shape's:"
            " what tables of kernels show"
        ),
    ] = 1.0
    sum_exposed: Annotated[
        Fraction, Field(description="share of the traffic of adding a product to a sum in place that nothing hides")
    ] = 1.0
    four_bit: Annotated[
        Efficiency, Field(description="share of its peak that 4-bit products reach over that of 16-bit ones")
    ] = 1.0
    unaligned: Annotated[
        Efficiency, Field(description="matrix rate where an inner size is no multiple of 8, over the aligned one")
    ] = 0.2
    attention_forward: Annotated[Efficiency, Field(description="fused attention forward rate over the peak")]
    attention_backward: Annotated[Efficiency, Field(description="fused attention backward rate over the peak")]
    legacy_attention: Annotated[
        Efficiency, Field(description="rate of fused attention written for the generation before, over native kernels'")
    ] = 1.0
    scans: Annotated[
        dict[ScanLibrary, dict[str, ScanRate]],
        Field(description="rates of linear attention and state spaces, by library and kind, where they are published"),
    ] = {}
    memory: Annotated[Efficiency, Field(description="bandwidth of streaming kernels over the nominal one")]
    launch: Annotated[Seconds, LAUNCH, Field(description="seconds between two small kernels of a stream")] = 5e-6

    @property
    def best_rate(self) -> float:
        """The highest matrix-multiply rate that was ever measured over the peak: what no claim gets past."""
        return max(self.gemm_ceiling, self.best_measured or 0.0)


class Accelerator(Description):
    """One device as software sees it."""

    name: Annotated[str, Field(min_length=1, description="as people write it")]
    vendor: Annotated[str, Field(description="nvidia, huawei, amd, google, ...")]
    year: Annotated[int | None, Field(description="of launch")] = None
    peak: Annotated[
        dict[Precision, Peak],
        Follows(("peak.bf16", "peak.fp16"), "in proportion"),
        PEAK,
        Field(description="dense matrix peak by precision, FLOP/s; bf16 or fp16"),
    ]
    other_peaks: Annotated[
        dict[str, Peak],
        Follows(("name", "peak"), "kept"),
        PEAK,
        Field(description="other peaks in print (marketed, data-sheet), as bases of MFU claims"),
    ] = {}
    vector: Annotated[
        dict[str, Peak],
        Follows(("name", "peak"), "kept"),
        VECTOR_PEAK,
        Field(description="vector units' peak by precision, FLOP/s"),
    ] = {}
    memory: Annotated[Memory, Field(description="capacity and bandwidth of the device memory")]
    kernels: Annotated[
        Kernels,
        Follows(("name", "peak", "memory.bandwidth"), "kept"),
        Field(description="measured efficiencies of single kernels"),
    ]
    power: Annotated[
        Watts | None, Follows(("name", "peak", "memory"), "kept"), POWER, Field(description="board power (TDP)")
    ] = None
    price: Annotated[
        DollarsPerHour | None,
        Follows(("name", "peak", "memory"), "kept"),
        PRICE,
        Field(description="rent of one device, USD an hour"),
    ] = None
    node: Annotated[str | None, Field(description="catalog name of the node it usually comes in")] = None

    @field_validator("peak")
    @classmethod
    def _has_a_base(cls, peak: dict[Precision, float]) -> dict[Precision, float]:
        if not {"bf16", "fp16"} & set(peak):
            raise refusal("needs bf16 or fp16, which MFU is measured against")
        return peak

    @property
    def base_peak(self) -> float:
        """FLOP/s that MFU is measured against: the dense bf16 peak, or fp16 where the chip has no bf16."""
        return self.peak["bf16" if "bf16" in self.peak else "fp16"]

    @property
    def streaming_bandwidth(self) -> float:
        """Bytes a second that streaming kernels reach."""
        return self.memory.bandwidth * self.kernels.memory


MOST_NODES = 10_000_000
BETWEEN_DOMAINS = ("switched", "tree")  # kinds of network that messages between domains are priced on


class Tier(Description):
    """One level of the network: the devices that it joins, and how fast."""

    kind: Annotated[Literal["switched", "full-mesh", "torus", "tree"], Field(description="topology")]
    technology: Annotated[str, Field(description="for people: NVLink4, HCCS, RoCE 200G, ...")] = ""
    bandwidth: Annotated[
        Bandwidth,
        Follows(("link_bandwidth",), "in proportion"),
        LINK,
        Field(description="bytes a second, one direction, one device"),
    ]
    link_bandwidth: Annotated[
        Bandwidth | None,
        Follows(("kind",), "unset", "no pairs of a mesh"),
        Follows(("bandwidth",), "in proportion"),
        LINK,
        Field(description="one pair of a full mesh: bytes a second, one direction"),
    ] = None
    axes: Annotated[
        tuple[Annotated[int, Field(ge=2, le=MOST_NODES)], ...],
        Follows(("kind",), "unset", "no axes of a torus"),
        Field(
            strict=False,
            max_length=6,
            description="devices along each axis of a torus, such as [16, 16]; a device has two links an axis",
        ),
    ] = ()
    latency: Annotated[
        Seconds,
        Follows(("kind", "technology"), "kept"),
        LATENCY,
        Field(description="seconds a message needs before its first byte arrives"),
    ]
    start: Annotated[
        Seconds,
        Follows(("kind", "technology"), "kept"),
        LATENCY,
        Field(description="seconds to start a collective; 22 to 31 us on A100 and H100"),
    ] = 25e-6
    efficiency: Annotated[
        Efficiency,
        Follows(("kind", "technology"), "kept"),
        Field(description="large-message bandwidth over the nominal one, measured"),
    ] = 1.0
    switch_bandwidth: Annotated[
        Bandwidth | None,
        Follows(("kind", "bandwidth", "efficiency"), "unset", "no switch that sums was measured so"),
        LINK,
        Field(description="bus bandwidth of an all-reduce that switches sum; in one direction, as nccl-tests counts"),
    ] = None
    switch_ramp: Annotated[
        Seconds,
        Follows(("kind",), "unset", "no switch sums"),
        LATENCY,
        Field(description="seconds until the pipeline of an all-reduce that switches sum is full"),
    ] = 0.0

    @model_validator(mode="after")
    def _torus_has_axes(self) -> Tier:
        if (self.kind == "torus") != bool(self.axes):
            raise refusal(
                "a torus needs axes, the devices along each, such as [4, 4, 4]"
                if self.kind == "torus"
                else f"axes are a torus's, and kind is {self.kind}"
            )
        return self


class Node(Description):
    """A server or a rack: accelerators joined by a scale-up network, with their way out of it."""

    name: Annotated[str, Field(min_length=1, description="as people write it")]
    accelerator: Annotated[Accelerator, Reference("accelerators"), Field(description="catalog name, path or mapping")]
    devices: Annotated[PositiveInt, Field(description="accelerators a node")]
    scale_up_domain: Annotated[
        PositiveInt | None, Field(description="devices joined by the scale-up network, where it isn't the node")
    ] = None
    scale_up: Annotated[Tier, Field(description="the network inside a scale-up domain (NVLink, HCCS, ...)")]
    scale_out: Annotated[Tier, Field(description="the network between scale-up domains (InfiniBand, RoCE, ...)")]
    host_power: Annotated[
        Watts, Follows(("devices",), "kept"), HOST_POWER, Field(description="watts a node beside its accelerators")
    ] = 0.0
    host_bandwidth: Annotated[
        Bandwidth,
        HOST_LINK,
        Field(description="a device's bytes a second to and from host memory; 24.9 GB/s on Atlas 800T A2 (FlagPerf)"),
    ] = 25e9

    @field_validator("scale_up_domain")
    @classmethod
    def _domain_fits_nodes(cls, domain: int | None, info: ValidationInfo) -> int | None:
        devices = info.data.get("devices")
        if domain is not None and devices is not None and domain % devices and devices % domain:
            raise refusal(f"{domain} is neither a multiple nor a divisor of the node's {devices} devices")
        return domain

    @field_validator("scale_out")
    @classmethod
    def _priced_between_domains(cls, tier: Tier) -> Tier:
        if tier.kind not in BETWEEN_DOMAINS:
            known = " or ".join(BETWEEN_DOMAINS)
            raise refusal(f"kind {tier.kind} is priced inside a scale-up domain only; between domains: {known}")
        return tier

    @model_validator(mode="after")
    def _torus_holds_the_domain(self) -> Node:
        axes = self.scale_up.axes
        if axes and prod(axes) < self.domain:
            raise refusal(f"a torus of {' x '.join(map(str, axes))} has fewer devices than the domain's {self.domain}")
        return self

    @property
    def domain(self) -> int:
        """Devices in one scale-up domain."""
        return self.scale_up_domain or self.devices


class Cluster(Description):
    """Nodes of one kind. Files may give `accelerator` for its usual node, and `devices` instead of `nodes`."""

    node: Annotated[
        Node,
        Reference("nodes"),
        Field(description="catalog name, path or mapping; or give `accelerator` for its usual node"),
    ]
    nodes: Annotated[PositiveInt, Field(le=MOST_NODES, description="how many; or give `devices`")]
    price: Annotated[
        DollarsPerHour | None,
        Follows(("node", "accelerator"), "kept"),
        PRICE,
        Field(description="USD a device-hour, before the catalog's price"),
    ] = None
    availability: Annotated[
        Efficiency, Field(description="productive share of wall-clock time, where `reliability` doesn't say")
    ] = 1.0
    power_usage_effectiveness: Annotated[
        PositiveFloat, Field(ge=1, description="PUE: facility power over the power of the machines")
    ] = 1.0

    jitter: Annotated[
        float, Field(ge=0, le=1, description="spread of a pass's time over its mean, drawn anew for every pass")
    ] = 0.0
    slow_nodes: Annotated[Fraction, Field(description="share of nodes that are slow for the whole step")] = 0.0
    slow_devices: Annotated[Fraction, Field(description="share of devices that are slow for the whole step")] = 0.0
    slow_factor: Annotated[
        float, Field(ge=1, description="how many times as long passes take on a slow node or device")
    ] = 1.0

    @property
    def devices(self) -> int:
        """Accelerators in the cluster."""
        return self.nodes * self.node.devices

    @property
    def accelerator(self) -> Accelerator:
        """The device that the cluster is made of."""
        return self.node.accelerator
