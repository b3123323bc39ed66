"""Pairwise order and regret on hand-made times."""

from __future__ import annotations

import pytest

from clustersim.studies.validation.layout_order import LaidOut, layout_key, layout_order, setting_of


def _rows(*told: tuple[str, str, float, float]) -> list[LaidOut]:
    return [LaidOut(*row) for row in told]


def test_pairs_that_differ_by_more_than_two_percent_are_ordered() -> None:
    order = layout_order(_rows(("a", "1", 1.0, 1.0), ("a", "2", 2.0, 3.0), ("a", "3", 3.0, 2.0), ("a", "4", 1.01, 9.0)))
    assert order.pairs == 5  # 1.0 against 1.01 is a tie
    assert order.right == pytest.approx(2 / 5)  # 1 < 2 and 1 < 3; 2 against 3 and both against 9.0 are wrong


def test_layouts_predicted_as_equal_are_not_told_apart() -> None:
    for measured in ((1.0, 2.0), (2.0, 1.0)):
        order = layout_order(_rows(("a", "1", measured[0], 1.0), ("a", "2", measured[1], 1.0)))
        assert (order.pairs, order.right) == (1, 0.0)


def test_a_layout_measured_again_is_no_pair_but_a_better_mean() -> None:
    order = layout_order(_rows(("a", "1", 1.0, 1.0), ("a", "1", 2.0, 1.0), ("a", "2", 1.4, 0.9)))
    assert (order.pairs, order.right, order.repeats) == (1, 1.0, 1)  # 1.5 against 1.4
    assert layout_order(_rows(("a", "1", 1.0, 1.0), ("a", "1", 2.0, 1.0))).choices == 0


def test_regret_is_what_the_pick_takes_longer_than_the_best() -> None:
    order = layout_order(
        _rows(
            ("a", "1", 1.0, 5.0),
            ("a", "2", 1.2, 4.0),
            ("b", "1", 1.0, 1.0),
            ("b", "2", 2.0, 2.0),
            ("alone", "1", 1.0, 1.0),
        )
    )
    assert order.choices == 2
    assert order.regret == pytest.approx((0.2 + 0.0) / 2)


def test_nothing_to_order() -> None:
    order = layout_order(_rows(("a", "1", 1.0, 1.0)))
    assert (order.pairs, order.right, order.choices, order.regret) == (0, None, 0, None)


def test_a_layout_is_what_ran_not_who_measured_it() -> None:
    row = {"id": "a", "tp": "2", "notes": "first", "measured_step_time_s": "1"}
    assert layout_key(row) == layout_key(row | {"id": "b", "notes": "again", "measured_step_time_s": "2"})
    assert layout_key(row) != layout_key(row | {"tp": "4"})


def test_one_replica_shares_nothing_with_others() -> None:
    row = {"tp": "8", "dp": "1", "cp": "1", "sharding": "ZeRO-1", "overlap": "tensor|grad_reduce"}
    assert layout_key(row) == layout_key(row | {"sharding": "none", "overlap": "tensor"})
    assert layout_key(row) != layout_key(row | {"overlap": "grad_reduce"})
    shared = row | {"dp": "2"}
    assert layout_key(shared) != layout_key(shared | {"sharding": "none"})


def test_settings_share_all_but_the_layout() -> None:
    row = {"source": "s", "model": "m", "n_devices": "8", "framework": "f", "tp": "2"}
    assert setting_of(row) == setting_of(row | {"tp": "4"})
    assert setting_of(row) != setting_of(row | {"framework": "g"})
    folding = row | {"source": "moe-folding-2504.14960"}
    assert setting_of(folding) == setting_of(folding | {"framework": "g"})
