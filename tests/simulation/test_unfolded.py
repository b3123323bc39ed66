"""Replicas that differ: slow nodes and jitter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import scenario

from clustersim.inputs.scenario import Scenario
from clustersim.simulation.step.step import micro_batches_of, play_step, simulate_step, step_program
from clustersim.simulation.step.unfolded import stage_factors, unfolded_seconds


def uneven(here: Scenario, **changes: Any) -> Scenario:
    return here.model_copy(update={"cluster": here.cluster.model_copy(update=changes)})


@pytest.mark.parametrize("layout", [{}, {"pipeline": 4, "tensor": 2}, {"pipeline": 4, "virtual_stages": 2}], ids=str)
def test_folded_and_unfolded_agree_where_replicas_are_alike(layout: dict[str, Any]) -> None:
    """With nothing drawn, all columns play the folded step, to the last bit."""
    here = scenario(**layout)
    played = play_step(here)
    durations = np.array([sum(row.values()) for row in played.parts])[played.program.graph.kind]
    assert unfolded_seconds(here, played.program, durations) == played.seconds


def test_everybody_waits_for_a_slow_node() -> None:
    """Without a pipeline a step with one slow node among many takes as long as one of slow nodes alone."""
    here = scenario(tensor=8)
    even = simulate_step(here)
    some = simulate_step(uneven(here, slow_nodes=0.3, slow_factor=1.2))
    everyone = simulate_step(uneven(here, slow_nodes=1.0, slow_factor=1.2))
    assert some.step_time_s == everyone.step_time_s > even.step_time_s
    assert some.breakdown["imbalance"] == pytest.approx(some.step_time_s - even.step_time_s)
    assert sum(some.breakdown.values()) == pytest.approx(some.step_time_s, abs=1e-9)
    assert some.mfu < even.mfu


def test_a_share_of_nodes_is_slow_and_the_seed_says_which() -> None:
    here = uneven(scenario(nodes=512, tensor=8), slow_nodes=0.1, slow_factor=1.5)
    factors = stage_factors(here)
    assert factors.shape == (1, 512)
    share = float((factors > 1).mean())
    assert abs(share - 0.1) < 4 * (0.1 * 0.9 / 512) ** 0.5
    assert np.array_equal(factors, stage_factors(here))
    assert not np.array_equal(factors, stage_factors(here.model_copy(update={"seed": 1})))


def test_a_slow_device_slows_its_tensor_group() -> None:
    """A stage is slow if any of its eight devices is: 1 - (1 - 0.02)^8 of them."""
    factors = stage_factors(uneven(scenario(nodes=512, tensor=8), slow_devices=0.02, slow_factor=1.5))
    share = 1 - 0.98**8
    assert abs(float((factors > 1).mean()) - share) < 4 * (share * (1 - share) / 512) ** 0.5
    here = scenario(tensor=8)
    assert simulate_step(uneven(here, slow_devices=1.0, slow_factor=1.2)).step_time_s == pytest.approx(
        simulate_step(uneven(here, slow_nodes=1.0, slow_factor=1.2)).step_time_s
    )


def test_jitter_costs_more_the_more_replicas_there_are() -> None:
    few, many = (
        simulate_step(uneven(scenario(nodes=nodes, tensor=8, global_batch=4 * nodes), jitter=0.05)) for nodes in (4, 64)
    )
    shares = [step.breakdown["imbalance"] / step.step_time_s for step in (few, many)]
    assert 0.0 < shares[0] < shares[1] < 0.2


@pytest.mark.slow
def test_a_hundred_thousand_devices_play() -> None:
    """12,500 nodes, a replica each four of them; the folded step's graph does not grow with replicas."""
    here = uneven(scenario(nodes=12_500, tensor=8, pipeline=4, global_batch=25_000), jitter=0.02, slow_nodes=0.01)
    here = uneven(here, slow_factor=1.1)
    step = simulate_step(here)
    assert here.resolved_layout.data == 3125
    assert step.breakdown["imbalance"] > 0.0
    small = scenario(nodes=4, tensor=8, pipeline=4, global_batch=8)
    assert step_program(here, micro_batches_of(here)).graph.tasks - step_program(small, 8).graph.tasks <= 8
