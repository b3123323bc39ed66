"""What operations, layers and tasks of a step draw on: the cores of their device, its links near and far.

What a message sends is spread evenly over the seconds that it takes alone, latency included, and what a pass sends
over the pass. Collectives hold cores, as the stack's `overlap_slowdown` says; messages from stage to stage hold none to
speak of (assumed: they take one channel or two of a collective's dozen and more).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.engines.graph import Floats
from clustersim.engines.sharing import NO_LINK, Sharing
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective, Operation, Pass

TIERS = 2  # near and far


@dataclass(frozen=True)
class Demand:
    """What one kind of task does on its device."""

    device: int
    seconds: Floats  # [points] alone
    computing: Array = 0.0  # share of them
    moving: Array = 0.0  # share of them that messages take
    sent: Floats | None = None  # bytes [tiers, points]; None: never any
    holds_cores: bool = False
    receiver: int | None = None  # another device that the bytes go to; else this one gets as many


def sharing_of(demands: Sequence[Demand], machine: Machine) -> Sharing:
    """The demands as arrays. Every device has links out and links in, near and far."""
    ends = np.array([[each.device, each.device if each.receiver is None else each.receiver] for each in demands])
    devices, seconds = int(ends.max()) + 1, np.array([each.seconds for each in demands])  # [kinds, points]
    zero, silent = np.zeros_like(seconds), np.array([each.sent is None for each in demands])
    tiers = np.array([zero[0] + tier.bandwidth for tier in (machine.up, machine.out)])  # [tiers, points] bytes a second
    bandwidth = np.zeros((len(demands), *tiers.shape))
    for row, each in enumerate(demands):
        if each.sent is not None:
            np.divide(each.sent, each.seconds, out=bandwidth[row], where=each.seconds > 0.0)
    links = np.repeat(ends, TIERS, axis=1) + devices * np.arange(2 * TIERS)  # out near, out far, in near, in far
    links[silent] = NO_LINK
    holds = machine.stack.overlap_slowdown * np.array([[1.0 * each.holds_cores] for each in demands])
    return Sharing(
        ends[:, 0],
        holds=zero + holds,
        computing=np.array([zero[0] + each.computing for each in demands]),
        moving=np.array([zero[0] + each.moving for each in demands]),
        links=links,
        bandwidth=np.tile(np.minimum(bandwidth, tiers), (1, 2, 1)),
        owner=np.tile(np.arange(devices), 2 * TIERS),
        capacity=np.repeat(np.tile(tiers, (2, 1)), devices, axis=0),
    )


def pass_demands(works: Sequence[Pass], seconds: Floats, machine: Machine) -> list[Demand]:
    """Of every operation of passes, each pass on a device of its own. `seconds`: [operations of all, points]."""
    each = zip(
        [(device, operation) for device, work in enumerate(works) for operation in work.operations],
        seconds,
        strict=True,
    )
    return [
        collective_demand(device, row, sent_by([operation], machine, len(row)))
        if isinstance(operation, Collective)
        else Demand(device, row, computing=1.0)
        for (device, operation), row in each
    ]


def collective_demand(device: int, seconds: Floats, sent: Floats) -> Demand:
    """Of collectives one after the other."""
    return Demand(device, seconds, moving=1.0, sent=sent, holds_cores=True)


def work_demand(device: int, seconds: Floats, parts: Mapping[str, Floats], sent: Floats | None) -> Demand:
    """Of whole layers, or passes; `parts`: of their seconds [points]. What they move takes no cores of others."""

    def share(chosen: Iterable[str]) -> Floats:
        total = sum((parts[part] for part in chosen), np.zeros_like(seconds))
        return np.divide(total, seconds, out=np.zeros_like(seconds), where=seconds > 0.0)

    moving = [part for part in parts if part.endswith("_comm")]
    computing = [part for part in parts if part not in (*moving, "host", "other")]
    return Demand(device, seconds, share(computing), share(moving), sent)


def sent_by(operations: Iterable[Operation], machine: Machine, points: int) -> Floats:
    """Bytes [tiers, points] that a device sends in the collectives among some operations."""
    total = np.zeros((TIERS, points))
    for each in operations:
        if not isinstance(each, Collective):
            continue
        _, near, far = machine.collective(each)
        total[0] += near
        total[1] += far
    return total
