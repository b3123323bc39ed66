"""The run: from one step to days, device-hours, money and energy."""

from __future__ import annotations

import math
from typing import Any

import pytest
from builders import accelerator, scenario

from clustersim.errors import InfeasibleError
from clustersim.inputs.reliability import Reliability
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.evidence import evidence
from clustersim.simulation.run import expected_goodput, simulate_run
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.seeds import play_runs


def test_figures_of_a_run_follow_from_the_step() -> None:
    here = scenario(tokens=1e12)
    cluster = here.cluster.model_copy(update={"availability": 0.8, "power_usage_effectiveness": 1.25})
    run = simulate_run(here.model_copy(update={"cluster": cluster}))
    seconds = 1e12 / run.step.tokens_per_s / 0.8
    assert run.training_days == pytest.approx(seconds / 86400)
    assert run.device_hours == pytest.approx(64 * seconds / 3600)
    assert run.cost_usd == pytest.approx(2.0 * 64 * seconds / 3600)
    assert run.energy_kwh == pytest.approx(64 * 0.5 * 1.25 * seconds / 3600)
    low, high = run.intervals["training_days"]["80"]
    assert low < run.training_days < high


def test_a_stated_price_comes_before_the_catalogs() -> None:
    here = scenario()
    cluster = here.cluster.model_copy(update={"price": 3.0})
    dear = simulate_run(here.model_copy(update={"cluster": cluster}))
    assert dear.cost_usd == pytest.approx(1.5 * (simulate_run(here).cost_usd or 0.0))


def test_what_is_unknown_is_none_with_a_reason() -> None:
    here = scenario()
    node = here.cluster.node.model_copy(update={"accelerator": accelerator(price=None, power=None)})
    run = simulate_run(here.model_copy(update={"cluster": here.cluster.model_copy(update={"node": node})}))
    assert run.cost_usd is None
    assert run.energy_kwh is None
    assert "cluster.price" in run.missing["cost_usd"]
    assert "power" in run.missing["energy_kwh"]
    untold = simulate_run(scenario(tokens=None))
    assert untold.training_days is None
    assert set(untold.missing) == {"training_days", "device_hours", "cost_usd", "energy_kwh"}


def test_the_document_holds_what_the_contract_lists() -> None:
    document = simulate_run(scenario()).to_dict()
    keys = """step_time_s mfu mfu_causal hfu busy_any busy_compute tokens_per_s_per_device tokens_per_s devices layout
    memory_bytes fits training_days device_hours cost_usd energy_kwh breakdown intervals engine scenario version seed"""
    assert set(keys.split()) <= set(document)
    assert set(document["intervals"]["training_days"]) == {"80", "95"}


def failing(here: Scenario, **changes: Any) -> Scenario:
    """With a failure every few hours, checkpoints every ten minutes and four spares."""
    values: dict[str, Any] = {
        "failures": {"node": {"rate": 1e-5, "of": "node", "replaces": 1.0}},
        "restart": {"scheduling": 600.0},
        "checkpoint": {"interval": 600.0, "write": 30.0},
        "idle_power": 0.2,
    }
    return here.model_copy(update={"reliability": Reliability.model_validate(values | changes)})


def test_a_profile_without_failures_changes_nothing() -> None:
    here = scenario(tokens=1e13)
    plain, ideal = simulate_run(here), simulate_run(here.model_copy(update={"reliability": Reliability()}))
    assert ideal.training_days == plain.training_days == plain.ideal_days
    assert (plain.goodput, ideal.goodput, ideal.cost_usd, ideal.energy_kwh) == (
        1.0,
        1.0,
        plain.cost_usd,
        plain.energy_kwh,
    )
    assert (
        play_runs(here.model_copy(update={"reliability": Reliability()}), seeds=1).training_days == plain.training_days
    )


def test_failures_take_time_money_and_less_power() -> None:
    here = failing(scenario(tokens=1e13))
    plain, run = simulate_run(scenario(tokens=1e13)), simulate_run(here)
    assert run.training_days is not None
    assert run.ideal_days == plain.training_days
    assert run.goodput == pytest.approx(run.ideal_days / run.training_days)
    assert 0.8 < run.goodput < 0.95
    assert run.mtti_s == pytest.approx(1 / (8e-5))
    assert run.cost_usd == pytest.approx(2.0 * 24 * 64 * run.training_days)
    full = 64 * 0.5 * run.training_days * 24
    assert 0.9 * full < run.energy_kwh < full
    assert expected_goodput(simulate_step(here)) == run.goodput


def test_spares_are_rented_and_idle() -> None:
    here = scenario(tokens=1e13)
    run = simulate_run(failing(here, spares=2, repair=86400.0))
    assert run.training_days is not None
    assert run.device_hours == pytest.approx(24 * run.training_days * (64 + 16))


def test_runs_are_played_from_the_scenarios_seed_on() -> None:
    here = failing(scenario(tokens=1e12)).model_copy(update={"seed": 5})
    runs = play_runs(here, seeds=8)
    assert runs.runs is not None
    assert [run.seed for run in runs.runs.runs] == list(range(5, 13))
    assert runs.training_days == pytest.approx(sum(run.wall_s for run in runs.runs.runs) / 8 / 86400)
    assert runs.expected_goodput == simulate_run(here).goodput
    again, pooled = play_runs(here, seeds=8), play_runs(here, seeds=8, workers=2)
    assert runs.to_dict() == again.to_dict() == pooled.to_dict()
    low, high = runs.intervals["training_days"]["80"]
    assert math.log(high / low) / 2 / evidence().quantiles["80"] == pytest.approx(math.hypot(0.1, runs.runs.spread))


def test_a_run_that_makes_no_headway_says_so() -> None:
    here = failing(scenario(tokens=1e13), restart={"scheduling": 86400.0})
    run = simulate_run(here)
    assert (run.training_days, run.goodput) == (None, 0.0)
    assert "makes no headway" in run.missing["training_days"]
    with pytest.raises(InfeasibleError, match="makes no headway"):
        play_runs(here)
    with pytest.raises(InfeasibleError, match="--reliability"):
        play_runs(scenario(tokens=1e13))
