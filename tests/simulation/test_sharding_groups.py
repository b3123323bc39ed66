"""Sharded states: over all ranks with the same parameters, over groups of them, tensor by tensor, module by module."""

from __future__ import annotations

from typing import Any

import pytest
from builders import cluster, gpt, moe, scenario, stack

from clustersim.costs.placement import RankPlacement, place_groups
from clustersim.inputs.checks import layout_problems
from clustersim.inputs.layout import Layout
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import StepResult
from clustersim.simulation.step.step import simulate_step

SIZES = {"tensor": 2.0, "context": 1.0, "data": 32.0, "pipeline": 1.0, "expert": 1.0, "expert_tensor": 2.0}
ORDER = "tensor-context-expert-data-pipeline"


def played(**changes: Any) -> StepResult:
    return simulate_step(scenario(**({"sharding": "zero1"} | changes)))


def slow(here: Scenario, latency: float) -> Scenario:
    """With so many seconds a hop between nodes."""
    node = here.cluster.node
    node = node.model_copy(update={"scale_out": node.scale_out.model_copy(update={"latency": latency})})
    return here.model_copy(update={"cluster": here.cluster.model_copy(update={"node": node})})


@pytest.mark.parametrize(
    ("group", "shard", "replica"),
    [
        (2.0, RankPlacement(2.0, 2.0, 1.0), RankPlacement(16.0, 2.0, 8.0)),
        (4.0, RankPlacement(4.0, 4.0, 1.0), RankPlacement(8.0, 1.0, 8.0)),
        (16.0, RankPlacement(16.0, 4.0, 4.0), RankPlacement(2.0, 1.0, 2.0)),
        (32.0, RankPlacement(32.0, 4.0, 8.0), RankPlacement(1.0, 1.0, 1.0)),
        (None, RankPlacement(4.0, 4.0, 1.0), RankPlacement(8.0, 1.0, 8.0)),  # those inside a domain
    ],
)
def test_neighbours_share_and_strides_hold_the_same(
    group: float | None, shard: RankPlacement, replica: RankPlacement
) -> None:
    groups = place_groups(SIZES, ORDER, 8.0, group)
    assert groups["data_shard"] == shard
    assert groups["data_replica"] == replica


def test_a_group_of_all_is_no_group() -> None:
    whole, grouped = played(), played(zero_group=64)
    assert grouped.step_time_s == pytest.approx(whole.step_time_s)
    assert grouped.memory.parts == pytest.approx(whole.memory.parts)


def test_smaller_groups_hold_more_and_gather_nearer() -> None:
    """Optimizer states go as 1 / group; a node's group gathers inside it and sums eighths across nodes."""
    all_of_them, node, pair = played(), played(zero_group=8), played(zero_group=2)
    optimizer = [each.memory.parts["optimizer"] for each in (all_of_them, node, pair)]
    assert optimizer == pytest.approx([optimizer[0], 8 * optimizer[0], 32 * optimizer[0]])
    parameters = node.memory.parts["parameters"]
    assert all_of_them.memory.parts["parameters"] == pair.memory.parts["parameters"] == parameters
    assert all_of_them.breakdown["optimizer"] < node.breakdown["optimizer"] < pair.breakdown["optimizer"]


def test_gradients_are_scattered_in_the_group_and_summed_across() -> None:
    """16 layers of 1,024 and the head, fp32 gradients: 7/8 inside at 100 GB/s, then 2 x 7/8 of an eighth at 10 GB/s."""
    step = played(zero_group=8, model=gpt(layers=16, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096))
    parameters = step.memory.parts["parameters"] / 2.0
    reduced = 4.0 * parameters * 7 / 8 * (1 / 100e9 + 2 / 8 / 10e9)
    gathered = 2.0 * parameters * 7 / 8 / 100e9
    assert step.breakdown["data_comm"] == pytest.approx(reduced + gathered, rel=0.08)


def test_sharded_parameters_in_groups_are_hybrid() -> None:
    hybrid, grouped = played(sharding="hybrid"), played(sharding="fsdp", zero_group=8)
    assert grouped.step_time_s == pytest.approx(hybrid.step_time_s)
    assert grouped.memory.parts == pytest.approx(hybrid.memory.parts)


EXPERTS = {"model": moe(), "expert": 8, "data": 64, "tensor": 1, "sharding": "zero1"}


def test_experts_are_sharded_in_as_many_groups() -> None:
    """64 ranks, 8 of which have the same experts: in 4 groups of 16 dense ranks, 2 that share an expert's states."""
    whole, grouped = (simulate_step(scenario(**EXPERTS, zero_group=group)) for group in (None, 16))
    groups = place_groups(SIZES | {"tensor": 1.0, "data": 64.0, "expert": 8.0, "expert_tensor": 1.0}, ORDER, 8.0, 16.0)
    assert [groups[f"expert_data{part}"].ranks for part in ("", "_shard", "_replica")] == [8.0, 2.0, 4.0]
    assert grouped.memory.parts["optimizer"] == pytest.approx(4 * whole.memory.parts["optimizer"])
    assert grouped.breakdown["optimizer"] > whole.breakdown["optimizer"]
    alone = simulate_step(scenario(**EXPERTS, zero_group=64))
    assert alone.step_time_s == pytest.approx(whole.step_time_s)


def test_groups_that_do_not_divide_the_experts_replicas_are_refused() -> None:
    layout = Layout(expert=8, data=64, sharding="zero1", zero_group=4)
    (wrong,) = layout_problems(layout, moe(), cluster(nodes=8), None)
    assert "16 groups of 4 do not divide the ranks that hold the same experts" in str(wrong)
    assert not layout_problems(layout.model_copy(update={"zero_group": 8}), moe(), cluster(nodes=8), None)


def test_without_a_stated_group_all_that_hold_an_expert_share_it() -> None:
    groups = place_groups(SIZES | {"expert": 8.0, "expert_tensor": 1.0}, ORDER, 8.0)
    assert groups["expert_data_shard"] == groups["expert_data"]
    assert groups["expert_data_replica"].ranks == 1.0


def test_whole_tensors_of_many_owners_wait_for_every_hop() -> None:
    """Rings hide their hops behind transfers; broadcasts and reductions by owner pay for all of them, each tensor's."""
    owned = stack(owned_tensors=True)
    rings, owners = (
        [simulate_step(slow(scenario(stack_=some, sharding="zero1"), latency)).step_time_s for latency in (0.0, 1e-4)]
        for some in (stack(), owned)
    )
    assert rings[1] - rings[0] < 16 * 2 * 7 * 1e-4  # a layer's hops each
    assert owners[1] - owners[0] == pytest.approx((16 * 9 + 2) * 2 * 7 * 1e-4, rel=0.15)
    near = played(stack_=owned, zero_group=8).step_time_s
    assert simulate_step(slow(scenario(stack_=owned, sharding="zero1", zero_group=8), 1e-4)).step_time_s < 1.2 * near


def test_lists_cost_the_host_a_part_a_rank_module_and_message() -> None:
    """Three messages a layer of four modules, and those of the ends, each with a part for 64 ranks."""
    plain, listed = (
        played(sharding="zero3", stack_=stack(listed_shards=listed), global_batch=64) for listed in (False, True)
    )
    parts = 64 * 15e-6
    assert listed.step_time_s - plain.step_time_s == pytest.approx(16 * 4 * 3 * parts, rel=0.06)
    assert played(stack_=stack(listed_shards=True)).step_time_s == pytest.approx(played().step_time_s)


def test_a_file_may_give_the_group() -> None:
    mapping = {
        "model": "gpt3-13b",
        "cluster": {"node": "dgx-a100-80gb", "nodes": 8},
        "training": {"sequence_length": 2048, "global_batch": 256, "tokens": "300G"},
        "layout": {"tensor": 4, "data": 16, "sharding": "zero1", "zero_group": 2},
        "stack": "megatron-lm-2023",
    }
    small = simulate_step(load_scenario(mapping))
    whole = simulate_step(load_scenario(mapping | {"layout": mapping["layout"] | {"zero_group": 16}}))  # type: ignore[operator]
    assert small.memory.parts["optimizer"] == pytest.approx(8 * whole.memory.parts["optimizer"])
