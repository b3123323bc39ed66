"""All-to-alls and single messages."""

from __future__ import annotations

import pytest
from link_prices import FREE, NEAR, OUT, UP, all_to_all

from clustersim.costs.algorithms import Cost, Reach, cost_of
from clustersim.costs.exchanges import EXCHANGE_SHARE, send
from clustersim.costs.links import Link
from clustersim.costs.placement import RankPlacement
from clustersim.workload.operations import Collective


def test_send_takes_the_tier_that_it_crosses() -> None:
    assert send(1e9, True, UP, OUT).seconds == pytest.approx(0.1 + 5e-6)
    assert send(1e9, False, NEAR, OUT).seconds == pytest.approx(0.01)


def test_all_to_all_works_both_tiers_at_once() -> None:
    group = RankPlacement(64.0, 8.0, 8.0)
    assert all_to_all(1e9, group, NEAR, FREE) == pytest.approx(56 / 64 * 0.1 / EXCHANGE_SHARE)
    assert all_to_all(1e9, RankPlacement(8.0, 8.0, 1.0), NEAR, FREE) == pytest.approx(7 / 8 * 0.01)


def passed_on(group: RankPlacement, up: Link = NEAR, out: Link = FREE) -> Cost:
    return cost_of(Collective("ring", "pass-on", "context", 1e9), Reach(group, up, out))


def test_a_ring_between_domains_has_the_links_of_one_rank_wherever_its_ranks_sit() -> None:
    """Eight ranks of a domain don't help the one at its edge; a strided group has one rank a domain anyway."""
    slow = Link(1e9, 0.0)
    together, strided = RankPlacement(16.0, 8.0, 2.0), RankPlacement(16.0, 1.0, 16.0)
    assert passed_on(together, out=slow).seconds == pytest.approx(15 / 16)
    assert passed_on(strided, out=slow).seconds == pytest.approx(15 / 16)
    assert passed_on(together, out=slow).far == pytest.approx(15 / 16 * 1e9 / 8)
    assert passed_on(strided, out=slow).far == pytest.approx(15 / 16 * 1e9)


def test_inside_a_domain_a_ring_has_one_link_to_the_neighbour() -> None:
    """On a full mesh of eight that is a seventh of what all links carry; a rank alone passes nothing on."""
    group = RankPlacement(8.0, 8.0, 1.0)
    mesh = Link(196e9, 0.0, pair_bandwidth=28e9)
    assert passed_on(group).seconds == pytest.approx(7 / 8 * 1e9 / NEAR.bandwidth)
    assert passed_on(group, mesh).seconds == pytest.approx(7 / 8 * 1e9 / 28e9)
    assert passed_on(RankPlacement(1.0, 1.0, 1.0)).seconds == 0.0
