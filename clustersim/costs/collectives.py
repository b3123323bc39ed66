"""Collectives: latency and bandwidth, by algorithm, over the tiers that the group really spans.

Inside a scale-up domain a vector moves in segments, one behind the other. With `start + hops a` seconds before the last
rank has the first segment, and `t` seconds for the whole vector at full bandwidth, a collective takes

    (start + hops a) + t + RAMP sqrt((start + hops a) t).

The best segment size gives RAMP = 2, segments without limit 0. Source: Chan, Heimlich, Purkayastha and van de Geijn
2007, "Collective communication: theory, practice, and experience", section 6 (pipelining). Libraries run several rings
with segments of their own: 0.5 is what NCCL shows on 2 to 8 A100 from 1 MiB to 16 GiB (kernels.csv: vtrain, vidur,
ml-engineering; median error 3.8 %). Hops between domains add their latency and no more, as measured on 2 and 4 nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustersim.costs.placement import Placement
from clustersim.inputs.hardware import Tier
from clustersim.workload.arrays import Array

RAMP = 0.5
RING_LOSS = (
    0.4  # ranks: a switched ring of n reaches n / (n + this) of its bandwidth; 2 to 8 A100 and H100, kernels.csv
)

EXCHANGE_SHARE = 0.75  # of the links between domains, that all-to-alls reach pair by pair: 18 runs of MoE folding
TREE_SHARE = 0.78  # of the links between domains, that trees reach: 37 of 47 GB/s a NIC, 4 nodes of B200 (kernels.csv)


@dataclass(frozen=True)
class Link:
    """What one device gets from a tier in training: bytes a second in one direction, and seconds of latency a hop."""

    bandwidth: float
    latency: float
    pair_bandwidth: float | None = None  # of a full mesh: the one link between two devices
    start: float = 0.0  # seconds to launch a collective
    switch_bandwidth: float | None = None  # of an all-reduce that the switch sums; of the bus, as nccl-tests counts
    ring_loss: float = 0.0

    def bandwidth_among(self, ranks: Array) -> Array:
        """Bytes a second that a device exchanges with `ranks - 1` others: on a full mesh it has one link to each."""
        if self.pair_bandwidth is None:
            return self.bandwidth
        return np.minimum(self.bandwidth, np.maximum(1.0, ranks - 1.0) * self.pair_bandwidth)

    def ring_bandwidth(self, ranks: Array) -> Array:
        """Bytes a second along a ring of `ranks`."""
        return self.bandwidth_among(ranks) * ranks / (ranks + self.ring_loss)


def link_of(tier: Tier, efficiency: float) -> Link:
    """The link that a tier gives to training software that reaches `efficiency` of its measured bandwidth."""
    share = tier.efficiency * efficiency
    mesh, pair, switch = tier.kind == "full-mesh", tier.link_bandwidth, tier.switch_bandwidth
    return Link(
        tier.bandwidth * share,
        tier.latency,
        pair * share if mesh and pair is not None else None,
        tier.start,
        None if switch is None else switch * efficiency,
        RING_LOSS if tier.kind == "switched" else 0.0,
    )


def all_gather_time(message: Array, group: Placement, up: Link, out: Link) -> Array:
    """Seconds until each of n ranks holds `message` bytes, of which it brought 1/n; a reduce-scatter takes as long.

    Ring: (n - 1)/n message / bandwidth, and n - 1 hops. The ring enters and leaves each scale-up domain over the links
    of all its members there, so across domains its bandwidth is min(scale-up, members * scale-out).
    Source: Thakur, Rabenseifner and Gropp 2005, section 4.1; NCCL's rings use every NIC of the members.
    """
    share = (group.ranks - 1.0) / group.ranks
    transfer = share * message / _ring_bandwidth(group, up, out)
    return _pipelined(up.start + _near_latency(group, up), transfer) + _ring_far_latency(group, up, out)


def all_reduce_time(message: Array, group: Placement, up: Link, out: Link) -> Array:
    """Seconds to all-reduce `message` bytes: the best of ring, tree and switch.

    Ring: 2 (n - 1)/n message / bandwidth and 2 (n - 1) hops. Tree over D domains: reduced inside, 2 (D - 1)/D message
    over the members' links between domains, and 2 log2 D hops there. Switch (within a domain): it sums what it passes
    on. Source: Thakur et al. 2005, section 4.3; Sanders, Speck and Träff 2009 (two trees, as NCCL has); NVIDIA SHARP.
    """
    share = (group.ranks - 1.0) / group.ranks
    near = up.start + 2.0 * _near_latency(group, up)
    far = 2.0 * (group.across - 1.0) / group.across * message / (group.inside * out.bandwidth * TREE_SHARE)
    inside = np.where(group.inside > 1.0, 2.0 * message / up.ring_bandwidth(group.inside), 0.0)
    ring = _pipelined(near, 2.0 * share * message / _ring_bandwidth(group, up, out))
    ring = ring + 2.0 * _ring_far_latency(group, up, out)
    tree = _pipelined(near, np.maximum(far, inside)) + 2.0 * np.log2(group.across) * out.latency
    best = np.where(group.across > 1.0, np.minimum(ring, tree), ring)
    if up.switch_bandwidth is None:
        return best
    switch = _pipelined(up.start + 2.0 * up.latency, 2.0 * share * message / up.switch_bandwidth)
    return np.where((group.across > 1.0) | (group.inside <= 2.0), best, np.minimum(best, switch))


def all_to_all_time(message: Array, group: Placement, up: Link, out: Link) -> Array:
    """Seconds for each rank to send `message` bytes, 1/n to every rank: both tiers work at once.

    max(share inside / scale-up, share outside / scale-out), one hop each. Small messages to many ranks cross a network
    less well than a ring's neighbours do.
    Source: Thakur et al. 2005, section 4.4 (pairwise exchange).
    """
    inside, outside = exchanged_bytes(message, group)
    return _exchange_time(inside, outside / (out.bandwidth * EXCHANGE_SHARE), group, up, out)


def exchanged_bytes(message: Array, group: Placement) -> tuple[Array, Array]:
    """Bytes that a rank sends inside its domain and out of it, of `message` of which 1/n goes to every rank."""
    return message * (group.inside - 1.0) / group.ranks, message * (group.ranks - group.inside) / group.ranks


def dispatch_time(
    message: Array, copies: float, most_domains: float | None, group: Placement, up: Link, out: Link
) -> Array:
    """Seconds of an all-to-all that sends each vector once to every domain that needs it, and passes it on inside.

    Source: DeepSeek-V3, arXiv 2412.19437, section 3.2.2 (and DeepEP).
    """
    inside, outside = dispatched_bytes(message, copies, most_domains, group)
    return _exchange_time(inside, outside / out.bandwidth, group, up, out)


def dispatched_bytes(
    message: Array, copies: float, most_domains: float | None, group: Placement
) -> tuple[Array, Array]:
    """Bytes that a rank sends inside its domain and out of it, where a domain gets each vector once.

    `message` counts all `copies`; of D domains a vector meets D (1 - (1 - 1/D)^copies) on average, at most
    `most_domains` where routing is limited.
    """
    domains = np.maximum(1.0, group.across if most_domains is None else np.minimum(group.across, most_domains))
    met = domains * (1.0 - (1.0 - 1.0 / domains) ** copies)
    far = message / copies * met * (group.across - 1.0) / group.across
    return message * (group.inside - 1.0) / group.inside, far


def _exchange_time(inside: Array, far: Array, group: Placement, up: Link, out: Link) -> Array:
    """Seconds of an exchange: bytes inside a domain beside seconds between domains, one hop each."""
    near = inside / up.bandwidth_among(group.inside)
    latency = up.start + np.where(group.inside > 1.0, up.latency, 0.0)
    return _pipelined(latency, np.maximum(near, far)) + np.where(group.across > 1.0, out.latency, 0.0)


def send_time(message: Array, crosses: bool, up: Link, out: Link) -> Array:
    """Seconds to send `message` bytes to one other device, in another scale-up domain if it `crosses`."""
    if crosses:
        return up.start + out.latency + message / out.bandwidth
    return _pipelined(up.start + up.latency, message / up.bandwidth_among(2.0))


def _pipelined(latency: Array, transfer: Array) -> Array:
    """Seconds of a transfer in segments."""
    total: Array = latency + transfer + RAMP * np.sqrt(latency * transfer)
    return total


def _ring_bandwidth(group: Placement, up: Link, out: Link) -> Array:
    inside = np.where(group.inside > 1.0, up.ring_bandwidth(group.inside), np.inf)
    across = np.where(group.across > 1.0, group.inside * out.bandwidth, np.inf)
    return np.minimum(inside, across)


def _near_latency(group: Placement, up: Link) -> Array:
    """Seconds of latency once round the members of a domain; on a full mesh everybody is one hop away."""
    hops = group.inside - 1.0
    return up.latency * (hops if up.pair_bandwidth is None else np.minimum(1.0, hops))


def _ring_far_latency(group: Placement, up: Link, out: Link) -> Array:
    """Seconds of latency of a ring's hops between domains, and inside all domains but one."""
    return (group.across - 1.0) * (out.latency + _near_latency(group, up))
