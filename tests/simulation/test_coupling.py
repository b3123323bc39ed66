"""Durations that follow from what runs beside a task: closed forms, the fluid engine, and whole steps."""

from __future__ import annotations

from typing import Any

import builders
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import make_graph

from clustersim.engines import makespan, play
from clustersim.engines.fluid import fair_shares
from clustersim.engines.sharing import Sharing
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.segment.coupling import Coupling, couple, play_coupled
from clustersim.simulation.segment.overlaps import Overlaps
from clustersim.simulation.step.step import play_step, simulate_step
from clustersim.simulation.stragglers import slowdowns_of

SECONDS = st.floats(0.1, 10.0)


def messages(wants: list[float]) -> Sharing:
    """Kinds that want so much of one link."""
    one = np.ones((len(wants), 1))
    return Sharing(
        np.zeros(len(wants), dtype=np.int64),
        holds=0.0 * one,
        computing=0.0 * one,
        moving=one,
        links=np.zeros((len(wants), 1), dtype=np.int64),
        bandwidth=np.array(wants).reshape(-1, 1, 1),
        owner=np.zeros(1, dtype=np.int64),
        capacity=np.ones((1, 1)),
    )


def beside(slowdown: float) -> Sharing:
    """Compute, and a message that holds cores."""
    return Sharing(
        np.zeros(2, dtype=np.int64),
        holds=np.array([[0.0], [slowdown]]),
        computing=np.array([[1.0], [0.0]]),
        moving=np.array([[0.0], [1.0]]),
        links=np.full((2, 1), -1),
        bandwidth=np.zeros((2, 1, 1)),
        owner=np.zeros(0, dtype=np.int64),
        capacity=np.zeros((0, 1)),
    )


def ends(
    seconds: list[float], sharing: Sharing, coupling: Coupling, after: list[list[int]] | None = None
) -> list[float]:
    """Of tasks on a stream each."""
    graph = make_graph(list(range(len(seconds))), after or [[] for _ in seconds])
    ended: list[float] = play_coupled(graph, np.array([seconds]).T, sharing, coupling).timeline.end[:, 0].tolist()
    return ended


def test_flows_that_share_a_link_all_along_take_twice_as_long() -> None:
    assert ends([3.0, 3.0], messages([1.0, 1.0]), 1) == [6.0, 6.0]
    assert ends([3.0, 3.0], messages([1.0, 1.0]), 3) == [6.0, 6.0]
    assert ends([3.0, 3.0], messages([0.5, 0.5]), 3) == [3.0, 3.0]


@given(slowdown=st.floats(0.01, 1.0), seconds=SECONDS)
def test_compute_beside_a_longer_message_takes_the_slowdown_longer(slowdown: float, seconds: float) -> None:
    assert ends([seconds, 30.0], beside(slowdown), 1)[0] == pytest.approx(seconds * (1 + slowdown))


def test_what_runs_alone_takes_its_time_to_the_last_bit() -> None:
    graph = make_graph([0, 1, 1], [[], [0], []])
    sharing = messages([1.0, 1.0, 1.0])
    stretch = couple(play(graph, [[0.1], [0.2], [0.3]]), Overlaps.of(graph, sharing))
    assert (stretch == 1.0).all()


def test_passes_come_near_to_what_happens_event_by_event() -> None:
    """A short flow beside a long one: 4 s and 12 s. Compute of 4 s that a message of 3 s slows by half: 5 s."""
    for seconds, sharing in (([10.0, 2.0], messages([1.0, 1.0])), ([4.0, 3.0], beside(0.5))):
        exact = np.array(ends(seconds, sharing, "fluid"))
        errors = [np.abs(ends(seconds, sharing, passes) / exact - 1.0).max() for passes in (0, 1, 3, 20)]
        assert errors[0] > errors[1] > errors[2] > errors[3]
        assert errors[2] < 0.02
        assert errors[3] < 1e-3


@given(wants=st.lists(st.sampled_from([0.0, 0.05, 0.2, 1 / 3, 0.7, 1.0]), min_size=1, max_size=6))
def test_a_link_is_shared_max_min_fair(wants: list[float]) -> None:
    """Flows of one length from one moment on get what progressive filling gives them."""
    shares = fair_shares(np.array(wants)[:, np.newaxis], np.ones(1))
    graph = make_graph(list(range(len(wants))), [[] for _ in wants])
    stretch = couple(play(graph, np.ones((len(wants), 1))), Overlaps.of(graph, messages(wants)))
    assert stretch[:, 0] == pytest.approx(1.0 / shares)


@given(seed=st.integers(0, 2**32 - 1), passes=st.integers(1, 4))
def test_sharing_never_speeds_a_task_up(seed: int, passes: int) -> None:
    rng = np.random.default_rng(seed)
    tasks = int(rng.integers(1, 30))
    graph = make_graph(
        rng.integers(0, 4, tasks).tolist(), [rng.integers(0, task, 2).tolist() if task else [] for task in range(tasks)]
    )
    seconds = rng.choice([0.0, 0.5, 1.0, 3.0], (tasks, 1))
    coupled = play_coupled(graph, seconds, messages(rng.random(tasks).tolist()), passes)
    assert (coupled.stretch >= 1.0).all()
    assert (coupled.timeline.end >= play(graph, seconds).end).all()
    assert (coupled.coupling_residual >= 0.0).all()


def overlapping(coupling: Coupling, **changes: Any) -> Scenario:
    """Transfers and data traffic beside passes, over one network."""
    stack = builders.stack(overlap_slowdown=0.15, blocking_transfers=False, coupling=coupling)
    return builders.scenario(
        nodes=16,
        stack_=stack,
        pipeline=4,
        virtual_stages=2,
        data=32,
        sharding="zero1",
        overlap=frozenset({"grad_reduce", "param_gather"}),
        global_batch=256,
        **changes,
    )


def test_a_step_is_longer_and_its_parts_sum_to_it() -> None:
    alone, coupled, fluid = (simulate_step(overlapping(coupling)) for coupling in (0, 3, "fluid"))
    assert alone.step_time_s < coupled.step_time_s
    assert coupled.step_time_s == pytest.approx(fluid.step_time_s, rel=0.02)
    for step in (coupled, fluid):
        assert sum(step.breakdown.values()) == pytest.approx(step.step_time_s, rel=1e-9)
        assert step.busy_compute <= step.busy_any <= 1.0
    assert coupled.breakdown["gemm"] > alone.breakdown["gemm"]
    assert (alone.coupling_residual, fluid.coupling_residual) == (None, 0.0)
    assert (alone.notes, fluid.engine) == ((), "fluid")
    assert "coupling 3" in coupled.notes[0]


def test_a_step_that_is_still_moving_says_so() -> None:
    step = simulate_step(overlapping(1))
    assert step.coupling_residual is not None
    assert step.coupling_residual > 0.005
    assert "not settled" in step.notes[0]


@pytest.mark.parametrize("layout", [{}, {"tensor": 8}, {"tensor": 4, "sharding": "fsdp"}], ids=str)
def test_where_nothing_overlaps_coupling_changes_nothing(layout: dict[str, Any]) -> None:
    alone, coupled, fluid = (
        play_step(builders.scenario(stack_=builders.stack(overlap_slowdown=0.2, coupling=coupling), **layout))
        for coupling in (0, 3, "fluid")
    )
    assert (coupled.timeline.end == alone.timeline.end).all()
    assert (fluid.timeline.end == alone.timeline.end).all()
    assert coupled.coupled is not None
    assert (coupled.coupled.stretch == 1.0).all()


def test_replicas_that_differ_start_from_coupled_durations() -> None:
    slow = {"slow_nodes": 1.0, "slow_factor": 1.2}
    here = overlapping(2)
    even, uneven = (
        simulate_step(here),
        simulate_step(here.model_copy(update={"cluster": here.cluster.model_copy(update=slow)})),
    )
    assert even.step_time_s < uneven.step_time_s < 1.2 * even.step_time_s
    assert sum(uneven.breakdown.values()) == pytest.approx(uneven.step_time_s, rel=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_on_the_timeline_of_events_a_pass_finds_the_durations_of_events(seed: int) -> None:
    """Tasks that compute, or move over one link of their device: their mean pace is what they had."""
    rng = np.random.default_rng(seed)
    tasks = int(rng.integers(1, 25))
    after = [rng.integers(0, task, 2).tolist() if task else [] for task in range(tasks)]
    graph = make_graph(rng.integers(0, 4, tasks).tolist(), after)
    message = rng.random((tasks, 1)) < 0.6
    device = rng.integers(0, 2, tasks)
    sharing = Sharing(
        device,
        holds=message * rng.choice([0.0, 0.2, 1.0], (tasks, 1)),
        computing=1.0 * ~message,
        moving=1.0 * message,
        links=np.where(message, 2 * device[:, np.newaxis] + rng.integers(0, 2, (tasks, 1)), -1),
        bandwidth=rng.choice([0.2, 0.5, 1.0], (tasks, 1, 1)),
        owner=np.array([0, 0, 1, 1]),
        capacity=np.ones((4, 1)),
    )
    seconds = rng.choice([0.0, 0.5, 1.0, 3.0], (tasks, 1))
    fluid = play_coupled(graph, seconds, sharing, "fluid")
    some = seconds > 0.0
    assert couple(fluid.timeline, Overlaps.of(graph, sharing))[some] == pytest.approx(fluid.stretch[some], rel=1e-9)


def test_a_slow_node_starts_from_coupled_durations() -> None:
    """Its table of durations, with nobody slow, plays the coupled step itself."""
    played = play_step(overlapping(2))
    assert played.coupled is not None
    alone = np.array([sum(row.values()) for row in played.parts])[played.program.graph.kind]
    whole = makespan(played.program.graph.task_by_task, alone[:, np.newaxis] * played.coupled.stretch)
    assert whole == played.timeline.makespan
    slower = slowdowns_of(played)
    assert 1.0 == slower.of(1, 1.0) < slower.of(1, 2.0) < 2.0
