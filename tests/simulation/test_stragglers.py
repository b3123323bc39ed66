"""One slow node: its effect on a step, and on a run."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from builders import scenario

from clustersim.engines import makespan
from clustersim.inputs.reliability import Reliability
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.run import simulate_run
from clustersim.simulation.run_clock.slow_nodes import Slowdowns, SlowNodes
from clustersim.simulation.step.step import play_step
from clustersim.simulation.step.unfolded import COMPUTE
from clustersim.simulation.stragglers import FACTORS, slow_nodes_of, slowdowns_of


def with_stragglers(here: Scenario, **changes: Any) -> Scenario:
    values = {"rate": 1e-7, "factor": 1.5} | changes
    return here.model_copy(update={"reliability": Reliability.model_validate({"stragglers": values})})


def test_a_slow_node_in_one_of_many_replicas_sets_the_pace() -> None:
    """Played alone as here, or among replicas that all meet at the barriers: the same step, to the last bit."""
    played = play_step(scenario(tensor=2, pipeline=4, global_batch=64))
    found = slowdowns_of(played)
    graph, program = played.program.graph.task_by_task, played.program
    seconds = np.array([sum(row.values()) for row in played.parts])[program.graph.kind]
    computes = np.array([kind.operation in COMPUTE for kind in program.kinds])[program.graph.kind]
    for stage in range(4):
        table = np.tile(seconds[:, np.newaxis], (1, 8))  # [tasks, replicas]
        table[computes & (program.stage == stage), 3] *= 1.5
        together = makespan(graph, table, np.zeros((graph.barriers, 8), dtype=int)).max()
        assert found.of(stage, 1.5) == pytest.approx(together / played.seconds, rel=1e-12)


def test_slowness_of_compute_slows_a_step_by_less_than_its_factor() -> None:
    found = slowdowns_of(play_step(scenario(tensor=2, pipeline=4, global_batch=1024)))
    assert found.factors == FACTORS
    for steps in found.steps:
        assert steps[0] == 1.0
        assert list(steps) == sorted(steps)
        assert all(step <= factor for step, factor in zip(steps, FACTORS, strict=True))
    stalls = [steps[FACTORS.index(1.5)] for steps in found.steps]
    assert stalls[3] > 1.4 > 1.1 > max(stalls[:3]) > 1.0, "the last stage holds the head, and the others wait for it"


def test_between_and_past_the_factors_that_were_played() -> None:
    found = Slowdowns((1.0, 2.0, 4.0), ((1.0, 1.5, 3.0), (1.0, 1.0, 1.5)))
    assert [found.of(0, factor) for factor in (1.0, 1.5, 2.0, 3.0, 5.0)] == [1.0, 1.25, 1.5, 2.25, 3.75]
    assert found.pace(2.0, 0) == 1.0
    assert found.pace(2.0, 1) == pytest.approx((1 / 1.5 + 1 / 1.0) / 2)
    assert found.pace(2.0, 50) == pytest.approx(1 / 1.5)


def test_how_long_a_slow_node_stays() -> None:
    assert SlowNodes(1.0, 1.1).stay_s == float("inf")
    assert SlowNodes(1.0, 1.1).evicted == 0.0
    both = SlowNodes(1.0, 1.1, lasts_s=100.0, detection_s=300.0)
    assert both.stay_s == pytest.approx(75.0)
    assert both.evicted == pytest.approx(0.25)


def test_a_run_with_slow_nodes() -> None:
    here = scenario(tensor=2, pipeline=4, global_batch=64, tokens=1e14)
    assert slow_nodes_of(play_step(here)) is None
    found = slow_nodes_of(play_step(with_stragglers(here, detection=3600.0)))
    assert found is not None
    assert found.rate == pytest.approx(8e-7)
    goodputs = [
        simulate_run(with_stragglers(here, **changes)).goodput
        for changes in ({"factor": 1.0}, {"detection": 86400.0}, {}, {"drift": 0.1})
    ]
    assert goodputs[0] == pytest.approx(1.0)
    assert all(earlier > later for earlier, later in pairwise(goodputs))  # type: ignore[operator]
