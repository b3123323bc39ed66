"""Steps that are too large are refused before memory is asked for, with what would be played."""

from __future__ import annotations

from typing import Any

import builders
import pytest

from clustersim.errors import InfeasibleError
from clustersim.simulation.step.limits import MOST_TASKS, check_durations, tasks_a_micro_batch
from clustersim.simulation.step.step import simulate_step, step_program


@pytest.mark.parametrize(
    "layout",
    [
        {"pipeline": 1},
        {"pipeline": 4},
        {"pipeline": 4, "virtual_stages": 2},
        {"pipeline": 4, "schedule": "zb-h1"},
        {"pipeline": 4, "schedule": "zb-v", "virtual_stages": 2},
        {"pipeline": 4, "schedule": "dualpipe"},
    ],
    ids=str,
)
def test_tasks_are_counted_without_a_graph(layout: dict[str, Any]) -> None:
    scenario = builders.scenario(**layout)
    more = step_program(scenario, 64).graph.tasks - step_program(scenario, 32).graph.tasks
    assert 0.65 <= more / (32 * tasks_a_micro_batch(scenario.resolved_layout)) <= 1.0


def test_a_million_micro_batches_are_refused_with_what_would_be_played() -> None:
    huge = builders.scenario(pipeline=4, data=16, global_batch=16_000_000)
    with pytest.raises(
        InfeasibleError, match=r"16,000,000 tasks.*125,000 micro-batches.*global_batch 2,000,000"
    ) as caught:
        simulate_step(huge)
    assert f"{MOST_TASKS:,}" in str(caught.value)


def test_replicas_that_differ_are_limited_too() -> None:
    check_durations(1_000, 40_000)
    with pytest.raises(InfeasibleError, match="200,000 replicas"):
        check_durations(1_000, 200_000)
