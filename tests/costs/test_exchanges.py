"""All-to-alls and single messages."""

from __future__ import annotations

import pytest
from link_prices import FREE, NEAR, OUT, UP, all_to_all

from clustersim.costs.exchanges import EXCHANGE_SHARE, send
from clustersim.costs.placement import RankPlacement


def test_send_takes_the_tier_that_it_crosses() -> None:
    assert send(1e9, True, UP, OUT).seconds == pytest.approx(0.1 + 5e-6)
    assert send(1e9, False, NEAR, OUT).seconds == pytest.approx(0.01)


def test_all_to_all_works_both_tiers_at_once() -> None:
    group = RankPlacement(64.0, 8.0, 8.0)
    assert all_to_all(1e9, group, NEAR, FREE) == pytest.approx(56 / 64 * 0.1 / EXCHANGE_SHARE)
    assert all_to_all(1e9, RankPlacement(8.0, 8.0, 1.0), NEAR, FREE) == pytest.approx(7 / 8 * 0.01)
