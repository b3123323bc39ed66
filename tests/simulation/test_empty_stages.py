"""Virtual stages without layers, between others: what they take, hold and pass on, in every schedule.

Megatron's layouts of stages have them (`--pipeline-model-parallel-layout`, `Et|t||tL`), and so has an even split of few
layers over many virtual stages.
"""

from __future__ import annotations

from typing import Any

import builders
import pytest

from clustersim.inputs.scenario import Scenario
from clustersim.simulation.inspect.memory_timeline import memory_timeline
from clustersim.simulation.inspect.waterfall import waterfall
from clustersim.simulation.step.step import play_step, result_of, simulate_step

MODELS = {
    "gpt": builders.gpt(layers=4, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096),
    "moe": builders.moe(mtp_layers=1),
}
SCHEDULES: list[dict[str, Any]] = [
    {"pipeline": 4, "stage_layers": (2, 0, 2, 0)},
    {"pipeline": 4, "stage_layers": (2, 0, 1, 1), "schedule": "gpipe"},
    {"pipeline": 2, "stage_layers": (1, 0, 1, 1, 0, 1), "virtual_stages": 3},
    {"pipeline": 4, "stage_layers": (2, 0, 1, 1), "schedule": "zb-h1"},
    {"pipeline": 4, "stage_layers": (2, 0, 1, 1), "schedule": "zb-1p"},
    {"pipeline": 4, "stage_layers": (2, 0, 1, 1), "schedule": "zb-2p"},
    {"pipeline": 2, "stage_layers": (2, 0, 1, 1), "schedule": "zb-v", "virtual_stages": 2},
    {"pipeline": 4, "stage_layers": (2, 0, 1, 1), "schedule": "dualpipe"},
]
WAYS: list[dict[str, Any]] = [
    {"sharding": "none"},
    {"sharding": "zero1", "overlap": frozenset({"grad_reduce", "param_gather"})},
    {"sharding": "zero2", "overlap": frozenset({"fsdp"}), "offload": "optimizer"},
    {"sharding": "zero3", "recompute": "full"},
    {"sharding": "fsdp", "overlap": frozenset({"fsdp", "expert"}), "offload": "activations"},
    {"sharding": "hybrid", "overlap": frozenset({"fsdp"}), "offload": {"layers": 1}, "recompute": {"layers": 1}},
]


@pytest.mark.parametrize("coupling", [0, 2])
@pytest.mark.parametrize("way", WAYS, ids=[str(way["sharding"]) for way in WAYS])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=[layout.get("schedule", "1f1b") for layout in SCHEDULES])
@pytest.mark.parametrize("model", MODELS)
def test_stages_without_layers_play_everywhere(
    model: str, schedule: dict[str, Any], way: dict[str, Any], coupling: int
) -> None:
    software = builders.stack(coupling=coupling, overlap_slowdown=0.2)
    step = play_step(builders.scenario(nodes=2, model=MODELS[model], stack_=software, **schedule, **way))
    result, stages = result_of(step), memory_timeline(step)
    assert sum(result.breakdown.values()) == pytest.approx(result.step_time_s, rel=1e-9)
    assert min(result.breakdown.values()) > -1e-12
    assert max(stage.bytes.max() for stage in stages) == pytest.approx(result.memory_bytes, rel=1e-9)
    assert 1.0 + sum(fall.share for fall in waterfall(step).falls) == pytest.approx(result.mfu)
    for stage in (each for each in step.stages if not each.units):
        assert all(passed.seconds == 0.0 for passed in stage.passes.values())


def piped(layers: tuple[int, ...], schedule: str) -> Scenario:
    """One replica over links that take no time."""
    scenario = builders.scenario(
        model=MODELS["gpt"],
        pipeline=len(layers),
        stage_layers=layers,
        schedule=schedule,
        data=1,
        sharding="none",
        global_batch=8,
        stack_=builders.stack(buffers=1e9),
    )
    node = scenario.cluster.node
    free = {tier: getattr(node, tier).model_copy(update={"bandwidth": 1e30}) for tier in ("scale_up", "scale_out")}
    cluster = scenario.cluster.model_copy(update={"node": node.model_copy(update=free)})
    return scenario.model_copy(update={"cluster": cluster})


def test_a_stage_without_layers_adds_nothing_to_a_step_over_free_links() -> None:
    with_one, without = (simulate_step(piped(layers, "gpipe")) for layers in ((2, 0, 2), (2, 2)))
    assert with_one.step_time_s == pytest.approx(without.step_time_s, rel=1e-9)
    assert with_one.memory_bytes == without.memory_bytes
    assert with_one.memory.stages[1].peak_bytes == 1e9  # buffers are all that it holds


def test_the_stage_before_one_keeps_one_more_micro_batch() -> None:
    """1F1B warms up by the number of stages behind, with layers or without: 3 micro-batches in flight instead of 2."""
    with_one, without = (simulate_step(piped(layers, "1f1b")) for layers in ((2, 0, 2), (2, 2)))
    kept = [step.memory.stages[0].parts["activations"] for step in (with_one, without)]
    assert kept[0] == pytest.approx(1.5 * kept[1])
    assert with_one.step_time_s <= without.step_time_s * (1 + 1e-9)
