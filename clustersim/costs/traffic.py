"""What a collective moves over the links of one device, in bytes each way; its seconds are in collectives.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustersim.costs.collectives import dispatched_bytes, exchanged_bytes
from clustersim.costs.machine import Machine
from clustersim.costs.placement import RankPlacement
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective

NEAR, FAR = 0, 1  # links inside the scale-up domain, and out of it


def collective_bytes(collective: Collective, machine: Machine) -> NDArray[np.float64]:
    """Bytes `[NEAR and FAR, points]` that a device sends, and receives, in a collective; none in a group of one."""
    group = machine.groups[collective.group]
    sent = [np.where(group.ranks > 1.0, size, 0.0) for size in _sent(collective, group, machine)]
    return np.array(np.broadcast_arrays(*map(np.atleast_1d, sent)))


def _sent(collective: Collective, group: RankPlacement, machine: Machine) -> tuple[Array, Array]:
    if collective.kind == "all-to-all":
        return _exchanged(collective, group, machine)
    ring = (group.ranks - 1.0) / group.ranks * collective.bytes
    return _around(2.0 * ring if collective.kind == "all-reduce" else ring, group)


def _exchanged(collective: Collective, group: RankPlacement, machine: Machine) -> tuple[Array, Array]:
    """As `Machine.time` dispatches."""
    routed = collective.copies > 1.0
    if routed and collective.dispatcher in ("deepep", "hybridep"):
        return dispatched_bytes(collective.bytes, collective.copies, collective.most_domains, group)
    if routed and collective.dispatcher == "allgather":
        return _around((group.ranks - 1.0) * collective.bytes / collective.copies, group)
    return exchanged_bytes(collective.bytes, group)


def _around(ring: Array, group: RankPlacement) -> tuple[Array, Array]:
    """Of what a device sends along rings: as many rings as members in a domain, each leaving it by another's links."""
    far = np.where(group.across > 1.0, ring / group.inside, 0.0)
    return ring - far, far
