"""A goodput under the published failure profiles, or the one that a claim gives."""

from __future__ import annotations

from typing import Any

import pytest
from test_draws import CLAIM

from clustersim.studies.claims.assertion_rows import AssertionRow
from clustersim.studies.claims.judge import check_claims


def judged(value: str, nodes: int = 256, **given: Any) -> AssertionRow:
    cluster = {"node": "dgx-a100-80gb", "nodes": nodes}
    training = CLAIM["given"]["training"] | {"global_batch": 8 * nodes * 8}
    made = CLAIM | {
        "given": CLAIM["given"] | {"cluster": cluster, "training": training} | given,
        "assert": [{"id": "g", "metric": "goodput", "value": value}],
    }
    (row,) = [row for row in check_claims(made).assertions if row.counts]
    return row


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


def test_a_stated_profile_counts_alone() -> None:
    row = judged("90 %", reliability="meta-rsc-1")
    assert row.reason.startswith("with Meta RSC-1 (A100) ")
    assert row.interval_80 is not None
    assert row.interval_80[0] == pytest.approx(row.interval_80[1])
