"""Variants of a claim's model: played where the claim's own is, and shown beside it."""

from __future__ import annotations

from typing import Any

import pytest
from test_draws import CLAIM

from clustersim.errors import InputError
from clustersim.inputs.load import load_claim
from clustersim.simulation.run import simulate_run
from clustersim.studies.claims.judge import ClaimReport, check_claim
from clustersim.views.claim_words import variant_lines

DELTA = {"key_heads": 32, "value_heads": 32}
LINEAR = {"model.attention_pattern": ["gated-delta", "gated-delta", "gated-delta", "full"], "model.gated_delta": DELTA}
VARIANTS = [
    {"id": "itself", "about": "the same model", "change": {"model": "llama-2-7b"}},
    {"id": "linear", "change": LINEAR},
]


@pytest.fixture(scope="module")
def report() -> ClaimReport:
    return check_claim(CLAIM | {"variants": VARIANTS})


def test_the_same_model_takes_the_same_time(report: ClaimReport) -> None:
    itself = report.variants[0]
    (point,) = itself.points
    own = report.points[0].step
    assert (point.time_ratio, point.time_ratio_80, point.flops_ratio) == (1.0, (1.0, 1.0), 1.0)
    assert (point.step_time_s, point.mfu, point.same_layout) == (own.step_time_s, own.mfu, True)
    assert itself.wider == ""


def test_another_model_is_played_in_the_same_layout(report: ClaimReport) -> None:
    (point,) = report.variants[1].points
    own = report.points[0].step
    model = own.scenario.model.model_validate(
        own.scenario.model.model_dump() | {"attention_pattern": ("gated-delta",) * 3 + ("full",), "gated_delta": DELTA}
    )
    step = simulate_run(own.scenario.model_copy(update={"model": model})).step
    assert point.step_time_s == pytest.approx(step.step_time_s)
    assert point.time_ratio == pytest.approx(step.step_time_s / own.step_time_s)
    assert point.time_ratio_80[0] < point.time_ratio < point.time_ratio_80[1]
    assert "gated-delta" in report.variants[1].wider


def test_they_judge_nothing(report: ClaimReport) -> None:
    without = check_claim(CLAIM).to_dict()
    with_them = report.to_dict()
    assert [row["id"] for row in with_them.pop("variants")] == ["itself", "linear"]
    assert with_them == without


def test_they_are_shown_with_what_they_change(report: ClaimReport) -> None:
    text = "\n".join(variant_lines(report.variants))
    assert "itself (the same model): 6.74 B parameters" in text
    assert "2,048 tokens: 1.00 of the time a step, 1.00 of the FLOPs a token" in text
    assert "the highest MFU (causal) of a variant is" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [({"cluster.nodes": 4}, "a variant is one of the model"), ({}, "at least 1"), ({"model.nobody": 3}, "nobody")],
)
def test_what_is_no_variant_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_claim(CLAIM | {"variants": [{"id": "x", "change": change}]})


def test_the_rumours_hybrid_has_variants_of_its_size() -> None:
    claim = load_claim("deepseek_r2")
    assert [variant.id for variant in claim.variants] == ["sparse attention", "linear hybrid 3:1"]
