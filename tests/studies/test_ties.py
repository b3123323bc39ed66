"""Figures of one claim that physics ties together: they agree, exclude each other, or say what follows."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from test_draws import CLAIM

from clustersim.studies.claims.equations import Equation
from clustersim.studies.claims.judge import ClaimReport, check_claim


def judged(*assertions: dict[str, Any], given: dict[str, Any] | None = None, **parts: Any) -> ClaimReport:
    made = deepcopy(CLAIM)
    made["given"] |= given or {}
    made["assert"] = [{"id": values["metric"]} | values for values in assertions]
    return check_claim(made | parts)


def between(report: ClaimReport, *ids: str, definition: str = "") -> list[Equation]:
    return [
        equation
        for equation in report.contradictions
        if set(equation.ties) == set(ids) and equation.definition in ("", definition)
    ]


RATE = 2 * 8 * 3e3  # tokens a second of 16 devices at 3,000 each


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ({"metric": "tokens_per_s", "value": RATE}, {"metric": "tokens_per_s_per_device", "value": 3000}, "consistent"),
        (
            {"metric": "tokens_per_s", "value": RATE},
            {"metric": "tokens_per_s_per_device", "value": 4000},
            "inconsistent",
        ),
        ({"metric": "tokens_per_s", "value": RATE}, {"metric": "step_time_s", "value": 2.73}, "consistent"),
        ({"metric": "tokens_per_s", "value": RATE}, {"metric": "step_time_s", "value": 3.5}, "inconsistent"),
        ({"metric": "tokens_per_s", "value": RATE}, {"metric": "training_days", "value": 241}, "consistent"),
        ({"metric": "tokens_per_s", "value": RATE}, {"metric": "training_days", "value": 300}, "consistent"),
        ({"metric": "tokens_per_s", "value": RATE}, {"metric": "training_days", "value": 200}, "inconsistent"),
        ({"metric": "training_days", "value": 241}, {"metric": "device_hours", "value": 241 * 24 * 16}, "consistent"),
        ({"metric": "training_days", "value": 241}, {"metric": "device_hours", "value": 241 * 24 * 24}, "inconsistent"),
    ],
)
def test_rates_and_times_agree_or_exclude_each_other(one: dict[str, Any], other: dict[str, Any], verdict: str) -> None:
    found = between(judged(one, other), one["metric"], other["metric"])
    assert found
    assert {equation.verdict for equation in found} >= {verdict}
    assert ("inconsistent" in {equation.verdict for equation in found}) == (verdict == "inconsistent")


def test_a_share_of_the_peak_is_tied_to_the_speed_by_its_convention() -> None:
    """6 x 6.7 B x 3,000 tokens a second are 121 TFLOP/s, 39 % of 312, and attention adds a little."""
    for share, verdict in (("40.5 %", "consistent"), ("60 %", "inconsistent"), ("30 %", "inconsistent")):
        report = judged(
            {"metric": "mfu", "value": share, "id": "u"}, {"metric": "tokens_per_s_per_device", "value": 3000}
        )
        (found,) = between(report, "u", "tokens_per_s_per_device", definition="mfu")
        assert found.verdict == verdict
        assert found.implied == pytest.approx(0.41, abs=0.02)
        assert (report.figures["u"] == "inconsistent") == (verdict == "inconsistent")


def test_days_may_be_longer_than_the_share_of_the_peak_says_but_not_shorter() -> None:
    for days, verdict in ((300, "consistent"), (150, "inconsistent")):
        report = judged({"metric": "mfu", "value": "40 %", "id": "u"}, {"metric": "training_days", "value": days})
        (found,) = between(report, "u", "training_days", definition="mfu")
        assert found.verdict == verdict
    assert "of the time would have been productive" in between(
        judged({"metric": "mfu", "value": "60 %", "id": "u"}, {"metric": "training_days", "value": 300}),
        "u", "training_days", definition="mfu",
    )[0].reason  # fmt: skip


def test_an_unstated_share_survives_by_the_convention_that_fits() -> None:
    report = judged(
        {"metric": "utilization", "value": "39 %", "id": "u"}, {"metric": "tokens_per_s_per_device", "value": 3000}
    )
    by_meaning = {equation.definition: equation.verdict for equation in report.contradictions}
    assert by_meaning["mfu_6n"] == "consistent"
    assert by_meaning["mfu"] == "inconsistent"
    assert report.figures["u"] in ("supported", "plausible")


def test_flops_of_one_device_and_of_all_are_tied_to_shares_and_speeds() -> None:
    share, each = {"metric": "mfu", "value": "50 %", "id": "u"}, "achieved_flops_per_device"
    good, bad = (judged(share, {"metric": each, "value": value}) for value in ("156 TFLOP/s", "120 TFLOP/s"))
    assert [between(report, "u", each)[0].verdict for report in (good, bad)] == ["consistent", "inconsistent"]
    speed = {"metric": "tokens_per_s_per_device", "value": 3000}
    for total, verdict in (
        ("2.1 PFLOP/s", "consistent"),
        ("1.5 PFLOP/s", "inconsistent"),
        ("3 PFLOP/s", "inconsistent"),
    ):
        report = judged({"metric": "achieved_flops", "value": total}, speed)
        assert between(report, "achieved_flops", speed["metric"])[0].verdict == verdict


def test_cost_over_hours_is_a_price() -> None:
    hours, cost = {"metric": "device_hours", "value": 100_000}, {"metric": "cost_usd", "value": "$200k"}
    (unsaid,) = between(judged(hours, cost), "device_hours", "cost_usd")
    assert (unsaid.verdict, unsaid.implied) == ("informative", 2.0)
    for price, verdict in (("2 USD/h", "consistent"), ("3 USD/h", "inconsistent")):
        given = {"cluster": CLAIM["given"]["cluster"] | {"price": price}}
        assert between(judged(hours, cost, given=given), "device_hours", "cost_usd")[0].verdict == verdict


def test_figures_that_are_given_are_tied_and_not_judged() -> None:
    report = judged({"metric": "mfu", "value": "40 %", "id": "u"}, given={"achieved_flops": "4 PFLOP/s"})
    assert set(report.figures) == {"u"}
    assert report.figures["u"] == "inconsistent"
    assert between(report, "u", "achieved_flops")[0].verdict == "inconsistent"


def test_nothing_is_tied_to_what_is_left_open() -> None:
    given = {"cluster": {"node": "dgx-a100-80gb"}}
    opened = {"cluster.nodes": [1, 2]}
    report = judged(
        {"metric": "tokens_per_s", "value": RATE}, {"metric": "training_days", "value": 10}, given=given, open=opened
    )
    assert not report.contradictions
    hours = {"metric": "device_hours", "value": 1e5}
    report = judged({"metric": "training_days", "value": 10}, hours, given=given, open=opened)
    assert [equation.verdict for equation in report.contradictions] == ["informative"]


def test_parameters_are_the_shapes_and_fit() -> None:
    report = judged({"metric": "parameters", "value": "6.7B"}, {"metric": "active_parameters", "value": "13B"})
    assert report.figures == {"parameters": "plausible", "active_parameters": "inconsistent"}


def test_data_are_collected_or_trained_on() -> None:
    small, large = (judged({"metric": "data_bytes", "value": size}) for size in ("100 GB", "5 PB"))
    assert [row.verdict for row in small.assertions] == ["untestable", "plausible"]
    assert [row.verdict for row in large.assertions] == ["untestable", "implausible"]
    assert small.verdict == large.verdict == "untestable"


def test_memory_is_that_of_the_leanest_layout() -> None:
    given = {key: value for key, value in CLAIM["given"].items() if key != "layout"}
    made = CLAIM | {"given": given}
    verdicts = [
        check_claim(made | {"assert": [{"id": "m", "metric": "memory", "value": value}]}).verdict
        for value in ("70 GiB", "4 GiB")
    ]
    assert verdicts == ["supported", "impossible"]
