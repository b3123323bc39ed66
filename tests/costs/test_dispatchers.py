"""Tokens on their way to experts and back."""

from __future__ import annotations

import pytest
from link_prices import FREE, NEAR, all_to_all, seconds

from clustersim.costs.collectives import Reach, cost_of
from clustersim.costs.dispatchers import METADATA, METADATA_A_RANK, met
from clustersim.costs.placement import RankPlacement
from clustersim.workload.operations import Collective


def test_dispatch_sends_a_vector_once_to_a_domain_and_to_a_rank() -> None:
    """Eight copies over eight nodes meet 8 (1 - (7/8)^8) = 5.25 of them, limited routing four nodes 3.6."""
    group = RankPlacement(64.0, 8.0, 8.0)
    pairwise = all_to_all(8e9, group, NEAR, FREE)
    once = seconds("dispatch", 8e9, group, NEAR, FREE, algorithm="deepep", copies=8.0)
    limited = seconds("dispatch", 8e9, group, NEAR, FREE, algorithm="deepep", copies=8.0, most_domains=4.0)
    begun = METADATA + 64 * METADATA_A_RANK
    assert once == pytest.approx(begun + 1e9 * 8 * (1 - (7 / 8) ** 8) * 7 / 8 / 10e9)
    assert limited == pytest.approx(begun + 1e9 * 4 * (1 - (3 / 4) ** 8) * 7 / 8 / 10e9)
    assert limited < once < pairwise
    inside = seconds("dispatch", 8e9, RankPlacement(8.0, 8.0, 1.0), NEAR, FREE, algorithm="deepep", copies=8.0)
    begun = METADATA + 8 * METADATA_A_RANK
    assert inside == pytest.approx(begun + 1e9 * 8 * (1 - (7 / 8) ** 8) * 7 / 8 / 100e9)
    message = Collective("served", "dispatch", "expert", 8e9, "deepep", 8.0)
    served = cost_of(message, Reach(RankPlacement(8.0, 8.0, 1.0), NEAR, FREE, announces=False))
    assert served.seconds == pytest.approx(inside - begun)


@pytest.mark.parametrize(("ranks", "distinct"), [(8, 5.25), (16, 6.45), (32, 7.18), (64, 7.576)])
def test_eight_copies_meet_so_many_ranks(ranks: int, distinct: float) -> None:
    assert met(ranks, 8.0) == pytest.approx(distinct, abs=0.005)
    assert met(1.0, 8.0) == 1.0
    assert met(ranks, 1.0) == pytest.approx(1.0)
