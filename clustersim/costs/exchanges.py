"""All-to-alls, and messages from one device to another."""

from __future__ import annotations

import numpy as np

from clustersim.costs.algorithms import Cost, Reach, algorithm, pipelined
from clustersim.costs.links import Link
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective

EXCHANGE_SHARE = 0.65  # of the links between domains, that all-to-alls reach by pairs: 18 runs of MoE folding, +- 0.1
SEND_START = (
    0.25  # of a collective's start, for a send: 8 of 34 us on A100, 5 of 25 us on H100 (kernels.csv, vidur p2p)
)


@algorithm("all-to-all", "pairwise")
def pairwise(collective: Collective, reach: Reach) -> Cost:
    """Each rank sends the message, 1/n to every rank, itself included: both tiers work at once.

    max(share inside / scale-up, share outside / scale-out), in n - 1 rounds one behind the other. Small messages to
    many ranks cross a network less well than a ring's neighbours do.
    Source: Thakur et al. 2005, section 4.4 (pairwise exchange).
    """
    group, message = reach.group, collective.bytes
    near = message * (group.inside - 1.0) / group.ranks
    far = message * (group.ranks - group.inside) / group.ranks
    rate = reach.out.bandwidth * EXCHANGE_SHARE
    return Cost(exchange_time(near, far / rate, group.ranks - group.inside, reach), near, far)


def exchange_time(near: Array, far: Array, far_rounds: Array, reach: Reach, start: Array | None = None) -> Array:
    """Seconds of an exchange in rounds, one behind the other: bytes inside a domain beside seconds between domains."""
    group, up = reach.group, reach.up
    inside = near / up.bandwidth_among(group.inside)
    exchanged = pipelined(up.hops(group.inside) + far_rounds, up.latency, np.maximum(inside, far))
    begun = up.start if start is None else start
    return begun + exchanged + np.where(group.across > 1.0, reach.out.latency, 0.0)


@algorithm("pass-on", "ring")
def ring(collective: Collective, reach: Reach) -> Cost:
    """Each rank sends what it has to its neighbour, n - 1 times, until all parts came by: a step is a message of 1/n.

    All steps wait for the slowest: inside a domain one link to the neighbour, and between domains the links of the one
    rank at the edge, whether the group's ranks are neighbours or others stand between them.
    Source: Liu, Zaharia and Abbeel 2023, arXiv 2310.01889, section 3; TransformerEngine, context_parallel.py (isend and
    irecv to one neighbour each; NCCL's sends use the NIC of the device that sends).
    """
    group, up, out = reach.group, reach.up, reach.out
    steps = group.ranks - 1.0
    part = collective.bytes / group.ranks
    inside = np.where(group.inside > 1.0, up.latency + part / up.bandwidth_among(2.0), 0.0)
    between = np.where(group.across > 1.0, out.latency + part / out.bandwidth, 0.0)
    sent = steps * part
    far = np.where(group.across > 1.0, sent / group.inside, 0.0)
    return Cost(steps * (SEND_START * up.start + np.maximum(inside, between)), sent - far, far)


def send(message: Array, crosses: Array, up: Link, out: Link) -> Cost:
    """A message to one other device, in another scale-up domain if it `crosses`: latency + message / bandwidth."""
    start = SEND_START * up.start
    near = start + up.latency + message / up.bandwidth_among(2.0)
    far = start + out.latency + message / out.bandwidth
    return Cost(np.where(crosses, far, near), np.where(crosses, 0.0, message), np.where(crosses, message, 0.0))
