"""Keys and values that pass from neighbour to neighbour: one boundary a pair of domains, on one device's links."""

from __future__ import annotations

import numpy as np
import pytest

from clustersim.costs.algorithms import Reach, cost_of
from clustersim.costs.links import Link
from clustersim.costs.placement import RankPlacement
from clustersim.workload.operations import Collective

NVLINK, NIC = Link(400e9, 0.0), Link(50e9, 0.0)
INSIDE, SPREAD, CONTIGUOUS = RankPlacement(8.0, 8.0, 1.0), RankPlacement(8.0, 1.0, 8.0), RankPlacement(16.0, 8.0, 2.0)


def passed(group: RankPlacement, size: float = 8e9, up: Link = NVLINK, out: Link = NIC, kind: str = "pass-on") -> float:
    return float(cost_of(Collective("kv", kind, "context", size), Reach(group, up, out)).seconds)  # type: ignore[arg-type]


def test_a_ring_inside_a_domain_takes_n_minus_1_messages_over_one_link() -> None:
    assert passed(INSIDE) == pytest.approx(7 * 1e9 / 400e9)
    mesh = Link(392e9, 0.0, pair_bandwidth=56e9)
    assert passed(INSIDE, up=mesh) == pytest.approx(7 * 1e9 / 56e9)  # the one link to the neighbour


@pytest.mark.parametrize("group", [SPREAD, CONTIGUOUS])
def test_a_boundary_between_domains_is_crossed_on_one_nic(group: RankPlacement) -> None:
    """Spread ranks have one each; of eight neighbours in a domain the one at the edge crosses, while seven watch."""
    assert passed(group) == pytest.approx((group.ranks - 1) * (8e9 / group.ranks) / 50e9)
    gathered = passed(group, kind="all-gather")
    if group is CONTIGUOUS:
        assert passed(group) / gathered == pytest.approx(8.0)  # an all-gather's rings leave by the NICs of all eight
    else:
        assert passed(group) == pytest.approx(gathered)


def test_each_step_has_its_latency() -> None:
    late = Link(50e9, 10e-6)
    assert passed(SPREAD, out=late) - passed(SPREAD) == pytest.approx(7 * 10e-6)
    assert passed(INSIDE, out=late) == passed(INSIDE)


def test_bytes_are_kept_over_the_tiers() -> None:
    """n ranks send n - 1 messages each; of a domain's eight links one leaves it."""
    cost = cost_of(Collective("kv", "pass-on", "context", 16e9), Reach(CONTIGUOUS, NVLINK, NIC))
    assert cost.near + cost.far == pytest.approx(15e9)
    assert cost.far == pytest.approx(15e9 / 8)


def test_many_groups_at_once_take_what_each_takes() -> None:
    ranks, inside = np.array([1.0, 8.0, 8.0, 16.0]), np.array([1.0, 8.0, 1.0, 8.0])
    together = cost_of(
        Collective("kv", "pass-on", "context", np.full(4, 8e9)),
        Reach(RankPlacement(ranks, inside, ranks / inside), NVLINK, NIC),
    )
    alone = [passed(group) for group in (RankPlacement(1.0, 1.0, 1.0), INSIDE, SPREAD, CONTIGUOUS)]
    assert together.seconds.tolist() == alone
    assert alone[0] == 0.0
