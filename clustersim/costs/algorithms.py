"""What a collective algorithm is, and the register of those that there are.

An algorithm is one function that says what a collective takes: seconds, and bytes by tier. It registers itself with
`@algorithm(kind, name)`. A collective that names none is played by the fastest of its kind, as libraries choose; one
that is asked for by name stands apart from these (`named=True`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from clustersim.costs.links import Link
from clustersim.costs.placement import RankPlacement
from clustersim.inputs.kinds import chosen
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective

RAMP = 0.8
NAMED_BY = {"dispatch": "layout.dispatcher", "combine": "layout.dispatcher"}  # what a user names an algorithm by


class Cost(NamedTuple):
    """Seconds of a message, and the bytes that a device sends (and receives): inside its scale-up domain, out of it."""

    seconds: Array
    near: Array
    far: Array


@dataclass(frozen=True)
class Reach:
    """Where a group sits, and the links that its ranks have there."""

    group: RankPlacement
    up: Link
    out: Link
    launch: float = 0.0  # seconds between two small kernels, for what moves data by kernels of its own
    announces: bool = True  # ranks tell each other how many tokens come; not where buffers hold the most that may


Algorithm: TypeAlias = Callable[[Collective, Reach], Cost]


class Registered(NamedTuple):
    """An algorithm, and whether it is played only where it is asked for by name."""

    cost: Algorithm
    named: bool


ALGORITHMS: dict[str, dict[str, Registered]] = {}  # by kind of collective, then by name


def algorithm(kind: str, name: str, *, named: bool = False) -> Callable[[Algorithm], Algorithm]:
    """Register a function as the algorithm `name` of a kind of collective."""

    def register(cost: Algorithm) -> Algorithm:
        known = ALGORITHMS.setdefault(kind, {})
        if name in known:
            raise ValueError(f"{kind} has an algorithm {name} already")
        known[name] = Registered(cost, named)
        return cost

    return register


def cost_of(collective: Collective, reach: Reach) -> Cost:
    """What a collective takes by the algorithm that it names, else by the fastest of its kind; a rank alone, nothing.

    Raises InputError for a kind or an algorithm that nobody has registered.
    """
    known = chosen("collective", collective.kind, ALGORITHMS)
    if np.any(collective.pieces != 1.0):
        each = cost_of(replace(collective, bytes=collective.bytes / collective.pieces, pieces=1.0), reach)
        return Cost(*(collective.pieces * amount for amount in each))
    unnamed = [each for each in known.values() if not each.named]
    if collective.algorithm is not None or not unnamed:
        key = NAMED_BY.get(collective.kind, collective.kind)
        best = chosen(key, collective.algorithm or "none", known).cost(collective, reach)
    else:
        best = unnamed[0].cost(collective, reach)
        for other in unnamed[1:]:
            best = _faster(best, other.cost(collective, reach))
    seconds = best.seconds + collective.host_a_rank * reach.group.ranks
    return best._replace(seconds=np.where(reach.group.ranks > 1.0, seconds, 0.0))


def _faster(first: Cost, second: Cost) -> Cost:
    """The faster one, point by point."""
    faster = second.seconds < first.seconds
    return Cost(*(np.where(faster, theirs, own) for own, theirs in zip(first, second, strict=True)))


def pipelined(hops: Array, latency: float, transfer: Array) -> Array:
    """Seconds of a transfer in segments, one behind the other, over `hops` of `latency` seconds each.

    The first takes `hops` of `a` seconds each; with `t` seconds for the whole vector at full bandwidth

        hops a + t + RAMP sqrt((hops - 1) a t).

    The best segment size gives RAMP = 2, segments without limit 0. Source: Chan, Heimlich, Purkayastha and van de Geijn
    2007, "Collective communication: theory, practice, and experience", section 6 (pipelining). Libraries run several
    rings with segments of their own: 0.8 is what NCCL shows on 2 to 8 A100 from 1 MiB to 16 GiB (kernels.csv: vtrain,
    vidur, ml-engineering; median error 2.3 %). Two ranks have one hop and no ramp: so two H100 are 8 % off at the
    median.
    """
    further = np.maximum(hops - 1.0, 0.0)
    total: Array = hops * latency + transfer + RAMP * np.sqrt(further * latency * transfer)
    return total
