"""What collectives take over links that tests describe."""

from __future__ import annotations

from typing import Any

from clustersim.costs.collectives import Reach, cost_of
from clustersim.costs.links import Link
from clustersim.costs.placement import RankPlacement
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective

UP = Link(bandwidth=100e9, latency=1e-6)
OUT = Link(bandwidth=10e9, latency=5e-6)
MESH = Link(bandwidth=196e9, latency=0.0, pair_bandwidth=28e9)
FREE = Link(bandwidth=10e9, latency=0.0)
NEAR = Link(bandwidth=100e9, latency=0.0)

NODE = RankPlacement(8.0, 8.0, 1.0)
PAIR = RankPlacement(2.0, 2.0, 1.0)


def seconds(kind: str, message: Array, group: RankPlacement, up: Link, out: Link = OUT, **words: Any) -> Array:
    """Seconds of a collective of `message` bytes."""
    collective = Collective("message", kind, "expert", message, **words)  # type: ignore[arg-type]
    return cost_of(collective, Reach(group, up, out)).seconds


def all_reduce(message: Array, group: RankPlacement, up: Link, out: Link = OUT) -> Array:
    """Seconds of an all-reduce."""
    return seconds("all-reduce", message, group, up, out)


def all_gather(message: Array, group: RankPlacement, up: Link, out: Link = OUT) -> Array:
    """Seconds of an all-gather."""
    return seconds("all-gather", message, group, up, out)


def all_to_all(message: Array, group: RankPlacement, up: Link, out: Link = OUT) -> Array:
    """Seconds of an all-to-all."""
    return seconds("all-to-all", message, group, up, out)
