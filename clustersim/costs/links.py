"""Links: what one device gets from a network tier in training, and what its topology makes of it among several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustersim.costs.torus import exchange_links, ring_links, torus_hops
from clustersim.inputs.hardware import Tier
from clustersim.inputs.kinds import handled
from clustersim.workload.arrays import Array

TOPOLOGIES = ("switched", "full-mesh", "torus", "tree")
RING_LOSS = (
    0.6  # ranks: a switched ring of n reaches n / (n + this) of its bandwidth; 2 to 8 A100 and H100, kernels.csv
)


@dataclass(frozen=True)
class Link:
    """What one device gets from a tier in training: bytes a second in one direction, and seconds of latency a hop."""

    bandwidth: float
    latency: float
    pair_bandwidth: float | None = None  # of a full mesh: the one link between two devices
    start: float = 0.0  # seconds to launch a collective
    switch_bandwidth: float | None = None  # of an all-reduce that the switch sums; of the bus, as nccl-tests counts
    switch_ramp: float = 0.0  # seconds until the switch's pipeline is full
    ring_loss: float = 0.0
    axes: tuple[int, ...] = ()  # devices along each axis of a torus

    @property
    def axis_bandwidth(self) -> float:
        """One of a torus's links: a device has two along each axis."""
        return self.bandwidth / (2.0 * len(self.axes))

    def bandwidth_among(self, ranks: Array) -> Array:
        """Bytes a second that a device exchanges with `ranks - 1` others, all at once.

        On a full mesh it has one link to each; on a torus, what crosses the middle of the group sets the pace.
        """
        if self.axes:
            return self.axis_bandwidth * exchange_links(ranks, self.axes)
        if self.pair_bandwidth is None:
            return self.bandwidth
        return np.minimum(self.bandwidth, np.maximum(1.0, ranks - 1.0) * self.pair_bandwidth)

    def ring_bandwidth(self, ranks: Array) -> Array:
        """Bytes a second along a ring of `ranks`; on a torus, along rings and lines of all axes at once."""
        if self.axes:
            return self.axis_bandwidth * ring_links(ranks, self.axes)
        return self.bandwidth_among(ranks) * ranks / (ranks + self.ring_loss)

    def hops(self, ranks: Array) -> Array:
        """Hops once round `ranks` devices.

        On a full mesh two for whatever number, into a buffer that two devices share and out of it: assumed, after
        CANN's documentation of HCCL_BUFFSIZE (recalled), for no curve of HCCL is published.
        """
        if self.axes:
            return torus_hops(ranks, self.axes)
        hops = ranks - 1.0
        return hops if self.pair_bandwidth is None else np.minimum(2.0, 2.0 * hops)


def link_of(tier: Tier, efficiency: float) -> Link:
    """The link that a tier gives to training software that reaches `efficiency` of its measured bandwidth."""
    handled("network kind", [tier.kind], TOPOLOGIES)
    share = tier.efficiency * efficiency
    mesh, pair, switch = tier.kind == "full-mesh", tier.link_bandwidth, tier.switch_bandwidth
    return Link(
        tier.bandwidth * share,
        tier.latency,
        pair * share if mesh and pair is not None else None,
        tier.start,
        None if switch is None else switch * efficiency,
        tier.switch_ramp,
        RING_LOSS if tier.kind == "switched" else 0.0,
        tier.axes if tier.kind == "torus" else (),
    )
