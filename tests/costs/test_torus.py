"""Collectives on a torus: rings along all axes at once, exchanges bound by the plane that cuts a group in half."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from clustersim.costs.algorithms import Reach, cost_of
from clustersim.costs.links import Link
from clustersim.costs.placement import RankPlacement
from clustersim.costs.torus import exchange_links, extents, ring_links, torus_hops
from clustersim.errors import InputError
from clustersim.inputs.load import load_scenario
from clustersim.workload.operations import Collective

GIB = 2.0**30


def crossing(axes: tuple[int, ...]) -> float:
    """Most parts of all-to-all's messages (of 1 a rank) on one link, counted over every pair and shortest ways.

    Ways of the same length round a ring share a message in halves.
    """
    load: dict[tuple[tuple[int, ...], int, int], float] = {}
    ranks = list(product(*map(range, axes)))
    for source, target in product(ranks, ranks):
        at = list(source)
        for axis, size in enumerate(axes):
            ahead = (target[axis] - at[axis]) % size
            ways = (
                [(1, ahead), (-1, size - ahead)]
                if size > 2
                else [(1, ahead)]
                if target[axis] > at[axis]
                else [(-1, ahead)]
            )
            shortest = min(steps for _, steps in ways)
            chosen = [(way, steps) for way, steps in ways if steps == shortest and steps]
            for way, steps in chosen:
                place = list(at)
                for _ in range(steps):
                    key = tuple(place), axis, way
                    load[key] = load.get(key, 0.0) + 1.0 / len(ranks) / len(chosen)
                    place[axis] = (place[axis] + way) % size
            at[axis] = target[axis]
    return max(load.values())


@pytest.mark.parametrize("axes", [(2,), (4,), (8,), (4, 4), (2, 4), (4, 4, 4), (8, 4), (2, 2, 2)])
def test_an_exchange_takes_what_the_busiest_link_carries(axes: tuple[int, ...]) -> None:
    """Shortest ways along one axis after the other, every pair counted: equal on axes of even length."""
    ranks = float(np.prod(axes))
    assert (ranks - 1) / ranks / exchange_links(ranks, axes) == pytest.approx(crossing(axes))


@pytest.mark.parametrize(
    ("ranks", "axes", "links", "hops"),
    [
        (2, (16, 16), 1, 1),  # a pair: one link
        (8, (16, 16), 1, 7),  # a line, whose ends have one link
        (16, (16, 16), 2, 15),  # a ring: both directions
        (32, (16, 16), 3, 16),  # a ring, and a line of two
        (256, (16, 16), 4, 30),
        (64, (4, 4, 4), 6, 9),
        (1, (4, 4), 1, 0),
    ],
)
def test_rings_and_lines_work_at_once(ranks: float, axes: tuple[int, ...], links: float, hops: float) -> None:
    assert (ring_links(ranks, axes), torus_hops(ranks, axes)) == (links, hops)


def test_groups_are_laid_along_whole_axes() -> None:
    sizes = np.array([1.0, 8.0, 16.0, 64.0, 256.0])
    along, across = extents(sizes, (16, 16))
    assert along.tolist() == [1, 8, 16, 16, 16]
    assert across.tolist() == [1, 1, 1, 4, 16]


def seconds(kind: str, ranks: int, link: Link) -> float:
    group = RankPlacement(float(ranks), float(ranks), 1.0)
    message = Collective("x", kind, "tensor", GIB)  # type: ignore[arg-type]
    return float(cost_of(message, Reach(group, link, Link(1e9, 0.0))).seconds)


@pytest.mark.parametrize("axes", [(16, 16), (4, 4, 4)])
def test_an_all_reduce_is_the_multi_ring_optimum_and_an_exchange_bound_by_its_bisection(axes: tuple[int, ...]) -> None:
    """Of the whole torus: 2 (n - 1)/n over all links; k/8 of a message on each link of the middle's."""
    ranks = int(np.prod(axes))
    torus, switch = Link(400e9, 0.0, axes=axes), Link(400e9, 0.0)
    one_link = 400e9 / (2 * len(axes))
    assert seconds("all-reduce", ranks, torus) == pytest.approx(2 * (ranks - 1) / ranks * GIB / 400e9)
    assert seconds("all-to-all", ranks, torus) == pytest.approx(axes[0] / 8 * GIB / one_link)
    assert seconds("all-to-all", ranks, torus) > seconds("all-to-all", ranks, switch)


def node(**tiers: object) -> dict[str, object]:
    return {
        "model": "llama-3.1-8b",
        "cluster": {"node": {"extends": "tpu-v5e-slice", **tiers}, "nodes": 4},
        "training": {"sequence_length": 4096, "global_batch": 32, "precision": "bf16"},
        "stack": "maxtext-2025",
    }


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        ({"scale_up": {"kind": "torus", "axes": []}}, "a torus needs axes"),
        ({"scale_up": {"kind": "switched", "axes": [4, 4]}}, "axes are a torus's"),
        ({"scale_up": {"kind": "torus", "axes": [4, 4]}}, "fewer devices than the domain's 256"),
        ({"scale_out": {"kind": "torus", "axes": [4, 4]}}, "inside a scale-up domain only"),
        ({"scale_out": {"kind": "full-mesh"}}, "inside a scale-up domain only"),
    ],
)
def test_what_is_not_priced_is_refused(tiers: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_scenario(node(**tiers))


def test_a_torus_of_its_own_size_plays() -> None:
    assert load_scenario(node(scale_up={"axes": [32, 8]})).cluster.node.scale_up.axes == (32, 8)
