"""What a torus gives a group of its devices: links of rings and lines along its axes, and what must cross its middle.

A group takes devices along the first axis, then along the next, as software lays groups along whole axes (assumed). It
has `extents` devices along each: where these are a whole axis of more than two, its wrap joins the ends to a ring.
Formulas take group sizes as floats or arrays alike; links are counted by device and in one direction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clustersim.workload.arrays import Array


def extents(ranks: Array, axes: Sequence[int]) -> list[Array]:
    """Devices of a group along each axis."""
    left: Array = np.maximum(1.0, ranks)
    taken: list[Array] = []
    for axis in axes:
        here = np.minimum(left, float(axis))
        taken.append(here)
        left = np.ceil(left / here)
    return taken


def ring_links(ranks: Array, axes: Sequence[int]) -> Array:
    """Links of a device over which an all-gather or a reduce-scatter runs at once; one of an all-reduce's two halves.

    Both directions of a ring along each axis, one of a line: its last device gets everything over its only link. A part
    of the vector begins on each axis, so that all of them work at once.
    Source: Chan et al. 2007, section 7 (meshes and tori); Jouppi et al. 2023 (TPU v4, arXiv 2304.01433), section 2.
    """
    links: Array = 0.0
    for extent, axis in zip(extents(ranks, axes), axes, strict=True):
        links = links + np.where(extent > 1.0, 1.0 + _wraps(extent, axis), 0.0)
    return np.maximum(links, 1.0)


def exchange_links(ranks: Array, axes: Sequence[int]) -> Array:
    """Links' worth of bandwidth at which a device sends (n - 1)/n of an all-to-all's message: its bisection's.

    The plane that halves a group along an axis of extent k is crossed by k/4 of each message for each link of it, half
    as much where the axis is a ring and two planes are cut; the slowest axis counts.
    Source: Dally and Towles 2004, "Principles and Practices of Interconnection Networks", section 3.3 (bisection).
    """
    slowest: Array = 0.0
    for extent, axis in zip(extents(ranks, axes), axes, strict=True):
        crossing = np.floor(extent * extent / 4.0) / extent / (1.0 + _wraps(extent, axis))
        slowest = np.maximum(slowest, crossing)
    ranks = np.maximum(ranks, 2.0)
    return (ranks - 1.0) / ranks / np.maximum(slowest, 0.5)


def torus_hops(ranks: Array, axes: Sequence[int]) -> Array:
    """Hops along rings and lines of all axes, one axis behind the other."""
    hops: Array = 0.0
    for extent in extents(ranks, axes):
        hops = hops + extent - 1.0
    return hops


def _wraps(extent: Array, axis: int) -> Array:
    """1 where a group has a whole axis of more than two devices, else 0."""
    return np.where((extent >= axis) & (axis > 2), 1.0, 0.0)
