"""How long whole answers take: a step cold and warm, a search, an unfolded cluster. Compare ratios within one run."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.inputs.load import load_scenario
from clustersim.simulation.step import simulate_step
from clustersim.studies.search import search_layouts

pytestmark = pytest.mark.slow


def test_load_scenario(benchmark: Any) -> None:
    assert benchmark(load_scenario, "gpt3_175b_a100").name


@pytest.mark.parametrize("name", ["gpt3_175b_a100", "llama3_405b_h100_16384", "deepseek_v3_h800_2048"])
def test_warm_step(benchmark: Any, name: str) -> None:
    scenario = load_scenario(name)
    assert benchmark(simulate_step, scenario, intervals=False).step_time_s > 0


@pytest.mark.parametrize("micro_batches", [64, 128, 256])
def test_growth_with_micro_batches(benchmark: Any, micro_batches: int) -> None:
    """Twice the micro-batches take at most twice the time."""
    scenario = load_scenario("gpt3_175b_a100", {"training.global_batch": micro_batches})
    assert benchmark(simulate_step, scenario, intervals=False).step_time_s > 0


@pytest.mark.parametrize("nodes", [16, 256, 4096])
def test_a_folded_step_does_not_grow_with_replicas(benchmark: Any, nodes: int) -> None:
    changes = {"cluster.nodes": nodes, "training.global_batch": 8 * nodes, "layout.data": "auto"}
    scenario = load_scenario("gpt3_175b_a100", changes)
    assert benchmark(simulate_step, scenario, intervals=False).devices == 8 * nodes


@pytest.mark.parametrize("nodes", [1024, 4096])
def test_an_unfolded_step_grows_with_replicas(benchmark: Any, nodes: int) -> None:
    changes = {
        "cluster.nodes": nodes,
        "training.global_batch": 8 * nodes,
        "layout.data": "auto",
        "cluster.jitter": 0.02,
    }
    scenario = load_scenario("gpt3_175b_a100", changes)
    result = benchmark.pedantic(simulate_step, args=(scenario,), kwargs={"intervals": False}, rounds=2)
    assert result.breakdown["imbalance"] > 0


def test_search(benchmark: Any) -> None:
    scenario = load_scenario(
        "gpt3_175b_a100", {"layout": "search", "cluster.nodes": 128, "training.global_batch": 1536}
    )
    found = benchmark.pedantic(search_layouts, args=(scenario,), rounds=2)
    assert found.candidates > found.feasible > 0
