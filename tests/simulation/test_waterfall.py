"""From peak to MFU: the steps sum, and each is what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import gpt, moe, scenario, stack

from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.inspect.waterfall import ADJUSTMENTS, Waterfall, waterfall
from clustersim.simulation.step.step import play_step, result_of

NAMES = (
    "gpt3_175b_a100",
    "gpt3_175b_a100_1024",
    "llama3_405b_h100_16384",
    "deepseek_v3_h800_2048",
    "pangu_ultra_135b_910b_8192",
)


WIDE = gpt(layers=4, hidden=8192, heads=64, kv_heads=64, ffn_hidden=32768)  # products wait for no memory


def shares(falls: Waterfall) -> dict[str, float]:
    return {fall.name: fall.share for fall in falls.falls}


def fall_of(described: Scenario) -> dict[str, float]:
    return shares(waterfall(play_step(described)))


@pytest.mark.parametrize("name", NAMES)
def test_the_steps_sum_to_the_mfu(name: str) -> None:
    step = play_step(load_scenario(name))
    falls = waterfall(step)
    assert falls.mfu == pytest.approx(result_of(step).mfu, rel=1e-12)
    assert 1.0 + sum(fall.share for fall in falls.falls) == pytest.approx(falls.mfu, abs=1e-12)
    told = shares(falls)
    assert falls.executed + sum(told[name] for name in ADJUSTMENTS) == pytest.approx(falls.mfu, abs=1e-12)
    losses = told.keys() - {"precision", *ADJUSTMENTS}
    assert all(told[loss] <= 1e-12 for loss in losses), "no kernel is faster than its peak"


@pytest.mark.parametrize("name", NAMES)
def test_hardly_a_product_is_executed_that_nobody_counts(name: str) -> None:
    assert abs(fall_of(load_scenario(name))["uncounted"]) < 0.005


@pytest.mark.parametrize(
    ("schedule", "sizes"), [("zb-h1", {}), ("zb-1p", {}), ("zb-v", {"virtual_stages": 2}), ("dualpipe", {})]
)
def test_every_schedule_executes_what_is_counted(schedule: str, sizes: dict[str, int]) -> None:
    """However backward passes are cut or run beside others, their products are those of the model."""
    model = WIDE.model_copy(update={"layers": 8})
    step = play_step(scenario(nodes=2, model=model, pipeline=4, data=4, global_batch=48, schedule=schedule, **sizes))
    falls = waterfall(step)
    told = shares(falls)
    assert 1.0 + sum(told.values()) == pytest.approx(result_of(step).mfu, abs=1e-12)
    assert told["uncounted"] == pytest.approx(0.0, abs=1e-9)


def test_ideal_kernels_lose_nothing_in_products() -> None:
    told = fall_of(scenario(nodes=1, model=WIDE, data=8))
    assert told["gemm"] == pytest.approx(0.0, abs=1e-12)
    assert told["precision"] == pytest.approx(0.0, abs=1e-12)
    assert told["memory_bound"] < 0.0
    assert told["tensor_comm"] == told["expert_comm"] == told["bubble"] == 0.0


def test_fewer_bits_raise_the_peak_and_shorten_products_alone() -> None:
    step = play_step(scenario(nodes=1, model=WIDE, precision="fp8", data=8))
    falls = waterfall(step)
    told = shares(falls)
    assert falls.base_flops == 100e12
    # FLOPs at twice the base take half of their time at the base: what is gained is as much as what is left.
    ideal = result_of(step).breakdown["gemm"] / step.seconds + told["gemm"]
    assert 0.7 * ideal < told["precision"] < ideal, "the output head computes in 16 bits"


def test_masked_attention_is_counted_where_its_blocks_are_skipped() -> None:
    whole = scenario(nodes=1, stack_=stack(fused_attention=False), data=8)
    fused = scenario(nodes=1, stack_=stack(fused_attention=True), data=8)
    assert fall_of(whole)["masked_attention"] == pytest.approx(0.0, abs=1e-9)
    # Counted 3 forward passes' worth in full; executed 1 + 2.5 of half of it.
    told, step = fall_of(fused), play_step(fused)
    model, training = fused.model, fused.training
    full = 12.0 * model.layers * model.hidden * training.sequence_length * training.tokens_per_step
    budget = 8 * 100e12 * step.seconds
    assert told["masked_attention"] == pytest.approx((1.0 - 3.5 / 6.0) * full / budget, rel=1e-9)


def test_stages_that_wait_for_slower_ones_lose_what_they_could_have_done() -> None:
    """The last stage holds the head, too: with most layers before it, both are nearly equal."""
    model = gpt(layers=10, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096)
    uneven, even = (
        fall_of(scenario(nodes=2, model=model, pipeline=2, stage_layers=layers, data=8)) for layers in ((2, 8), (8, 2))
    )
    assert uneven["stage_wait"] < 5 * even["stage_wait"] < 0.0
    assert even["bubble"] < 0.0


def test_waiting_for_slow_replicas_is_imbalance() -> None:
    step = play_step(scenario(nodes=2, pipeline=2, data=8))
    late = replace(step, imbalance_s=step.seconds)
    assert shares(waterfall(late))["imbalance"] == pytest.approx(-0.5)
    assert waterfall(late).mfu == pytest.approx(waterfall(step).mfu / 2)


def test_experts_exchange_tokens() -> None:
    told = fall_of(scenario(nodes=1, model=moe(), expert=8, data=8, global_batch=64))
    assert told["expert_comm"] < 0.0
    assert 1.0 + sum(told.values()) > 0.0
