"""What a claimed figure is called: by the bound, by records, by probability."""

from __future__ import annotations

import csv
import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.inputs.amounts import amount, number, times, whole
from clustersim.studies.claims.verdicts import (
    PROBABILITY_FLOOR,
    ClaimedFigure,
    Shown,
    best_of,
    judge,
    verdict_of,
    worst,
)
from clustersim.studies.validation.validation import packaged_rows

SPREAD = np.exp(0.1 * np.array([NormalDist().inv_cdf((draw + 0.5) / 4001) for draw in range(4001)]))


OTHER_KIND = "of another kind of model"


def boast(claimed: float, best: float = 0.4, bound: float = 0.9, **changes: Any) -> ClaimedFigure:
    """A figure beside attainable ones that spread by 10 %; a record counts unless its system is `apart`."""
    record = changes.get("record")
    found = record * np.ones(9) if record and not changes.get("apart") else None
    shown = None if found is None else Shown(found, found)
    return ClaimedFigure(claimed, best * SPREAD, bound, shown=shown, **({"unit": "%"} | changes))


@pytest.mark.parametrize(
    ("claimed", "verdict", "probability"),
    [
        (0.30, "supported", 0.998),
        (0.40, "supported", 0.5),
        (0.44, "plausible", 0.170),
        (0.50, "implausible", 0.0128),
        (0.82, "implausible", PROBABILITY_FLOOR),
        (0.91, "impossible", 0.0),
    ],
)
def test_the_verdict_follows_from_bound_and_probability(claimed: float, verdict: str, probability: float) -> None:
    judgement = judge(boast(claimed))
    assert judgement.verdict == verdict
    assert judgement.probability == pytest.approx(probability, abs=5e-4)


def test_the_least_probability_is_what_the_packaged_groups_support() -> None:
    with packaged_rows().open(encoding="utf-8", newline="") as file:
        groups = {row["group"] for row in csv.DictReader(file)}
    assert pytest.approx(1 / (len(groups) + 1)) == PROBABILITY_FLOOR


def test_a_record_of_the_same_kind_supports_what_it_reached() -> None:
    assert judge(boast(0.6, record=0.65)).verdict == "supported"
    assert judge(boast(0.66, record=0.65)).verdict == "implausible"
    assert judge(boast(0.6, record=0.65, apart=OTHER_KIND)).verdict == "implausible"
    assert judge(boast(0.95, record=0.99)).verdict == "impossible", "nothing is past the bound"


def test_a_record_supports_in_the_draws_that_it_reaches() -> None:
    """A record that reaches the figure on a third of the clusters left open is no support: P and verdict agree."""
    reached = np.where(np.arange(900) % 3 == 0, 0.65, 0.3)
    some = ClaimedFigure(0.6, 0.3 * np.ones(900), 0.9, "%", record=0.65, shown=Shown(reached, reached))
    assert judge(some).probability == pytest.approx(1 / 3)
    assert judge(some).verdict == "plausible"
    errors = np.exp(0.05 * np.linspace(-2, 1.9, 900))  # a sample of errors that leans to the low side
    exactly = ClaimedFigure(
        0.65, 0.3 * np.ones(900), 0.9, "%", record=0.65, shown=Shown(0.65 * np.ones(900), 0.65 * errors)
    )
    assert judge(exactly).probability == 0.5
    assert judge(exactly).verdict == "supported"


@given(st.floats(0.05, 0.85), st.floats(0.05, 0.85), st.floats(0.05, 0.85), st.booleans())
def test_verdict_and_probability_never_disagree(claimed: float, best: float, record: float, lower: bool) -> None:
    made = boast(claimed, best=best, bound=0.01 if lower else 0.9, record=record, lower=lower)
    judgement = judge(made)
    assert judgement.verdict == verdict_of(judgement.probability)


def test_less_is_the_greater_boast_of_times_and_costs() -> None:
    days = {"unit": "days", "lower": True, "best": 50.0, "bound": 20.0}
    verdicts = [judge(boast(claimed, **days)).verdict for claimed in (60.0, 46.0, 30.0, 19.0)]
    assert verdicts == ["supported", "plausible", "implausible", "impossible"]
    assert judge(boast(30.0, **days, record=29.0)).verdict == "supported"


def test_an_equality_is_granted_its_tolerance() -> None:
    assert judge(boast(0.42)).verdict == "plausible"
    assert judge(boast(0.42, tolerance=0.05)).verdict == "supported"
    assert judge(boast(0.94, bound=0.9, tolerance=0.05)).verdict == "implausible"
    assert judge(boast(0.2, tolerance=0.05)).verdict == "supported", "whoever can do more can do as much"
    days = {"unit": "days", "lower": True, "best": 50.0, "bound": 48.0, "tolerance": 0.05}
    assert judge(boast(47.9, **days)).verdict == "supported"


def test_an_equality_between_two_systems_fails_both_ways() -> None:
    ratio = {"bound": math.inf, "best": 0.9, "tolerance": 0.05, "both_ways": True}
    assert [judge(boast(claimed, **ratio)).verdict for claimed in (0.7, 0.8, 0.91, 1.05, 1.3)] == [
        "implausible",
        "plausible",
        "supported",
        "plausible",
        "implausible",
    ]


@given(st.floats(0.01, 10), st.floats(0.01, 10), st.booleans())
def test_more_is_never_easier(claimed: float, best: float, lower: bool) -> None:
    harder = claimed / 1.1 if lower else claimed * 1.1
    easy, hard = (boast(value, best=best, lower=lower).probability for value in (claimed, harder))
    assert PROBABILITY_FLOOR <= hard <= easy <= 1


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (boast(0.3), "the best layouts reach 40.0 %"),
        (boast(0.3, record=0.5), "the best layouts reach 40.0 % and the best published run reached 50.0 %"),
        (
            boast(0.44, record=0.41),
            "the best layouts reach 40.0 %, the best published run reached 41.0 %, and 44.0 % lies within what is "
            "not known",
        ),
        (boast(0.82), "82.0 % is 2.05 times the 40.0 % of the best layouts"),
        (
            boast(0.82, record=0.5, apart=OTHER_KIND),
            "82.0 % is 2.05 times the 40.0 % of the best layouts and 1.64 times the 50.0 % of the best published "
            "run, of another kind of model",
        ),
        (boast(0.95), "95.0 % is past the 90.0 % of the chip's best measured kernel with nothing else to do"),
        (
            boast(5.0, best=15.0, bound=2.0, unit="days", lower=True, record=10.0),
            "the best layouts need 15 days, 3.00 times the claim, and at the rate of the best published run it "
            "comes to 10 days",
        ),
        (
            boast(20.0, best=15.0, bound=2.0, unit="days", lower=True, record=10.0),
            "the best layouts need 15 days and at the rate of the best published run it comes to 10 days",
        ),
        (boast(5.0, best=15.0, bound=2.0, unit="days", lower=True), "the best layouts need 15 days, 3.00 times"),
        (
            boast(1.0, best=15.0, bound=2.0, unit="days", lower=True),
            "1 day is less than the 2 days of the chip's best measured kernel with nothing else to do",
        ),
    ],
)
def test_the_reason_is_one_sentence_with_its_numbers(made: ClaimedFigure, reason: str) -> None:
    assert judge(made).reason.startswith(reason)
    assert "\n" not in judge(made).reason


def test_best_and_worst() -> None:
    assert worst(["supported", "impossible", "plausible"]) == "impossible"
    assert worst(["supported", "untestable"]) == "supported"
    assert worst(["untestable"]) == worst([]) == "untestable"
    assert best_of(["inconsistent", "implausible"]) == "implausible"
    assert [verdict_of(probability) for probability in (0.5, 0.05, 0.049)] == ["supported", "plausible", "implausible"]


def test_what_is_attainable_stays_within_the_bound() -> None:
    assert boast(0.82, best=2.0).best == 0.9
    assert boast(0.3).interval_80 == pytest.approx((0.352, 0.4547), abs=1e-3)
    assert boast(30.0, best=1.0, bound=20.0, lower=True).best == 20.0


def test_amounts_for_people() -> None:
    assert amount(0.8203, "%") == "82.0 %"
    assert amount(25.0, "%") == "2,500 %"
    assert amount(512e15, "FLOP/s") == "512 PFLOP/s"
    assert amount(13.754, "s") == "13.75 s"
    assert amount(2.664e6, "device-hours") == "2.664M device-hours"
    assert amount(78e9, "parameters") == "78B parameters"
    assert [amount(5.2e15, "bytes"), amount(60.0 * 2**30, "bytes")] == ["5.2 PB", "60 GiB"]
    assert amount(54.04, "days") == "54.04 days"
    assert [number(6.5), number(4267.3), number(1e30)] == ["6.5", "4,267", "1e30"]
    assert [whole(1763.6), whole(2.5e7)] == ["1,764", "25M"]
    assert [times(2.2345), times(1234.5)] == ["2.23 times", "1,234 times"]
