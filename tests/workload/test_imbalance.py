"""Whatever the busiest rank of an expert group gets more than others: messages, copies, activations and room."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import cluster, moe, scenario, shape, stack

from clustersim.costs.machine import Machine, machine_of
from clustersim.costs.placement import place
from clustersim.inputs.model import BlockKind
from clustersim.inputs.training import Training
from clustersim.simulation.results import StepResult
from clustersim.simulation.step.step import simulate_step
from clustersim.workload.blocks import block_elements
from clustersim.workload.imbalance import busiest_rank, expert_spread, largest_load
from clustersim.workload.operations import Collective, Gemm, Pass, Pointwise
from clustersim.workload.passes import element_pass, saved_bytes
from clustersim.workload.shape import Shape

EXPERTS = BlockKind("full", "experts")
EVEN = shape(expert=8.0, fused_attention=True)


def uneven(load: float, **changes: Any) -> Shape:
    return replace(EVEN, busiest_expert_rank=load, **changes)


def bytes_of(work: Pass) -> dict[str, float]:
    return {one.name: float(one.bytes) for one in work.operations if isinstance(one, Pointwise)}


def step(imbalance: float, **changes: Any) -> StepResult:
    software = stack(dispatch=changes.pop("dispatch", "pairwise"))
    router = {"imbalance": imbalance}
    layout = {"expert": 8, "recompute": "none", **changes}
    return simulate_step(scenario(model=moe(), stack_=software, router=router, **layout))


def test_the_busiest_of_many_is_near_what_draws_give() -> None:
    """Blom's formula against 20,000 draws of 16 ranks of 4 experts each."""
    rng = np.random.default_rng(0)
    loads = 1.0 + 0.3 * rng.standard_normal((20_000, 16, 4))
    training = Training(sequence_length=1, global_batch=1, router={"imbalance": 0.3})  # type: ignore[arg-type]
    model = moe(moe={"experts": 64, "top_k": 2, "ffn_hidden": 512})
    assert busiest_rank(model, training, 16.0) == pytest.approx(loads.mean(axis=2).max(axis=1).mean(), rel=0.003)
    assert expert_spread(model, training) == pytest.approx(0.3 / 8)
    assert largest_load(0.3 / 8, 16.0, capacity=1.1) == 1.1
    assert largest_load(0.0, 16.0) == largest_load(0.3 / 8, 1.0) == 1.0


def test_products_of_the_mean_stay_and_what_is_more_stands_apart() -> None:
    work = element_pass(block_elements(moe(), EXPERTS, uneven(1.5)), "forward")
    products = [one for one in work.operations if isinstance(one, Gemm) and one.name.startswith(("expert", "busiest"))]
    mean, more = (sum(float(p.flops) for p in products if (p.part == "gemm") == own) for own in (True, False))
    assert more == pytest.approx(0.5 * mean)


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_permutations_and_activations_are_those_of_the_busiest(phase: str) -> None:
    even, busy = (
        bytes_of(element_pass(block_elements(moe(), EXPERTS, here), phase))  # type: ignore[arg-type]
        for here in (EVEN, uneven(1.5))
    )
    suffix = "" if phase == "forward" else " backward"
    copies, own = 2.0 * 1024 * 2 * 2048, 2.0 * 1024 * 2048
    assert busy[f"permute{suffix}"] == 1.5 * even[f"permute{suffix}"]
    assert busy[f"expert activation{suffix}"] == 1.5 * even[f"expert activation{suffix}"]
    assert busy[f"unpermute{suffix}"] - even[f"unpermute{suffix}"] == 0.5 * copies * (1 if phase == "forward" else 2)
    assert even["unpermute"] == copies + own if phase == "forward" else True
    for name in ("router", "shared activation", "attention norm"):
        assert busy[f"{name}{suffix}"] == even[f"{name}{suffix}"]


def test_what_experts_keep_is_what_the_busiest_keeps() -> None:
    """Inputs of both matrices and of the activation: h + 2 f + f values a routed token."""
    even, busy = (block_elements(moe(), EXPERTS, here) for here in (EVEN, uneven(1.5)))
    experts = 2.0 * 2 * 2048 * (1024 + 2 * 512 + 512)
    assert saved_bytes(busy, "none", 0.0) - saved_bytes(even, "none", 0.0) == pytest.approx(0.5 * experts)
    assert sum(float(element.gradients) for element in busy) > sum(float(element.gradients) for element in even)


def machine(ranks: float, domain: float = 8.0) -> Machine:
    return machine_of(cluster(int(ranks)), stack(), {"expert": place(ranks, 1.0, domain)})


@pytest.mark.parametrize("kind", ["dispatch", "combine"])
@pytest.mark.parametrize(("dispatcher", "grows"), [("alltoall", True), ("deepep", True), ("allgather", False)])
def test_an_exchange_ends_with_its_busiest_rank(kind: Any, dispatcher: str, grows: bool) -> None:
    """The test network has no latency: seconds of a message that has hardly a start go with bytes."""
    message = Collective("expert", kind, "expert", 1e15, dispatcher, 2.0)
    spread = 0.4 / 4
    load = float(largest_load(spread, 8.0))
    even, busy = (machine(8.0).collective_time(replace(message, spread=each)) for each in (0.0, spread))
    assert busy / even == pytest.approx(load if grows else 1.0)
    assert load > 1.3


def test_domains_are_more_even_than_ranks() -> None:
    """Once to a domain: between two domains the busier domain counts, whose eight ranks share what arrives."""
    message = Collective("expert", "dispatch", "expert", 1e9, "deepep", 2.0)
    even, busy = (machine(16.0).collective(replace(message, spread=each)) for each in (0.0, 0.1))
    assert busy.far / even.far == pytest.approx(largest_load(0.1, 2.0))
    assert busy.near / even.near == pytest.approx(largest_load(0.1, 16.0))
    pairs = replace(message, algorithm="alltoall")
    even, busy = (machine(16.0).collective(replace(pairs, spread=each)) for each in (0.0, 0.1))
    assert busy.far / even.far == busy.near / even.near == pytest.approx(largest_load(0.1, 16.0))


@pytest.mark.parametrize("dispatch", ["pairwise", "two-stage"])
def test_an_uneven_router_lengthens_traffic_and_fills_memory(dispatch: str) -> None:
    even, some, more = (step(imbalance, dispatch=dispatch) for imbalance in (0.0, 0.3, 1.0))
    for part in ("expert_comm", "memory_bound", "imbalance"):
        assert even.breakdown[part] < some.breakdown[part] < more.breakdown[part]
    assert even.breakdown["gemm"] == more.breakdown["gemm"]
    assert even.memory.parts["activations"] < some.memory.parts["activations"] < more.memory.parts["activations"]


def test_an_even_router_is_as_if_there_were_none() -> None:
    balanced = simulate_step(scenario(model=moe(), router="balanced", expert=8))
    assert balanced.step_time_s == step(0.0).step_time_s
    assert balanced.breakdown["imbalance"] == 0.0


def test_capacity_bounds_all_that_follows_the_busiest() -> None:
    free, bound = (
        simulate_step(scenario(model=moe(), router={"imbalance": 1.0}, expert=8, **more))
        for more in ({}, {"capacity_factor": 1.0})
    )
    even = step(0.0)
    assert bound.step_time_s == pytest.approx(even.step_time_s)
    assert bound.memory.parts["activations"] == pytest.approx(even.memory.parts["activations"])
    assert free.step_time_s > even.step_time_s


def test_recomputation_by_operations_repeats_half_of_what_the_busiest_multiplies_more() -> None:
    work = element_pass(block_elements(moe(), EXPERTS, uneven(1.5)), "backward", "operations")
    again = [one for one in work.operations if isinstance(one, Gemm) and one.part == "recompute"]
    mean = sum(float(one.flops) for one in again if one.name.startswith("expert"))
    assert sum(float(one.flops) for one in again if one.name.startswith("busiest")) == pytest.approx(0.5 * mean)
