"""Collectives: latency and bandwidth, by algorithm, over the tiers that the group really spans.

Inside a scale-up domain a vector moves in segments, one behind the other. The first takes `hops` of `a` seconds each;
with `t` seconds for the whole vector at full bandwidth, a collective takes

    start + hops a + t + RAMP sqrt((hops - 1) a t).

The best segment size gives RAMP = 2, segments without limit 0. Source: Chan, Heimlich, Purkayastha and van de Geijn
2007, "Collective communication: theory, practice, and experience", section 6 (pipelining). Libraries run several rings
with segments of their own: 0.8 is what NCCL shows on 2 to 8 A100 from 1 MiB to 16 GiB (kernels.csv: vtrain, vidur,
ml-engineering; median error 2.3 %). Two ranks have one hop and no ramp: so two H100 are 8 % off at the
median. Hops between domains add their latency and no more, as measured on 2 and 4 nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustersim.costs.placement import RankPlacement
from clustersim.inputs.hardware import Tier
from clustersim.workload.arrays import Array

RAMP = 0.8
RING_LOSS = (
    0.6  # ranks: a switched ring of n reaches n / (n + this) of its bandwidth; 2 to 8 A100 and H100, kernels.csv
)
SEND_START = (
    0.25  # of a collective's start, for a send: 8 of 34 us on A100, 5 of 25 us on H100 (kernels.csv, vidur p2p)
)

EXCHANGE_SHARE = 0.65  # of the links between domains, that all-to-alls reach by pairs: 18 runs of MoE folding, +- 0.1
TREE_SHARE = 0.78  # of the links between domains, that trees reach: 37 of 47 GB/s a NIC, 4 nodes of B200 (kernels.csv)


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

    def bandwidth_among(self, ranks: Array) -> Array:
        """Bytes a second that a device exchanges with `ranks - 1` others: on a full mesh it has one link to each."""
        if self.pair_bandwidth is None:
            return self.bandwidth
        return np.minimum(self.bandwidth, np.maximum(1.0, ranks - 1.0) * self.pair_bandwidth)

    def ring_bandwidth(self, ranks: Array) -> Array:
        """Bytes a second along a ring of `ranks`."""
        return self.bandwidth_among(ranks) * ranks / (ranks + self.ring_loss)

    def slowed(self, times: float) -> Link:
        """The link on which everything takes so many times as long."""
        pair, switch = self.pair_bandwidth, self.switch_bandwidth
        return Link(
            self.bandwidth / times,
            self.latency * times,
            None if pair is None else pair / times,
            self.start * times,
            None if switch is None else switch / times,
            self.switch_ramp * times,
            self.ring_loss,
        )


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
        tier.switch_ramp,
        RING_LOSS if tier.kind == "switched" else 0.0,
    )


def all_gather_time(message: Array, group: RankPlacement, up: Link, out: Link) -> Array:
    """Seconds until each of n ranks holds `message` bytes, of which it brought 1/n; a reduce-scatter takes as long.

    Ring: (n - 1)/n message / bandwidth, and n - 1 hops. The ring enters and leaves each scale-up domain over the links
    of all its members there, so across domains its bandwidth is min(scale-up, members * scale-out).
    Source: Thakur, Rabenseifner and Gropp 2005, section 4.1; NCCL's rings use every NIC of the members.
    """
    share = (group.ranks - 1.0) / group.ranks
    transfer = share * message / _ring_bandwidth(group, up, out)
    return up.start + _pipelined(_near_hops(group, up), up.latency, transfer) + _ring_far_latency(group, up, out)


def all_reduce_time(message: Array, group: RankPlacement, up: Link, out: Link) -> Array:
    """Seconds to all-reduce `message` bytes: the best of ring, tree and switch.

    Ring: 2 (n - 1)/n message / bandwidth and 2 (n - 1) hops. Tree over D domains: reduced inside, 2 (D - 1)/D message
    over the members' links between domains, and 2 log2 D hops there. Switch (within a domain): it sums what it passes
    on, in a pipeline of its own. Source: Thakur et al. 2005, section 4.3; Sanders, Speck and Träff 2009 (two trees, as
    NCCL has); NVIDIA SHARP.
    """
    share = (group.ranks - 1.0) / group.ranks
    hops = 2.0 * _near_hops(group, up)
    far = 2.0 * (group.across - 1.0) / group.across * message / (group.inside * out.bandwidth * TREE_SHARE)
    inside = np.where(group.inside > 1.0, 2.0 * message / up.ring_bandwidth(group.inside), 0.0)
    ring = _pipelined(hops, up.latency, 2.0 * share * message / _ring_bandwidth(group, up, out))
    ring = up.start + ring + 2.0 * _ring_far_latency(group, up, out)
    tree = up.start + _pipelined(hops, up.latency, np.maximum(far, inside)) + 2.0 * np.log2(group.across) * out.latency
    best = np.where(group.across > 1.0, np.minimum(ring, tree), ring)
    if up.switch_bandwidth is None:
        return best
    summed = 2.0 * share * message / up.switch_bandwidth
    switch = up.start + summed + RAMP * np.sqrt(up.switch_ramp * summed)
    return np.where((group.across > 1.0) | (group.inside <= 2.0), best, np.minimum(best, switch))


def all_to_all_time(message: Array, group: RankPlacement, up: Link, out: Link) -> Array:
    """Seconds for each rank to send `message` bytes, 1/n to every rank: both tiers work at once.

    max(share inside / scale-up, share outside / scale-out), in n - 1 rounds one behind the other. Small messages to
    many ranks cross a network less well than a ring's neighbours do.
    Source: Thakur et al. 2005, section 4.4 (pairwise exchange).
    """
    inside, outside = exchanged_bytes(message, group)
    far = outside / (out.bandwidth * EXCHANGE_SHARE)
    return _exchange_time(inside, far, group.ranks - group.inside, group, up, out)


def exchanged_bytes(message: Array, group: RankPlacement) -> tuple[Array, Array]:
    """Bytes that a rank sends inside its domain and out of it, of `message` of which 1/n goes to every rank."""
    return message * (group.inside - 1.0) / group.ranks, message * (group.ranks - group.inside) / group.ranks


def dispatch_time(
    message: Array, copies: float, most_domains: float | None, group: RankPlacement, up: Link, out: Link
) -> Array:
    """Seconds of an all-to-all that sends each vector once to every domain that needs it, and passes it on inside.

    A round for each other domain and for each other rank inside.
    Source: DeepSeek-V3, arXiv 2412.19437, section 3.2.2 (and DeepEP).
    """
    inside, outside = dispatched_bytes(message, copies, most_domains, group)
    return _exchange_time(inside, outside / out.bandwidth, group.across - 1.0, group, up, out)


def dispatched_bytes(
    message: Array, copies: float, most_domains: float | None, group: RankPlacement
) -> tuple[Array, Array]:
    """Bytes that a rank sends inside its domain and out of it, where a domain gets each vector once.

    `message` counts all `copies`; of D domains a vector meets D (1 - (1 - 1/D)^copies) on average, at most
    `most_domains` where routing is limited.
    """
    domains = np.maximum(1.0, group.across if most_domains is None else np.minimum(group.across, most_domains))
    met = domains * (1.0 - (1.0 - 1.0 / domains) ** copies)
    far = message / copies * met * (group.across - 1.0) / group.across
    return message * (group.inside - 1.0) / group.inside, far


def _exchange_time(inside: Array, far: Array, far_rounds: Array, group: RankPlacement, up: Link, out: Link) -> Array:
    """Seconds of an exchange in rounds, one behind the other: bytes inside a domain beside seconds between domains."""
    near = inside / up.bandwidth_among(group.inside)
    exchanged = _pipelined(_near_hops(group, up) + far_rounds, up.latency, np.maximum(near, far))
    return up.start + exchanged + np.where(group.across > 1.0, out.latency, 0.0)


def send_time(message: Array, crosses: bool, up: Link, out: Link) -> Array:
    """Seconds to send `message` bytes to one other device, in another scale-up domain if it `crosses`."""
    start = SEND_START * up.start
    if crosses:
        return start + out.latency + message / out.bandwidth
    return start + up.latency + message / up.bandwidth_among(2.0)


def _pipelined(hops: Array, latency: float, transfer: Array) -> Array:
    """Seconds of a transfer in segments over `hops` of `latency` seconds each."""
    further = np.maximum(hops - 1.0, 0.0)
    total: Array = hops * latency + transfer + RAMP * np.sqrt(further * latency * transfer)
    return total


def _ring_bandwidth(group: RankPlacement, up: Link, out: Link) -> Array:
    inside = np.where(group.inside > 1.0, up.ring_bandwidth(group.inside), np.inf)
    across = np.where(group.across > 1.0, group.inside * out.bandwidth, np.inf)
    return np.minimum(inside, across)


def _near_hops(group: RankPlacement, up: Link) -> Array:
    """Hops once round the members of a domain.

    On a full mesh two for whatever number, into a buffer that two devices share and out of it: assumed, after CANN's
    documentation of HCCL_BUFFSIZE (recalled), for no curve of HCCL is published.
    """
    hops = group.inside - 1.0
    return hops if up.pair_bandwidth is None else np.minimum(2.0, 2.0 * hops)


def _ring_far_latency(group: RankPlacement, up: Link, out: Link) -> Array:
    """Seconds of latency of a ring's hops between domains, and inside all domains but one."""
    return (group.across - 1.0) * (out.latency + _near_hops(group, up) * up.latency)
