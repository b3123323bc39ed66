"""Draws: the same for everybody who asks, apart for every unknown, and as wide as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clustersim.inputs.load import load_claim
from clustersim.simulation.evidence import evidence
from clustersim.studies.claims.draws import (
    DRAWS,
    RECORD_SPREAD,
    REMEASURED,
    SILENCE,
    Draws,
    attainable,
    error_spread,
    reached_again,
    within_reach,
)
from clustersim.studies.claims.outcomes import SOFTWARE, BestLayout, best_points
from clustersim.studies.claims.scenarios import Setting, possible_settings

CLAIM: dict[str, Any] = {
    "name": "a small claim",
    "source": {"text": "so it is said", "date": "2025-01-01", "who": "somebody", "reliability": "rumour"},
    "given": {
        "model": "llama-2-7b",
        "cluster": {"node": "dgx-a100-80gb", "nodes": 2},
        "training": {"sequence_length": 2048, "global_batch": 64, "tokens": "1T"},
        "layout": {"tensor": 2, "micro_batch": 2},
        "stack": "megatron-lm-2022",
    },
    "assert": [{"id": "u", "metric": "utilization", "value": "40 %", "definition": "mfu"}],
}


def points(**opened: Any) -> tuple[BestLayout, ...]:
    settings = possible_settings(load_claim(CLAIM | {"open": opened})).settings
    found = best_points(settings)
    assert all(isinstance(point, BestLayout) for point in found)
    return tuple(point for point in found if isinstance(point, BestLayout))


@pytest.fixture(scope="module")
def plain() -> tuple[BestLayout, ...]:
    return points()


def test_predictions_lie_between_the_stack_and_a_perfect_one(plain: tuple[BestLayout, ...]) -> None:
    seconds = Draws(plain, 0).figure("step_time_s")
    assert seconds is not None
    places = [figures["step_time_s"] for figures in plain[0].axes[SOFTWARE].figures]
    assert places == sorted(places, reverse=True), "better software is faster"
    assert places[-1] <= seconds.min() < seconds.max() <= places[0]
    assert len(seconds) == DRAWS


def test_a_range_is_played_at_its_ends_and_drawn_between() -> None:
    key = "cluster.node.scale_out.efficiency"
    ranged = points(**{key: {"from": 0.2, "to": 0.9}})
    assert len(ranged) == 1
    played = [figures["step_time_s"] for figures in ranged[0].axes[key].figures]
    assert played[0] > played[1] > played[2]
    places = Draws(ranged, 0).places[key]
    assert 0 <= places.min() < 0.01
    assert places.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * DRAWS))
    likely = Draws(points(**{key: {"from": 0.2, "to": 0.9, "likely": 0.9}}), 0).places[key]
    assert likely.mean() == pytest.approx(2 / 3, abs=4 / np.sqrt(18 * DRAWS))


def test_a_spread_is_log_normal() -> None:
    days = Draws(points(**{"training.tokens": {"median": "1T", "spread": 0.3}}), 0)
    drawn, plain = days.figure("training_days"), Draws(points(), 0).figure("training_days")
    assert drawn is not None
    assert plain is not None
    ratio = np.log(drawn / plain)
    assert np.median(ratio) == pytest.approx(0.0, abs=0.03)
    assert ratio.std() == pytest.approx(0.3, rel=0.1)
    assert np.array_equal(days.error, Draws(points(), 0).error), "a new unknown changes no other draw"


def test_whole_numbers_are_tried_not_drawn() -> None:
    settings = possible_settings(load_claim(CLAIM | {"open": {"cluster.nodes": {"from": 1, "to": 4}}})).settings
    nodes = [setting.scenario.cluster.nodes for setting in settings if isinstance(setting, Setting)]
    assert nodes == [1, 2, 4]


def test_all_points_are_equally_likely_and_seeds_differ() -> None:
    three = points(**{"cluster.nodes": [1, 2, 4]})
    draws = Draws(three, 1)
    counts = np.bincount(draws.at)
    assert counts == pytest.approx(DRAWS / 3, abs=4 * np.sqrt(DRAWS * 2 / 9))
    assert not np.array_equal(draws.error, Draws(three, 2).error)
    assert np.array_equal(draws.error, Draws(three, 1).error)


def test_errors_are_as_wide_as_intervals_say(plain: tuple[BestLayout, ...]) -> None:
    step = plain[0].result.step
    drawn = step.mfu * attainable(np.ones(DRAWS), Draws(plain, 0))
    for level, outside in (("80", 0.1), ("95", 0.025)):
        low, high = np.quantile(drawn, (outside, 1 - outside))
        assert (low, high) == pytest.approx(step.intervals["mfu"][level], rel=0.04)


def test_a_record_below_the_prediction_weighs_against_it(plain: tuple[BestLayout, ...]) -> None:
    draws = Draws(plain, 0)
    one, many = (np.median(attainable(np.ones(DRAWS), draws, 0.8, groups)) for groups in (1, 50))
    assert 0.8 < many < one < 1.0, "the more have tried, the more their silence says"
    spread = error_spread(plain[0].result.step.scenario)
    silence = np.hypot(RECORD_SPREAD, SILENCE)
    weight = silence**-2 / (silence**-2 + spread**-2)
    assert np.log(one) == pytest.approx(weight * np.log(0.8), abs=6 * spread / np.sqrt(DRAWS))
    past, alone = attainable(np.ones(DRAWS), draws, 1.1, 3), attainable(np.ones(DRAWS), draws)
    assert np.array_equal(past[alone <= 1.1], alone[alone <= 1.1]), "a record past it is of another model"
    assert (past[alone > 1.1] < alone[alone > 1.1]).all(), "but nobody has been past it"
    again = np.log(reached_again(np.full(DRAWS, 1.2), draws) / 1.2)
    assert np.quantile(again, 0.9) == pytest.approx(REMEASURED * evidence().quantiles["80"], rel=0.1)


def test_what_one_draw_in_twenty_comes_to_is_within_reach(plain: tuple[BestLayout, ...]) -> None:
    draws = Draws(plain, 0)
    reach = within_reach(np.ones(DRAWS), draws)
    spread = np.hypot(error_spread(plain[0].result.step.scenario), RECORD_SPREAD)
    assert reach == pytest.approx(np.exp(spread * np.quantile(draws.error, 0.95)), rel=1e-3)
    assert 1.1 < reach < 1.6
    assert within_reach(np.full(DRAWS, 0.5), draws) == pytest.approx(reach / 2)
