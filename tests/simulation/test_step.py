"""The step: closed forms, conservation, bounds, monotonicity, the breakdown."""

from __future__ import annotations

from typing import Any

import pytest
from builders import accelerator, cluster, gpt, moe, scenario, stack
from hypothesis import given, settings
from hypothesis import strategies as st

from clustersim.errors import InfeasibleError
from clustersim.inputs.layout import PartialOffload
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import BREAKDOWN_PARTS
from clustersim.simulation.step.step import simulate_step

LAYOUTS: list[dict[str, Any]] = [
    {},
    {"tensor": 8, "sequence_parallel": True},
    {"tensor": 2, "pipeline": 4},
    {"pipeline": 4, "virtual_stages": 2, "overlap": frozenset({"grad_reduce", "param_gather"})},
    {"pipeline": 4, "schedule": "gpipe", "recompute": "full"},
    {"sharding": "fsdp", "overlap": frozenset({"fsdp"})},
    {"sharding": "zero3"},
    {"sharding": "zero2"},
    {"sharding": "hybrid", "overlap": frozenset({"fsdp"})},
    {"sharding": "none", "context": 2},
    {"tensor": 4, "sequence_parallel": True, "overlap": frozenset({"tensor_backward"}), "recompute": "selective"},
]

ZERO_BUBBLE: list[dict[str, Any]] = [
    {"pipeline": 4, "schedule": "zb-h1"},
    {"pipeline": 4, "schedule": "zb-1p", "overlap": frozenset({"grad_reduce", "param_gather"})},
    {"pipeline": 4, "schedule": "zb-2p", "recompute": "full"},
    {"pipeline": 4, "schedule": "zb-2p", "sharding": "zero3", "overlap": frozenset({"fsdp"})},
    {"pipeline": 4, "schedule": "zb-v", "virtual_stages": 2, "sharding": "zero2"},
    {"pipeline": 4, "schedule": "dualpipe", "global_batch": 128},
    {"pipeline": 4, "schedule": "dualpipe", "global_batch": 128, "overlap": frozenset({"grad_reduce", "param_gather"})},
]
PLAYED = LAYOUTS + ZERO_BUBBLE


@pytest.mark.parametrize("layout", PLAYED, ids=range(len(PLAYED)))
@pytest.mark.parametrize("fused", [True, False])
def test_the_breakdown_sums_to_the_step(layout: dict[str, Any], fused: bool) -> None:
    step = simulate_step(scenario(stack_=stack(fused_attention=fused, fixed_overhead=0.01), **layout))
    assert set(step.breakdown) == set(BREAKDOWN_PARTS)
    assert sum(step.breakdown.values()) == pytest.approx(step.step_time_s, abs=1e-9)
    assert min(step.breakdown.values()) >= 0.0
    assert 0.0 < step.busy_compute <= step.busy_any <= 1.0 + 1e-12


@pytest.mark.parametrize("layout", PLAYED, ids=range(len(PLAYED)))
def test_both_engines_give_the_same_step(layout: dict[str, Any]) -> None:
    here = scenario(**layout)
    array, reference = (simulate_step(here, engine=name) for name in ("array", "reference"))
    assert array.step_time_s == reference.step_time_s
    assert array.breakdown == reference.breakdown
    assert (array.engine, reference.engine) == ("array", "reference")


def test_one_device_takes_the_sum_of_its_work() -> None:
    """No groups, no pipeline: the step is compute, and on ideal kernels MFU is 1 but for memory-bound work."""
    alone = scenario(nodes=1, tensor=8, sharding="none").model_copy(update={"cluster": cluster(nodes=1, devices=1)})
    plan = alone.resolved_layout.model_copy(update={"tensor": 1, "data": 1})
    step = simulate_step(alone.model_copy(update={"layout": plan}))
    assert step.breakdown["bubble"] == step.breakdown["data_comm"] == step.breakdown["tensor_comm"] == 0.0
    products = step.breakdown["gemm"] + step.breakdown["attention"]
    causal_flops = step.mfu_causal / step.mfu * step.model_flops
    assert products == pytest.approx(causal_flops / 100e12, rel=0.1)
    assert step.mfu_causal <= 1.0


def test_a_pipeline_of_equal_stages_has_the_closed_bubble() -> None:
    """(p - 1) (f + b) beside m (f + b): the ends of the model are left empty so that stages are equal."""
    free = stack(blocking_transfers=False, synchronous_optimizer=False)
    model = gpt(layers=16, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096, vocab=1, position="none")
    step = simulate_step(scenario(model=model, stack_=free, pipeline=8, tensor=8, global_batch=32))
    inside = step.breakdown["gemm"] + step.breakdown["attention"] + step.breakdown["memory_bound"]
    inside += step.breakdown["tensor_comm"]
    assert step.breakdown["bubble"] == pytest.approx(inside * 7 / 32, rel=0.1)


@settings(max_examples=30, deadline=None)
@given(
    layout=st.sampled_from(LAYOUTS),
    what=st.sampled_from(["scale_up", "scale_out", "bandwidth", "peak"]),
    factor=st.floats(1.0, 50.0),
)
def test_faster_hardware_never_slows_a_step(layout: dict[str, Any], what: str, factor: float) -> None:
    here = scenario(**layout)
    node = here.cluster.node
    if what in ("scale_up", "scale_out"):
        tier = getattr(node, what)
        node = node.model_copy(update={what: tier.model_copy(update={"bandwidth": tier.bandwidth * factor})})
    else:
        chip = node.accelerator
        if what == "peak":
            chip = chip.model_copy(update={"peak": {name: rate * factor for name, rate in chip.peak.items()}})
        else:
            memory = chip.memory.model_copy(update={"bandwidth": chip.memory.bandwidth * factor})
            chip = chip.model_copy(update={"memory": memory})
        node = node.model_copy(update={"accelerator": chip})
    faster = here.model_copy(update={"cluster": here.cluster.model_copy(update={"node": node})})
    assert simulate_step(faster).step_time_s <= simulate_step(here).step_time_s * (1 + 1e-12)


def test_recomputation_costs_time_and_saves_memory() -> None:
    steps = {
        mode: simulate_step(scenario(recompute=mode, stack_=stack(fused_attention=False)))
        for mode in ("none", "selective", "full")
    }
    times = [steps[mode].step_time_s for mode in ("none", "selective", "full")]
    held = [steps[mode].memory.parts["activations"] for mode in ("none", "selective", "full")]
    assert times == sorted(times)
    assert held == sorted(held, reverse=True)
    assert steps["none"].hfu == steps["none"].mfu
    assert steps["full"].hfu > steps["selective"].hfu / steps["selective"].mfu * steps["full"].mfu


def test_partial_recomputation_lies_between() -> None:
    none, some, full = (simulate_step(scenario(recompute=mode)) for mode in ("none", {"layers": 8}, "full"))
    assert none.step_time_s < some.step_time_s < full.step_time_s
    assert none.memory_bytes > some.memory_bytes > full.memory_bytes
    assert none.hfu / none.mfu < some.hfu / some.mfu < full.hfu / full.mfu


def test_overlap_hides_data_traffic() -> None:
    exposed = simulate_step(scenario())
    hidden = simulate_step(scenario(overlap=frozenset({"grad_reduce", "param_gather"})))
    assert hidden.breakdown["data_comm"] < exposed.breakdown["data_comm"]
    sharded, waiting = (
        simulate_step(scenario(sharding="fsdp", overlap=frozenset(overlap))) for overlap in ({"fsdp"}, set())
    )
    assert sharded.step_time_s < waiting.step_time_s


def test_hybrid_sharding_keeps_gathers_inside_the_node() -> None:
    """On a slow network, two gathers and a scatter over all ranks cost more than an all-reduce of a node's share."""
    steps = []
    for kind in ("fsdp", "hybrid"):
        here = scenario(sharding=kind)
        node = here.cluster.node
        slow = node.scale_out.model_copy(update={"bandwidth": 0.5e9})
        node = node.model_copy(update={"scale_out": slow})
        steps.append(simulate_step(here.model_copy(update={"cluster": here.cluster.model_copy(update={"node": node})})))
    wide, near = steps
    assert near.breakdown["data_comm"] < wide.breakdown["data_comm"]
    assert near.memory.parts["parameters"] == pytest.approx(8 * wide.memory.parts["parameters"])


def test_experts_send_all_to_all_and_shrink_with_their_group() -> None:
    alone, spread = (simulate_step(scenario(model=moe(), expert=size)) for size in (1, 8))
    assert alone.breakdown["expert_comm"] == 0.0
    assert spread.breakdown["expert_comm"] > 0.0
    assert spread.memory.parts["parameters"] < alone.memory.parts["parameters"]


def test_multi_token_prediction_adds_work_to_the_last_stage() -> None:
    plain, more = (simulate_step(scenario(model=moe(mtp_layers=n), pipeline=2)) for n in (0, 1))
    assert more.step_time_s > plain.step_time_s
    assert more.model_flops > plain.model_flops


def test_what_is_not_resolved_is_refused() -> None:
    here = scenario()
    with pytest.raises(InfeasibleError, match="still open"):
        simulate_step(Scenario(**{**dict(here), "layout": "search"}))


def test_intervals_widen_with_the_residual_and_hold_the_figure() -> None:
    narrow, wide = (
        simulate_step(scenario(stack_=stack(residual={"spread": spread, "evidence": "assumed"})))
        for spread in (0.05, 0.2)
    )
    for step in (narrow, wide):
        low, high = step.intervals["mfu"]["80"]
        assert low < step.mfu < high
        assert step.intervals["mfu"]["95"][0] < low
    assert wide.intervals["step_time_s"]["80"][1] > narrow.intervals["step_time_s"]["80"][1]
    assert simulate_step(scenario(), intervals=False).intervals == {}


def test_expert_traffic_hides_behind_the_other_pass() -> None:
    """Beside each other, forward and backward wait less than one after the other, and never less than nothing."""
    apart, together = (
        simulate_step(scenario(model=moe(), expert=16, global_batch=256, overlap=frozenset(overlap)))
        for overlap in (set(), {"expert"})
    )
    assert together.breakdown["expert_comm"] < apart.breakdown["expert_comm"]
    assert together.breakdown["gemm"] == pytest.approx(apart.breakdown["gemm"])
    assert sum(together.breakdown.values()) == pytest.approx(together.step_time_s, abs=1e-9)


def test_collectives_that_take_cores_slow_what_runs_beside_them() -> None:
    layout = {"model": moe(), "expert": 16, "global_batch": 256, "overlap": frozenset({"expert"})}
    free, slowed = (simulate_step(scenario(stack_=stack(overlap_slowdown=rate), **layout)) for rate in (0.0, 0.2))
    assert free.breakdown["gemm"] < slowed.breakdown["gemm"] <= 1.2 * free.breakdown["gemm"]
    apart = simulate_step(scenario(stack_=stack(overlap_slowdown=0.2), model=moe(), expert=16, global_batch=256))
    assert apart.breakdown["gemm"] == pytest.approx(free.breakdown["gemm"])


def test_uneven_experts_make_everybody_wait() -> None:
    """The busiest of 16 ranks with one expert each: 1 + spread * 1.77 (Blom), cut off by the capacity factor."""
    even, uneven, capped = (
        simulate_step(scenario(model=moe(), expert=16, **changes))
        for changes in ({}, {"expert_imbalance": 0.5}, {"expert_imbalance": 0.5, "capacity_factor": 1.25})
    )
    assert even.breakdown["imbalance"] == 0.0
    assert uneven.breakdown["imbalance"] > capped.breakdown["imbalance"] > 0.0
    assert capped.breakdown["imbalance"] / uneven.breakdown["imbalance"] == pytest.approx(0.25 / (0.5 * 1.77), rel=0.1)
    assert uneven.breakdown["gemm"] == pytest.approx(even.breakdown["gemm"])


@pytest.mark.parametrize("pipeline", [1, 4])
def test_offloading_trades_time_for_memory(pipeline: int) -> None:
    kept, optimizer, activations = (
        simulate_step(scenario(offload=what, pipeline=pipeline)) for what in ("none", "optimizer", "activations")
    )
    assert optimizer.memory.parts["optimizer"] == 0.0
    assert optimizer.breakdown["optimizer"] > kept.breakdown["optimizer"]
    assert activations.memory.parts["activations"] < kept.memory.parts["activations"]
    assert activations.step_time_s >= kept.step_time_s


def test_sixteen_bit_moments_spare_memory_and_time() -> None:
    """DeepSeek-V3 keeps Adam's moments in bf16: 8 bytes instead of 12, and 20 moved by Adam instead of 28."""
    fp32, bf16 = (simulate_step(scenario(moment_precision=kept)) for kept in ("fp32", "bf16"))
    assert bf16.memory.parts["optimizer"] == pytest.approx(8 / 12 * fp32.memory.parts["optimizer"])
    assert bf16.breakdown["optimizer"] < fp32.breakdown["optimizer"]


def test_the_optimizer_is_one_kernel_for_many_tensors_on_every_stack() -> None:
    """Eager software moves more bytes between kernels, and none more inside Adam's."""
    fused, eager = (simulate_step(scenario(stack_=stack(memory_factor=factor))) for factor in (1.0, 2.0))
    assert eager.breakdown["optimizer"] == fused.breakdown["optimizer"] > 0.0
    assert eager.breakdown["memory_bound"] > fused.breakdown["memory_bound"]


def test_training_in_fp32_is_played() -> None:
    """At a peak of a half, with twice the bytes of everything; weights are their own masters."""
    chip = accelerator(peak={"bf16": 100e12, "fp32": 50e12, "tf32": 50e12})
    here = scenario(precision="tf32")
    node = here.cluster.node.model_copy(update={"accelerator": chip})
    full = simulate_step(here.model_copy(update={"cluster": here.cluster.model_copy(update={"node": node})}))
    half = simulate_step(scenario())
    assert full.breakdown["gemm"] == pytest.approx(2 * half.breakdown["gemm"])
    assert full.breakdown["attention"] == pytest.approx(2 * half.breakdown["attention"])
    assert full.memory.parts["activations"] == pytest.approx(2 * half.memory.parts["activations"], rel=0.05)
    assert full.memory.parts["optimizer"] == pytest.approx(8 / 12 * half.memory.parts["optimizer"])
    reduced, gathered = 4.0, 2.0  # bytes a parameter of 16 bits; its gradient is in fp32 either way
    sent = (reduced + 2 * gathered) / (reduced + gathered)
    assert full.breakdown["data_comm"] == pytest.approx(sent * half.breakdown["data_comm"], rel=0.02)


def test_a_part_of_the_layers_can_be_offloaded() -> None:
    """Of 16 layers 4 go: 12 stay for every micro-batch in flight, and two of the others are there while a pass runs."""
    none, some, all_of_them = (
        simulate_step(scenario(offload=what)) for what in ("none", PartialOffload(layers=4), "activations")
    )
    layer = none.memory.parts["activations"] / 16
    assert some.memory.parts["activations"] == pytest.approx((12 + 2) * layer)
    assert all_of_them.memory.parts["activations"] == pytest.approx(2 * layer)
    assert none.step_time_s <= some.step_time_s <= all_of_them.step_time_s
    more = simulate_step(scenario(offload=PartialOffload(layers=99)))
    assert more.memory.parts == all_of_them.memory.parts
