"""Intervals: what they rest on, and how they widen away from the evidence."""

from __future__ import annotations

import math
from typing import Any

import pytest

from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Residual
from clustersim.simulation.evidence import evidence
from clustersim.simulation.intervals import UNKNOWN_CHIP, interval, model_error, spread_of


def scenario(**changes: Any) -> Scenario:
    document: dict[str, Any] = {
        "model": "gpt3-13b",
        "cluster": {"accelerator": "a100-sxm-80gb", "devices": 64},
        "training": {"sequence_length": 2048, "global_batch": 64},
        "layout": {"data": "auto", "sharding": "fsdp"},
        "stack": "composer-fsdp-2023",
    }
    return load_scenario(document | changes)


def test_intervals_are_symmetric_in_the_logarithm_and_nested() -> None:
    bounds = interval(10.0, Residual(spread=0.1, evidence="test"))
    widths = evidence().quantiles
    for level, (low, high) in bounds.items():
        assert low * high == pytest.approx(100.0)
        assert math.log(high / 10.0) == pytest.approx(0.1 * widths[level])
    assert bounds["95"][0] < bounds["80"][0] < bounds["80"][1] < bounds["95"][1]
    assert interval(10.0, Residual(spread=0.1, evidence="test"), power=-1.0) == bounds


def test_a_scenario_within_the_evidence_has_its_stacks_residual() -> None:
    here = scenario()
    assert model_error(here) == here.stack.residual
    assert "mosaicml-llm-foundry" in model_error(here).evidence


@pytest.mark.parametrize(
    ("changes", "added", "words"),
    [
        ({"cluster": {"accelerator": "b200", "devices": 64}}, "another_chip", "not measured on NVIDIA B200"),
        ({"layout": {"data": "auto", "sharding": "fsdp", "context": 2}}, "another_kind", "context parallelism"),
        (
            {
                "cluster": {"accelerator": "a100-sxm-80gb", "devices": 4096},
                "training": {"sequence_length": 2048, "global_batch": 4096},
            },
            "a_doubling",
            "devices at most",
        ),
    ],
)  # fmt: skip
def test_leaving_the_evidence_widens_and_is_said(changes: dict[str, Any], added: str, words: str) -> None:
    here = scenario(**changes)
    found = model_error(here)
    most = evidence().stacks[here.stack.name].devices
    steps = max(1.0, math.log2(here.cluster.devices / most))
    grown = evidence().departures[added] * steps
    assert found.spread == pytest.approx(math.hypot(here.stack.residual.spread, grown))
    assert words in found.evidence


def test_what_leaving_the_evidence_adds_was_measured() -> None:
    widths = evidence().departures
    assert set(widths) == {"another_chip", "another_kind", "a_doubling"}
    assert all(0.0 <= width < UNKNOWN_CHIP for width in widths.values())


def test_a_stack_without_runs_carries_what_inheritance_missed() -> None:
    here = scenario(stack="torchtitan-2025")
    assert "inheritance alone" in model_error(here).evidence
    assert model_error(here).spread > scenario().stack.residual.spread


def test_spreads_count_groups_alike() -> None:
    assert spread_of([("a", [0.1, -0.1, 0.1]), ("b", [0.3])]) == pytest.approx(math.sqrt(math.pi / 2) * 0.2)
