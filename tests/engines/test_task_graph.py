"""What a task graph refuses, and what it offers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from random_graphs import make_graph

from clustersim.engines import TaskGraph, Timeline, makespan, play
from clustersim.errors import UnsupportedGraphError

FINE: dict[str, Any] = {
    "kind": [0, 1],
    "stream": [0, 0],
    "dependency_offsets": [0, 0, 1],
    "dependencies": [0],
    "barrier": [-1, 0],
    "kinds": 2,
    "streams": 1,
    "barriers": 1,
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": [0, 2]}, "kind must be from 0 to 1; got 0 to 2"),
        ({"kind": [[0, 1]]}, "kind must be a row"),
        ({"stream": [0, -1]}, "stream must be from 0 to 0; got -1 to 0"),
        ({"stream": [0]}, "stream must be a row of 2"),
        ({"barrier": [-2, 0]}, "barrier must be from -1 to 0"),
        ({"barrier": [-1, 1]}, "barrier must be from -1 to 0"),
        ({"dependencies": [2]}, "dependencies must be from 0 to 1"),
        ({"dependencies": [-1]}, "dependencies must be from 0 to 1"),
        ({"dependency_offsets": [0, 1]}, "dependency_offsets must be a row of 3"),
        ({"dependency_offsets": [0, 1, 0]}, "must rise from 0"),
        ({"dependency_offsets": [1, 1, 1]}, "must rise from 0"),
        ({"dependency_offsets": [0, 0, 0]}, "must rise from 0"),
        ({"dependency_offsets": [0, 2, 1]}, "dependency_offsets must be from 0 to 1"),
    ],
)
def test_a_graph_with_a_number_out_of_range_is_refused(change: dict[str, Any], says: str) -> None:
    TaskGraph(**FINE)
    with pytest.raises(UnsupportedGraphError, match=says):
        TaskGraph(**FINE | change)


def test_arrays_of_a_graph_cannot_be_changed_behind_an_engines_back() -> None:
    graph = TaskGraph(**FINE)
    with pytest.raises(ValueError, match="read-only"):
        graph.kind[0] = 1


def test_dependencies_and_who_waits_for_them() -> None:
    graph = make_graph([0, 1, 2], [[], [0], [0, 1]])
    assert [graph.dependencies_of(task).tolist() for task in range(3)] == [[], [0], [0, 1]]
    assert graph.waiting.tolist() == [1, 2, 2]
    assert graph.late_dependency() is None
    assert make_graph([0, 1, 2], [[], [2], []]).late_dependency() == (1, 2)
    assert make_graph([0], [[0]]).late_dependency() == (0, 0)


def test_task_by_task_gives_every_task_its_own_duration() -> None:
    graph = make_graph([0, 0, 0], [[], [], []], kinds=[0, 0, 0])
    assert makespan(graph, [[2.0]]).tolist() == [6.0]
    assert makespan(graph.task_by_task, [[1.0], [2.0], [4.0]]).tolist() == [7.0]
    assert graph.task_by_task is graph.task_by_task  # so that an engine's plan of it is kept


def test_makespan_of_nothing_is_zero() -> None:
    assert Timeline(np.empty((0, 2)), np.empty((0, 2)), "array").makespan.tolist() == [0.0, 0.0]
    empty = make_graph([], [])
    for engine in ("reference", "array"):
        assert play(empty, np.empty((0, 3)), engine=engine).end.shape == (0, 3)
        assert makespan(empty, np.empty((0, 6)), engine=engine).tolist() == [0.0] * 6
