"""Pairwise order and regret on hand-made times."""

from __future__ import annotations

import pytest

from clustersim.studies.layout_order import layout_order, setting_of


def test_pairs_that_differ_by_more_than_two_percent_are_ordered() -> None:
    order = layout_order([("a", 1.0, 1.0), ("a", 2.0, 3.0), ("a", 3.0, 2.0), ("a", 1.01, 9.0)])
    assert order.pairs == 5  # 1.0 against 1.01 is a tie
    assert order.right == pytest.approx(2 / 5)  # 1 < 2 and 1 < 3; 2 against 3 and both against 9.0 are wrong


def test_regret_is_what_the_pick_takes_longer_than_the_best() -> None:
    order = layout_order([("a", 1.0, 5.0), ("a", 1.2, 4.0), ("b", 1.0, 1.0), ("b", 2.0, 2.0), ("alone", 1.0, 1.0)])
    assert order.choices == 2
    assert order.regret == pytest.approx((0.2 + 0.0) / 2)


def test_nothing_to_order() -> None:
    order = layout_order([("a", 1.0, 1.0)])
    assert (order.pairs, order.right, order.choices, order.regret) == (0, None, 0, None)


def test_settings_share_all_but_the_layout() -> None:
    row = {"source": "s", "model": "m", "n_devices": "8", "framework": "f", "tp": "2"}
    assert setting_of(row) == setting_of(row | {"tp": "4"})
    assert setting_of(row) != setting_of(row | {"framework": "g"})
    folding = row | {"source": "moe-folding-2504.14960"}
    assert setting_of(folding) == setting_of(folding | {"framework": "g"})
