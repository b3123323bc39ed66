"""Intervals: what they rest on, and how they widen away from the evidence."""

from __future__ import annotations

import math
from typing import Any

import pytest

from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Residual
from clustersim.simulation.evidence import evidence
from clustersim.simulation.intervals import UNKNOWN_CHIP, ModelError, interval, model_error, spread_of, traits


def scenario(residual: Residual | None = None, **changes: Any) -> Scenario:
    document: dict[str, Any] = {
        "model": "gpt3-13b",
        "cluster": {"accelerator": "a100-sxm-80gb", "devices": 64},
        "training": {"sequence_length": 2048, "global_batch": 64},
        "layout": {"data": "auto", "sharding": "fsdp"},
        "stack": "composer-fsdp-2023",
    }
    found = load_scenario(document | changes)
    return found.model_copy(update={"stack": found.stack.model_copy(update={"residual": residual})})


def test_intervals_are_symmetric_in_the_logarithm_and_nested() -> None:
    bounds = interval(10.0, ModelError(0.1, "test"))
    widths = evidence().quantiles
    for level, (low, high) in bounds.items():
        assert low * high == pytest.approx(100.0)
        assert math.log(high / 10.0) == pytest.approx(0.1 * widths[level])
    assert bounds["95"][0] < bounds["80"][0] < bounds["80"][1] < bounds["95"][1]
    assert interval(10.0, ModelError(0.1, "test"), power=-1.0) == bounds


def test_a_scenario_is_a_new_source_whatever_its_stack_was_fitted_to() -> None:
    variances = evidence().variances
    found = model_error(scenario())
    assert found.spread == pytest.approx(math.sqrt(variances["any run"] + variances["fully sharded parameters"]))
    assert "each source predicted without it" in found.evidence
    plain = model_error(scenario(layout={"data": "auto", "sharding": "zero1"}))
    assert plain.spread == pytest.approx(math.sqrt(variances["any run"]))
    assert model_error(scenario(stack="megascale-2024")).spread == found.spread
    assert "none of them with this software" in model_error(scenario(stack="megascale-2024")).evidence


def test_traits_are_what_the_evidence_has_variances_of() -> None:
    mixture = scenario(
        model="mixtral-8x7b",
        training={"sequence_length": 4096, "global_batch": 64, "precision": "fp8"},
        cluster={"accelerator": "h100-sxm-80gb", "devices": 64},
        layout={"context": 2, "expert": 8, "data": "auto", "sharding": "fsdp"},
        stack="megatron-core-2025",
    )
    assert set(traits(mixture)) == set(evidence().variances) - {"eager software"}
    assert set(traits(scenario())) == {"any run", "fully sharded parameters"}


def test_what_was_never_met_widens_a_strangers_interval() -> None:
    known = model_error(scenario())
    unknown = model_error(scenario(cluster={"accelerator": "tpu-v4", "devices": 64}))
    assert unknown.spread == pytest.approx(math.hypot(known.spread, UNKNOWN_CHIP))
    assert "nothing was measured on" in unknown.evidence


OWN = Residual(
    spread=0.02,
    evidence="40 of your measured runs in 4 groups",
    devices=64,
    accelerators=("NVIDIA A100 SXM 80GB",),
    kinds=("fully sharded parameters",),
)


def test_a_calibrated_stack_has_its_own_runs_spread() -> None:
    own = OWN.model_copy(update={"accelerators": (scenario().cluster.accelerator.name,)})
    found = model_error(scenario(own))
    assert (found.spread, found.evidence) == (0.02, own.evidence)
    assert found.spread < 0.5 * model_error(scenario()).spread


@pytest.mark.parametrize(
    ("changes", "added", "words"),
    [
        ({"cluster": {"accelerator": "b200", "devices": 64}}, "another_chip", "not measured on NVIDIA B200"),
        ({"layout": {"data": "auto", "sharding": "fsdp", "context": 2}}, "another_kind", "context parallelism"),
        (
            {
                "cluster": {"accelerator": "a100-sxm-80gb", "devices": 512},
                "training": {"sequence_length": 2048, "global_batch": 512},
            },
            "a_doubling",
            "64 devices at most",
        ),
    ],
)  # fmt: skip
def test_leaving_its_runs_widens_a_calibrated_stacks_interval(changes: dict[str, Any], added: str, words: str) -> None:
    own = OWN.model_copy(update={"accelerators": (scenario().cluster.accelerator.name,)})
    here = scenario(own, **changes)
    steps = 3.0 if added == "a_doubling" else 1.0
    grown = evidence().departures[added] * steps
    assert model_error(here).spread == pytest.approx(math.hypot(own.spread, grown))
    assert model_error(here).spread <= model_error(scenario(**changes)).spread
    assert (words in model_error(here).evidence) == (grown > 0.0)


def test_what_leaving_the_evidence_adds_was_measured() -> None:
    widths = evidence().departures
    assert set(widths) == {"another_chip", "another_kind", "a_doubling"}
    assert all(0.0 <= width < UNKNOWN_CHIP for width in widths.values())


def test_spreads_count_groups_alike() -> None:
    assert spread_of([("a", [0.1, -0.1, 0.1]), ("b", [0.3])]) == pytest.approx(math.sqrt(math.pi / 2) * 0.2)
