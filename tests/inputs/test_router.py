"""How a router loads its experts: stated, typical, or under the key's earlier name."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist, median
from typing import Any

import pytest
from builders import moe

from clustersim.errors import InputError
from clustersim.inputs.catalog import load
from clustersim.inputs.load import load_scenario
from clustersim.inputs.training import TYPICAL_IMBALANCE, Loads, Training
from clustersim.studies.measured.runs import measured_run
from clustersim.workload.imbalance import busiest_rank


def scenario(**training: Any) -> dict[str, Any]:
    training = {"sequence_length": 2048, "global_batch": 64} | training
    layout = {"expert": 8, "pipeline": 2}
    return {
        "model": "tiny-moe",
        "cluster": "acme-64",
        "training": training,
        "layout": layout,
        "stack": "acme-soft-2024",
    }


def test_the_typical_spread_is_the_middle_of_the_published_ones() -> None:
    """Gini coefficients of normal loads are CV / sqrt(pi); of 64 experts the busiest stands 2.34 deviations out."""
    largest = NormalDist().inv_cdf((64 - 0.375) / 64.25)
    spreads = (0.105 * math.sqrt(math.pi), 0.24 * math.sqrt(math.pi), 0.52 / largest, 0.72 / largest)
    assert pytest.approx(median(spreads), abs=0.005) == TYPICAL_IMBALANCE


@pytest.mark.parametrize(
    ("router", "spread"),
    [("balanced", 0.0), ("typical", TYPICAL_IMBALANCE), ({"imbalance": 0.4}, 0.4), ({"imbalance": 0}, 0.0)],
)
def test_what_a_router_says(catalog: Path, router: Any, spread: float) -> None:
    found = load_scenario(scenario(router=router)).training
    assert found.expert_imbalance == spread
    assert Training.model_validate(found.model_dump()) == found
    busiest = busiest_rank(moe(), found, 16.0)
    assert busiest == pytest.approx(1 + spread * NormalDist().inv_cdf((16 - 0.375) / 16.25))


def test_scenarios_are_typical_unless_they_say_otherwise(catalog: Path) -> None:
    assert load_scenario(scenario()).training.router == "typical"


def test_the_earlier_key_means_the_same_and_is_noted(catalog: Path) -> None:
    note = "training.expert_imbalance: expert_imbalance is called router.imbalance now"
    for found in (
        load_scenario(scenario(expert_imbalance=0.3)),
        load_scenario(scenario(), ["training.expert_imbalance=0.3"]),
        load_scenario(scenario(router="balanced"), {"training.expert_imbalance": 0.3}),
        load_scenario(scenario(router={"imbalance": 0.1}), {"training.expert_imbalance": 0.3}),
    ):
        assert found.training.router == Loads(imbalance=0.3)
        assert note in found.notes
    assert load_scenario(scenario(expert_imbalance=0.3), {"training.router": "typical"}).training.router == "typical"


@pytest.mark.parametrize(
    ("training", "overrides", "message"),
    [
        ({"router": "balanced", "expert_imbalance": 0.1}, (), "training.expert_imbalance: the same as router"),
        ({}, ["training.router.imbalance=0.1", "training.expert_imbalance=0.2"], "the same as training.router.imbal"),
        ({"router": "balance"}, (), "Did you mean balanced?"),
        ({"router": 0.3}, (), "training.router: expected one of balanced, typical, or a mapping"),
        ({"router": {"imbalance": -0.1}}, (), "training.router.imbalance: expected at least 0"),
        ({"expert_imbalance": -0.1}, (), "training.router.imbalance: expected at least 0"),
        ({"router": {}}, (), "training.router.imbalance: required"),
    ],
)
def test_what_is_refused(catalog: Path, training: dict[str, Any], overrides: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_scenario(scenario(**training), overrides)
    assert message in str(caught.value)


def test_a_measured_row_takes_what_its_stack_states() -> None:
    row = {
        "id": "r",
        "source": "s",
        "accelerator": "h100-sxm-80gb",
        "stack": "megatron-core-2025",
        "model": "mixtral-8x7b",
        "n_devices": "8",
        "seq_len": "2048",
        "global_batch_seqs": "8",
        "ep": "8",
    }
    stated = load("stacks", "megatron-core-2025").defaults.router  # real routers train
    assert load_scenario(measured_run(row).mapping).training.router == stated == "typical"
