"""The engines return the same floats, compared with ==, on 1,800 drawn graphs; 300 steps are in tests/schedules."""

from __future__ import annotations

from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import Case, drawn_cases, random_case

from clustersim.engines import array, compiled, makespan, play, reference

WAYS = {  # through the array engine: columns up to which the loop is plain Python, and the walk over nodes
    "plain": (10**9, None),
    "waves": (0, None),
    "nodes": (0, compiled.walk_nodes),
}


def check_equal(case: Case, ways: list[str]) -> None:
    expected = reference.play(*case)
    for way in ways:
        plain_columns, walk = WAYS[way]
        with ExitStack() as stack:
            stack.enter_context(patch.object(array, "PLAIN_COLUMNS", plain_columns))
            stack.enter_context(patch.object(array, "SHORTEST_BLOCK", 2))
            stack.enter_context(patch.object(array, "BLOCK_BYTES", 0))
            stack.enter_context(patch.object(compiled, "walk_for", lambda work, walk=walk: walk))
            timeline, last = array.play(*case), array.makespan(*case)
        assert (timeline.start == expected.start).all(), way
        assert (timeline.end == expected.end).all(), way
        assert (last == expected.makespan).all(), way


@settings(max_examples=1500, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_engines_agree_on_random_graphs(seed: int) -> None:
    case = random_case(seed)
    check_equal(case, ["waves", "plain" if seed % 2 else "nodes"])


@settings(max_examples=300, deadline=None)
@given(case=drawn_cases())
def test_engines_agree_on_drawn_graphs(case: Case) -> None:
    check_equal(case, list(WAYS))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.0, 1.0))
def test_longer_durations_never_end_a_task_earlier(seed: int, share: float) -> None:
    graph, durations, groups = random_case(seed)
    rng = np.random.default_rng(seed)
    longer = durations + np.where(rng.random(durations.shape) < share, rng.random(durations.shape), 0.0)
    before, after = play(graph, durations, groups), play(graph, longer, groups)
    assert (after.end >= before.end).all()
    assert (after.start >= before.start).all()


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_makespan_lies_between_the_busiest_stream_and_the_sum_of_all(seed: int) -> None:
    graph, durations, _ = random_case(seed)
    spans = makespan(graph, durations)
    each = durations[graph.kind]  # [tasks, columns] seconds
    assert (spans <= each.sum(axis=0) * (1 + 1e-12)).all()
    for stream in range(graph.streams):
        assert (spans >= each[graph.stream == stream].sum(axis=0) * (1 - 1e-12)).all()


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_replicas_that_are_alike_play_as_one(seed: int) -> None:
    graph, durations, _ = random_case(seed)
    replicas = np.repeat(durations[:, :1], 6, axis=1)
    together = play(graph, replicas, np.zeros((graph.barriers, 6), dtype=np.int64))
    assert (together.end == play(graph, durations[:, :1]).end).all()


@pytest.mark.slow  # imports numba and compiles
def test_the_numba_walk_agrees() -> None:
    pytest.importorskip("numba", reason="the fast extra is not installed")
    walk_for = compiled.Compiler(worth=0).walk_for
    with patch.object(compiled, "walk_for", walk_for):
        for seed in range(150):
            case = random_case(seed)
            expected = reference.play(*case)
            assert (array.play(*case).end == expected.end).all()
            assert (array.play(*case).start == expected.start).all()
            assert (array.makespan(*case) == expected.makespan).all()
    assert walk_for(0) is not None
