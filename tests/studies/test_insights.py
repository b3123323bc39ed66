"""What moves a figure most, and what would have to be true: found by optimisation, true when it is done."""

from __future__ import annotations

from typing import Any

import pytest
from test_draws import CLAIM

from clustersim.studies.claims.insights import Insight
from clustersim.studies.claims.judge import ClaimReport, check_claim
from clustersim.studies.claims.requirements import Requirement


def judged(value: str, metric: str = "mfu", **parts: Any) -> ClaimReport:
    return check_claim(CLAIM | {"assert": [{"id": "u", "metric": metric, "value": value}]} | parts)


def only(report: ClaimReport) -> Insight:
    (insight,) = report.insights
    return insight


def asked(report: ClaimReport) -> Requirement:
    (need,) = only(report).requirements
    return need


def test_the_needs_make_the_step_as_fast_as_is_claimed() -> None:
    need = asked(judged("60 %"))
    step = need.step
    assert need.speedup == pytest.approx(0.60 / step.mfu)
    assert 1 < need.speedup < need.most
    after = dict(step.breakdown)
    for part in need.needs:
        after[part.part] *= 1 - part.cut
        if part.part in ("gemm", "attention"):
            assert part.now < part.needed < 1
    assert sum(after.values()) == pytest.approx(step.step_time_s / need.speedup, rel=0.01)
    assert need.claimed_mfu == pytest.approx(0.60)
    assert need.sentence.startswith("60.0 % would need, all at once, ")


def test_it_is_the_smallest_change() -> None:
    """Least squares: every part that isn't at its end goes a way in proportion to what it can give."""
    need = asked(judged("55 %"))
    rooms = {part.part: part.cut * need.step.breakdown[part.part] for part in need.needs}
    assert list(rooms.values()) == sorted(rooms.values(), reverse=True)


def test_what_is_reached_needs_nothing_and_what_nothing_reaches_says_so() -> None:
    reached = asked(judged("20 %"))
    assert (reached.needs, reached.sentence.endswith("the best layout is predicted to reach it")) == ((), True)
    beyond = asked(judged("99 %"))
    assert beyond.needs == ()
    assert "with every kernel at the best rate" in beyond.sentence


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("achieved_flops", "3 PFLOP/s"),
        ("achieved_flops_per_device", "190 TFLOP/s"),
        ("tokens_per_s", "70k"),
        ("tokens_per_s_per_device", "4500"),
        ("step_time_s", "1.8 s"),
        ("training_days", "150"),
        ("device_hours", "60k"),
        ("cost_usd", "100k USD"),
    ],
)
def test_every_figure_of_speed_has_its_requirement(metric: str, value: str) -> None:
    need = asked(judged(value, metric))
    assert 0.5 < need.speedup < 3
    assert need.to_dict()["sentence"]


def test_a_figure_without_speed_has_none() -> None:
    assert only(judged("60 GiB", "memory")).requirements == ()
    assert judged("7B", "parameters").insights == ()


def test_the_unknown_that_moves_it_most_comes_first() -> None:
    opened = {"cluster.nodes": [1, 4], "cluster.availability": {"from": "99 %", "to": "100 %"}}
    moved = only(judged("1000", "training_days", open=opened)).swings
    assert moved[0].unknown == "nodes"
    assert (moved[0].low_at, moved[0].high_at) == ("4", "1")
    assert [swing.width for swing in moved] == sorted((swing.width for swing in moved), reverse=True)
    assert {swing.unknown for swing in moved} == {"nodes", "the model's error", "software", "cluster.availability"}
    error = next(swing for swing in moved if swing.unknown == "the model's error")
    assert error.low < error.high
