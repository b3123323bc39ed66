"""Tokens on their way to experts and back."""

from __future__ import annotations

import pytest
from link_prices import FREE, NEAR, all_to_all, seconds

from clustersim.costs.placement import RankPlacement


def test_dispatch_sends_a_vector_once_to_a_domain() -> None:
    """Eight copies over eight nodes meet 8 (1 - (7/8)^8) = 5.25 of them, limited routing four nodes 3.6."""
    group = RankPlacement(64.0, 8.0, 8.0)
    pairwise = all_to_all(8e9, group, NEAR, FREE)
    once = seconds("dispatch", 8e9, group, NEAR, FREE, algorithm="deepep", copies=8.0)
    limited = seconds("dispatch", 8e9, group, NEAR, FREE, algorithm="deepep", copies=8.0, most_domains=4.0)
    assert once == pytest.approx(1e9 * 8 * (1 - (7 / 8) ** 8) * 7 / 8 / 10e9)
    assert limited == pytest.approx(1e9 * 4 * (1 - (3 / 4) ** 8) * 7 / 8 / 10e9)
    assert limited < once < pairwise
    inside = seconds("dispatch", 8e9, RankPlacement(8.0, 8.0, 1.0), NEAR, FREE, algorithm="deepep", copies=8.0)
    assert inside == pytest.approx(8e9 * 7 / 8 / 100e9)
