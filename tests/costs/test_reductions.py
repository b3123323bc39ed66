"""All-gathers and all-reduces against their closed forms, limits and measured curves."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from link_prices import FREE, MESH, NEAR, OUT, UP, all_gather, all_reduce, all_to_all

from clustersim.costs.algorithms import RAMP
from clustersim.costs.exchanges import send
from clustersim.costs.links import Link, link_of
from clustersim.costs.placement import RankPlacement, place
from clustersim.costs.reductions import TREE_SHARE
from clustersim.inputs.catalog import load


def test_ring_inside_a_domain_without_latency() -> None:
    """2 (n-1)/n message / bandwidth (Thakur et al. 2005)."""
    group = RankPlacement(8.0, 8.0, 1.0)
    assert all_reduce(1e9, group, NEAR, FREE) == pytest.approx(2 * 7 / 8 * 1e9 / 100e9)
    assert all_gather(1e9, group, NEAR, FREE) == pytest.approx(7 / 8 * 1e9 / 100e9)


def test_segments_bend_the_way_from_latency_to_bandwidth() -> None:
    """Tiny messages take the hops, huge ones the bandwidth; the cross term lies between."""
    group = RankPlacement(8.0, 8.0, 1.0)
    latency = 2e-6 + 14 * 1e-6
    start = Link(UP.bandwidth, UP.latency, start=2e-6)
    assert all_reduce(1.0, group, start, OUT) == pytest.approx(latency, rel=0.01)
    assert all_reduce(1e13, group, start, OUT) == pytest.approx(175.0, rel=0.001)
    middle = 2 * 7 / 8 * 1e6 / 100e9
    expected = latency + middle + RAMP * (13 * 1e-6 * middle) ** 0.5  # hops behind the first one
    assert all_reduce(1e6, group, start, OUT) == pytest.approx(expected)


def test_the_ramp_is_what_nccl_shows_on_eight_a100() -> None:
    """Bus bandwidth of vTrain's table in kernels.csv, GB/s, within 15 %."""
    a100 = link_of(load("nodes", "dgx-a100-80gb").scale_up, 1.0)
    measured = {2**22: 77.0, 2**24: 126.0, 2**26: 203.0, 2**28: 217.0, 2**30: 229.2}
    for message, bus in measured.items():
        seconds = 2 * 7 / 8 * message / (bus * 1e9)
        assert all_reduce(float(message), RankPlacement(8.0, 8.0, 1.0), a100, OUT) == pytest.approx(seconds, rel=0.15)


def test_two_ranks_have_one_hop_and_no_ramp() -> None:
    """With the ramp of A100: two H100 all-reduce 4 to 64 MiB within 15 % at the median (vidur)."""
    pair = RankPlacement(2.0, 2.0, 1.0)
    assert all_gather(1e9, pair, UP, OUT) == pytest.approx(0.5 * 1e9 / 100e9 + 1e-6)
    h100 = link_of(load("nodes", "dgx-h100").scale_up, 1.0)
    measured = {2**22: 97.54, 2**23: 182.36, 2**24: 229.82, 2**25: 246.72, 2**26: 273.91}  # GB/s of bus bandwidth
    errors = [
        abs(float(all_reduce(float(size), pair, h100, OUT)) * bus * 1e9 / size - 1) for size, bus in measured.items()
    ]
    assert median(errors) < 0.15


def test_the_switch_fills_its_pipeline() -> None:
    """Eight H200 with NVLS: 64 MiB to 16 GiB within 5 % of the bus bandwidth measured (ml-engineering, kernels.csv)."""
    h200 = link_of(load("nodes", "hgx-h200").scale_up, 1.0)
    for size, bus in {2**26: 346.51, 2**28: 436.15, 2**30: 463.58, 2**34: 482.26}.items():
        seconds = 2 * 7 / 8 * size / (bus * 1e9)
        assert all_reduce(float(size), RankPlacement(8.0, 8.0, 1.0), h200, OUT) == pytest.approx(seconds, rel=0.05)


def test_members_of_a_domain_pool_their_ways_out() -> None:
    """A ring over nodes is as wide as the members' scale-out links together, up to the scale-up bandwidth."""
    alone, four, eight = (all_gather(1e9, RankPlacement(m * 16.0, m, 16.0), NEAR, FREE) for m in (1.0, 4.0, 8.0))
    assert alone == pytest.approx(15 / 16 * 1e9 / 10e9)
    assert four == pytest.approx(63 / 64 * 1e9 / 40e9)
    assert eight == pytest.approx(127 / 128 * 1e9 / 80e9)


def test_hops_between_domains_hide_behind_long_transfers_and_bind_short_ones() -> None:
    """A ring takes its transfers or its hops, whichever is longer, and one hop more."""
    group, hop = RankPlacement(128.0, 1.0, 128.0), 5e-6
    free, far = (all_gather(1e9, group, NEAR, Link(10e9, latency)) for latency in (0.0, hop))
    assert far - free == pytest.approx(hop)
    assert all_gather(1e3, group, NEAR, Link(10e9, hop)) == pytest.approx(128 * hop)
    even = 127 * hop * 10e9 * 128 / 127  # bytes that take as long as the hops
    assert all_gather(even, group, NEAR, Link(10e9, hop)) == pytest.approx(128 * hop)
    assert all_gather(2 * even, group, NEAR, Link(10e9, hop)) == pytest.approx(255 * hop)


def test_a_ring_over_more_domains_takes_no_longer_where_transfers_bind() -> None:
    """604 MB of an expert's layer over one NIC a node: 12 ms on 16 nodes and on 128 (arXiv 2504.14960, table 4)."""
    few, many = (all_gather(604e6, RankPlacement(n, 1.0, n), UP, Link(50e9, 15e-6)) for n in (16.0, 128.0))
    assert few == pytest.approx(15 / 16 * 604e6 / 50e9 + 15e-6)
    assert many < 1.07 * few


def test_small_messages_over_many_nodes_take_the_tree() -> None:
    group = RankPlacement(1024.0, 8.0, 128.0)
    tree = all_reduce(8.0, group, UP, OUT)
    assert tree == pytest.approx(2 * 7 * 1e-6 + 2 * 7 * 5e-6, rel=0.01)
    assert tree < 2 * all_gather(8.0, group, UP, OUT)


def test_trees_spare_the_links_between_two_nodes() -> None:
    """Over D nodes 2 (D - 1)/D of the vector leaves a node, half of what a ring sends over two."""
    two = all_reduce(1e9, RankPlacement(16.0, 8.0, 2.0), Link(1e12, 0.0), FREE)
    assert two == pytest.approx(1e9 / (8 * 10e9 * TREE_SHARE))
    assert two < 2 * 15 / 16 * 1e9 / 80e9


def test_switches_that_sum_beat_rings_within_a_domain() -> None:
    ring, switch = Link(100e9, 0.0), Link(100e9, 0.0, switch_bandwidth=150e9)
    eight, pair = RankPlacement(8.0, 8.0, 1.0), RankPlacement(2.0, 2.0, 1.0)
    assert all_reduce(1e9, eight, switch, OUT) == pytest.approx(2 * 7 / 8 * 1e9 / 150e9)
    assert all_reduce(1e9, pair, switch, OUT) == all_reduce(1e9, pair, ring, OUT)


def test_small_switched_rings_lose_a_little() -> None:
    """197 GB/s of bus bandwidth between two A100 at 1 GiB, 229 among eight (vTrain, kernels.csv); within 6 %."""
    a100 = link_of(load("nodes", "dgx-a100-80gb").scale_up, 1.0)
    for ranks, bus in ((2.0, 197e9), (4.0, 222e9), (8.0, 229e9)):
        seconds = all_reduce(2.0**30, RankPlacement(ranks, ranks, 1.0), a100, OUT)
        assert 2 * (ranks - 1) / ranks * 2**30 / seconds == pytest.approx(bus, rel=0.06)


def test_full_mesh_gives_a_pair_one_link() -> None:
    """Eight NPUs of an Atlas 800T A2 have seven links of 28 GB/s; two have one (shared facts, HCCS)."""
    pair = all_reduce(1e9, RankPlacement(2.0, 2.0, 1.0), MESH, OUT)
    eight = all_reduce(1e9, RankPlacement(8.0, 8.0, 1.0), MESH, OUT)
    assert pair == pytest.approx(1e9 / 28e9)
    assert eight == pytest.approx(2 * 7 / 8 * 1e9 / 196e9)
    assert send(1e9, False, MESH, OUT).seconds == pytest.approx(1e9 / 28e9)


@given(
    message=st.floats(1.0, 1e12),
    inside=st.sampled_from([1.0, 2.0, 8.0]),
    across=st.sampled_from([1.0, 2.0, 64.0]),
    faster=st.floats(1.0, 100.0),
)
def test_a_faster_link_never_slows_a_collective(message: float, inside: float, across: float, faster: float) -> None:
    group = RankPlacement(inside * across, inside, across)
    for price in (all_gather, all_reduce, all_to_all):
        before = price(message, group, UP, OUT)
        assert price(message, group, Link(UP.bandwidth * faster, UP.latency), OUT) <= before
        assert price(message, group, UP, Link(OUT.bandwidth * faster, OUT.latency)) <= before
        assert price(message * 2, group, UP, OUT) >= before


def test_arrays_price_many_groups_at_once() -> None:
    ranks = np.array([2.0, 8.0, 64.0])
    groups = place(ranks, 1.0, 8.0)
    together = all_reduce(1e8, groups, UP, OUT)
    alone = [float(all_reduce(1e8, place(n, 1.0, 8.0), UP, OUT)) for n in ranks]
    assert np.array_equal(np.asarray(together), alone)
