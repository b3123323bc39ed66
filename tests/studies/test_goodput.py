"""A goodput under the published failure profiles, or the one that a claim gives."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from test_draws import CLAIM

from clustersim.studies.claims.assertion_rows import AssertionRow
from clustersim.studies.claims.judge import ClaimReport, check_claim
from clustersim.studies.claims.verdicts import ClaimedFigure, judge
from clustersim.views.claim_plots import draw_distribution
from clustersim.views.claim_report import claim_page


def judged(value: str, nodes: int = 256, **given: Any) -> AssertionRow:
    (row,) = [row for row in report_of(value, nodes, **given).assertions if row.counts]
    return row


def report_of(value: str, nodes: int, **given: Any) -> ClaimReport:
    cluster = {"node": "dgx-a100-80gb", "nodes": nodes}
    training = CLAIM["given"]["training"] | {"global_batch": 8 * nodes * 8}
    made = CLAIM | {
        "given": CLAIM["given"] | {"cluster": cluster, "training": training} | given,
        "assert": [{"id": "g", "metric": "goodput", "value": value}],
    }
    return check_claim(made)


def test_published_profiles_are_drawn() -> None:
    row = judged("90 %")
    assert row.definition == "goodput"
    assert row.verdict in ("supported", "plausible")
    assert row.best_attainable is not None
    assert 0.7 < row.best_attainable < 1.0
    assert "published failure profiles" in row.reason
    assert judged("101 %").verdict == "impossible"


def test_a_larger_cluster_fails_more_often() -> None:
    small, large = (judged("90 %", nodes).best_attainable or 0.0 for nodes in (16, 1024))
    assert large < small


@pytest.mark.parametrize("value", ["90 %", "99.99 %"])
def test_no_headway_under_one_profile_is_a_goodput_of_nothing_there(value: str) -> None:
    """32,768 devices get nowhere under Meta's rates of 2024, and the logarithm of no goodput is no number."""
    report = report_of(value, 4096)
    (insight,) = report.insights
    assert insight.row.boast is not None
    assert insight.row.boast.within.min() == 0
    assert all(0 <= swing.low < swing.high <= 1 for swing in insight.swings)
    assert json.dumps(report.to_dict(), allow_nan=False)
    assert "of the time are productive" in claim_page(report, "check")


def test_where_nothing_is_reached_the_reason_says_so() -> None:
    nothing = ClaimedFigure(0.9, np.zeros(100), 1.0, "%")
    assert judge(nothing).reason == "90.0 % is claimed, and the best layouts reach nothing of it"
    draw_distribution(nothing, "")


def test_a_stated_profile_counts_alone() -> None:
    row = judged("90 %", reliability="meta-rsc-1")
    assert row.reason.startswith("with Meta RSC-1 (A100) ")
    assert row.interval_80 is not None
    assert row.interval_80[0] == pytest.approx(row.interval_80[1])
