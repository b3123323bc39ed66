"""Steps: one by one, side by side, and how they grow."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.measure import SAY_PEAK, Measure, call_alone

from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.schedules import build_program
from clustersim.simulation.step.step import simulate_step, simulate_steps

# GPT-3 175B on 64 A100 is 8 stages, 3 chunks each, interleaved.
WARM = {
    "GPT-3 175B, 64 micro-batches": ("gpt3_175b_a100", {}),
    "GPT-3 175B, 96 micro-batches": ("gpt3_175b_a100", {"training.global_batch": 96}),
    "Llama 3 405B on 16,384 H100": ("llama3_405b_h100_16384", {}),
    "DeepSeek-V3 on 2,048 H800": ("deepseek_v3_h800_2048", {}),
}
LARGE = f"""
from clustersim import load_scenario, simulate_step
scenario = load_scenario("gpt3_175b_a100", {{
    "model": "megatron-gpt-1008b", "cluster.nodes": 12544, "cluster.jitter": 0.02, "cluster.slow_nodes": 0.001,
    "cluster.slow_factor": 1.2, "training.global_batch": 196 * 256, "layout.pipeline": 64, "layout.virtual_stages": 1,
    "layout.schedule": "1f1b", "layout.data": "auto"}})
assert simulate_step(scenario).devices == 100_352
{SAY_PEAK}
"""


@pytest.mark.parametrize("name", WARM)
def test_warm_step(measure: Measure, name: str) -> None:
    file, changes = WARM[name]
    scenario = load_scenario(file, changes)
    measure(lambda: simulate_step(scenario, intervals=False), group="a warm step", name=name, rounds=30)


@pytest.mark.parametrize("points", [250, 500, 1000])
def test_points_side_by_side(measure: Measure, points: int) -> None:
    some = [_with_bandwidth(load_scenario("gpt3_175b_a100"), 1.0 + 1e-4 * point) for point in range(points)]

    def play() -> None:
        assert len(simulate_steps(some, intervals=False)) == points

    measure(
        play, group="sweep points of one shape, costs included", name=f"{points:,}", count=points, unit="points",
        size=points, rounds=3,
    )  # fmt: skip


def _with_bandwidth(scenario: Scenario, factor: float) -> Scenario:
    node = scenario.cluster.node
    memory = node.accelerator.memory
    faster = memory.model_copy(update={"bandwidth": factor * memory.bandwidth})
    chip = node.accelerator.model_copy(update={"memory": faster})
    cluster = scenario.cluster.model_copy(update={"node": node.model_copy(update={"accelerator": chip})})
    return scenario.model_copy(update={"cluster": cluster})


def _grows(measure: Measure, group: str, changes: dict[str, Any], size: int, *, cold: bool, **more: Any) -> None:
    scenario = load_scenario("gpt3_175b_a100", changes)

    def play() -> None:
        if cold:
            build_program.cache_clear()  # what else is kept of a step is kept by its program
        assert simulate_step(scenario, intervals=False).step_time_s > 0

    measure(play, group=group, name=f"{size:,}", size=size, **more)


@pytest.mark.parametrize("micro_batches", [128, 256, 512])
def test_growth_with_micro_batches(measure: Measure, micro_batches: int) -> None:
    changes = {"training.global_batch": micro_batches}
    _grows(measure, "a warm step, micro-batches", changes, micro_batches, cold=False, rounds=10)


@pytest.mark.parametrize("coupling", [3, "fluid"])
@pytest.mark.parametrize("micro_batches", [64, 128, 256])
def test_growth_of_a_coupled_step(measure: Measure, micro_batches: int, coupling: Any) -> None:
    changes = {"training.global_batch": micro_batches, "stack": "megatron-lm-2024", "stack.coupling": coupling}
    _grows(measure, f"a warm step, coupling {coupling}, micro-batches", changes, micro_batches, cold=False, rounds=2)


@pytest.mark.usefixtures("only_measured")
@pytest.mark.parametrize("micro_batches", [1024, 2048, 4096, 8192])
def test_growth_with_micro_batches_from_a_cold_start(measure: Measure, micro_batches: int) -> None:
    changes = {"training.global_batch": micro_batches, "layout.virtual_stages": 1, "layout.schedule": "1f1b"}
    _grows(measure, "a cold step, micro-batches", changes, micro_batches, cold=True, rounds=6)


@pytest.mark.usefixtures("only_measured")
@pytest.mark.parametrize("schedule", ["zb-1p", "zb-v"])
@pytest.mark.parametrize("micro_batches", [512, 1024, 2048])
def test_growth_of_a_planned_order(measure: Measure, schedule: str, micro_batches: int) -> None:
    chunks = 2 if schedule == "zb-v" else 1
    changes = {
        "training.global_batch": micro_batches,
        "layout.virtual_stages": chunks,
        "layout.schedule": schedule,
        "layout.recompute": "full",
    }
    more = {"rounds": 1, "warm": False}
    _grows(measure, f"a cold step of {schedule}, micro-batches", changes, micro_batches, cold=True, **more)


@pytest.mark.usefixtures("only_measured")
@pytest.mark.parametrize("stages", [32, 64, 128, 256])
def test_growth_with_stages(measure: Measure, stages: int) -> None:
    changes = {
        "model.layers": 256,
        "training.global_batch": 256,
        "cluster.nodes": stages,
        "layout.pipeline": stages,
        "layout.virtual_stages": 1,
        "layout.schedule": "1f1b",
    }
    _grows(measure, "a cold step, stages", changes, stages, cold=True, rounds=6)


@pytest.mark.parametrize("nodes", [16, 64, 256, 4096])
def test_a_folded_step_does_not_grow_with_replicas(measure: Measure, nodes: int) -> None:
    changes = {"cluster.nodes": nodes, "training.global_batch": 8 * nodes, "layout.data": "auto"}
    _grows(measure, "a warm step, devices of replicas that are alike", changes, 8 * nodes, cold=False, rounds=10)


@pytest.mark.parametrize("nodes", [1024, 2048, 4096])
def test_an_unfolded_step_grows_with_replicas(measure: Measure, nodes: int) -> None:
    changes = {
        "cluster.nodes": nodes,
        "training.global_batch": 8 * nodes,
        "layout.data": "auto",
        "cluster.jitter": 0.02,
    }
    _grows(measure, "a warm step, devices of replicas that differ", changes, 8 * nodes, cold=False, rounds=2)


@pytest.mark.usefixtures("only_measured")
def test_a_hundred_thousand_devices(measure: Measure) -> None:
    name = "1T on 100,352 devices, jitter and slow nodes, 196 replicas x 65,664 tasks"
    measure(
        lambda: call_alone("-c", LARGE), group="a process of its own", name=name, rounds=1, warm=False, own_peak=True
    )
