"""The run: from one step to days, device-hours, money and energy."""

from __future__ import annotations

import pytest
from builders import accelerator, scenario

from clustersim.simulation.run import simulate_run


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
