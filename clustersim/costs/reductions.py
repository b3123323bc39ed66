"""All-gather, reduce-scatter and all-reduce: rings, trees, and switches that sum.

Inside a scale-up domain a vector moves in segments (`pipelined`). Round a ring over domains every rank forwards what it
gets while more arrives, so that latency hides behind transfers: a long ring is bound by whichever is longer.
"""

from __future__ import annotations

import numpy as np

from clustersim.costs.algorithms import RAMP, Cost, Reach, algorithm, pipelined
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective

TREE_SHARE = 0.78  # of the links between domains, that trees reach: 37 of 47 GB/s a NIC, 4 nodes of B200 (kernels.csv)


@algorithm("all-gather", "ring")
@algorithm("reduce-scatter", "ring")
def ring(collective: Collective, reach: Reach) -> Cost:
    """Until each of n ranks holds the vector, of which it brought 1/n; a reduce-scatter takes as long.

    max((n - 1)/n message / bandwidth, n - 1 hops). Rings enter and leave each scale-up domain over the links
    of all its members there, so across domains the bandwidth is min(scale-up, members * scale-out), and of as many
    rings as members each leaves the domain by another's links.
    Source: Thakur, Rabenseifner and Gropp 2005, section 4.1; NCCL's rings use every NIC of the members.
    """
    group, up = reach.group, reach.up
    sent = (group.ranks - 1.0) / group.ranks * collective.bytes
    around = pipelined(up.hops(group.inside), up.latency, sent / ring_bandwidth(reach))
    return Cost(up.start + beyond_domains(around, far_latency(reach), reach), *by_tier(sent, reach))


@algorithm("reduce", "chain")
@algorithm("broadcast", "chain")
def chain(collective: Collective, reach: Reach) -> Cost:
    """From one rank to all of n, or summed on the way to one, in segments along a chain: n - 1 hops, then the vector.

    Source: NCCL's broadcast and reduce (rings cut open at the root); Chan et al. 2007, section 6.
    """
    group, up = reach.group, reach.up
    sent = np.where(group.ranks > 1.0, collective.bytes, 0.0)
    along = pipelined(up.hops(group.inside), up.latency, sent / ring_bandwidth(reach))
    return Cost(up.start + along + far_latency(reach), *by_tier(sent, reach))


@algorithm("all-reduce", "ring")
def ring_all_reduce(collective: Collective, reach: Reach) -> Cost:
    """max(2 (n - 1)/n message / bandwidth, 2 (n - 1) hops). Source: Thakur et al. 2005, section 4.3."""
    group, up = reach.group, reach.up
    sent = 2.0 * ((group.ranks - 1.0) / group.ranks) * collective.bytes
    around = pipelined(2.0 * up.hops(group.inside), up.latency, sent / ring_bandwidth(reach))
    return Cost(up.start + beyond_domains(around, 2.0 * far_latency(reach), reach), *by_tier(sent, reach))


@algorithm("all-reduce", "tree")
def tree(collective: Collective, reach: Reach) -> Cost:
    """Two trees over D > 1 domains, reduced inside each: 2 (D - 1)/D message over the links of its members between
    domains, and 2 log2 D hops there.

    Source: Sanders, Speck and Träff 2009 (two trees, as NCCL has).
    """
    group, up, out, message = reach.group, reach.up, reach.out, collective.bytes
    sent = 2.0 * (group.across - 1.0) / group.across * message
    far = sent / (group.inside * out.bandwidth * TREE_SHARE)
    inside = np.where(group.inside > 1.0, 2.0 * message / up.ring_bandwidth(group.inside), 0.0)
    around = pipelined(2.0 * up.hops(group.inside), up.latency, np.maximum(far, inside))
    seconds = up.start + around + 2.0 * np.log2(group.across) * out.latency
    near = 2.0 * message * (group.inside - 1.0) / group.inside
    return Cost(np.where(group.across > 1.0, seconds, np.inf), near, sent / group.inside)


@algorithm("all-reduce", "switch")
def switch(collective: Collective, reach: Reach) -> Cost:
    """Inside a domain whose switch sums what it passes on, in a pipeline of its own, among more than two.

    A device sends the vector to be summed and its 1/n of the sums to all. Source: NVIDIA SHARP; Klenk et al. 2020, "An
    In-Network Architecture for Accelerating Shared-Memory Multiprocessor Collectives" (recalled).
    """
    group, up = reach.group, reach.up
    if up.switch_bandwidth is None:
        return Cost(np.inf, 0.0, 0.0)
    summed = 2.0 * ((group.ranks - 1.0) / group.ranks) * collective.bytes / up.switch_bandwidth
    seconds = up.start + summed + RAMP * np.sqrt(up.switch_ramp * summed)
    fits = (group.across <= 1.0) & (group.inside > 2.0)
    return Cost(np.where(fits, seconds, np.inf), collective.bytes * (1.0 + 1.0 / group.ranks), 0.0)


def ring_bandwidth(reach: Reach) -> Array:
    """Bytes a second along rings over all members: what the links inside domains, and the members' between, let by."""
    group, up, out = reach.group, reach.up, reach.out
    inside = np.where(group.inside > 1.0, up.ring_bandwidth(group.inside), np.inf)
    across = np.where(group.across > 1.0, group.inside * out.bandwidth, np.inf)
    return np.minimum(inside, across)


def far_latency(reach: Reach) -> Array:
    """Seconds of latency of a ring's hops between domains, and inside all domains but one."""
    group, up = reach.group, reach.up
    return (group.across - 1.0) * (reach.out.latency + up.hops(group.inside) * up.latency)


def beyond_domains(around: Array, hops: Array, reach: Reach) -> Array:
    """Seconds of a ring over domains: what it transfers, or the latency of its hops if that is longer, and one hop.

    A rank that still sends the part before has begun to receive the next, so that links never idle while a part takes
    longer than a hop. Source: NCCL's rings (primitives in slices); the group of experts of FSDP takes 2.0 to 2.2 s a
    micro-batch on 16 domains and on 128 (MoE Parallel Folding, arXiv 2504.14960, table 4).
    """
    return np.maximum(around, hops) + np.where(reach.group.across > 1.0, reach.out.latency, 0.0)


def by_tier(sent: Array, reach: Reach) -> tuple[Array, Array]:
    """Of what a device sends along rings: as many rings as members in a domain, each leaving it by another's links."""
    far = np.where(reach.group.across > 1.0, sent / reach.group.inside, 0.0)
    return sent - far, far
