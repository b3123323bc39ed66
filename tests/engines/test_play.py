"""What a task graph means, on graphs small enough to work out by hand; every engine must say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from random_graphs import make_graph

from clustersim.engines import array, compiled, engine_names, makespan, play, reference
from clustersim.engines.plan import plan_of
from clustersim.errors import DeadlockError, UnsupportedGraphError


@pytest.fixture(params=["reference", "array"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_stream_runs_its_tasks_in_the_order_of_the_graph(engine: str) -> None:
    timeline = play(make_graph([0, 0, 0], [[], [], []]), [[3.0], [1.0], [2.0]], engine=engine)
    assert timeline.start[:, 0].tolist() == [0.0, 3.0, 4.0]
    assert timeline.end[:, 0].tolist() == [3.0, 4.0, 6.0]
    assert timeline.engine == engine


def test_a_task_waits_for_the_last_of_its_dependencies(engine: str) -> None:
    graph = make_graph([0, 1, 2, 3], [[], [], [], [0, 1, 2]])
    durations = [[1.0, 5.0], [4.0, 2.0], [3.0, 3.0], [1.0, 1.0]]
    assert play(graph, durations, engine=engine).start[3].tolist() == [4.0, 5.0]


def test_streams_do_not_wait_for_each_other(engine: str) -> None:
    timeline = play(make_graph([0, 1, 0, 1], [[], [], [], []]), [[1.0], [5.0], [1.0], [1.0]], engine=engine)
    assert timeline.end[:, 0].tolist() == [1.0, 5.0, 2.0, 6.0]


def test_a_barrier_starts_when_the_last_column_of_the_group_is_ready(engine: str) -> None:
    graph = make_graph([0, 0, 0], [[], [], []], barriers=[-1, 0, -1])
    durations = [[1.0, 2.0, 7.0, 3.0, 4.0], [1.0] * 5, [1.0, 1.0, 0.0, 0.0, 1.0]]
    groups = [[8, 8, 5, 8, 5]]  # columns 0, 1 and 3 meet; 2 and 4 meet
    timeline = play(graph, durations, groups, engine=engine)
    assert timeline.start[1].tolist() == [3.0, 3.0, 7.0, 3.0, 7.0]
    assert makespan(graph, durations, groups, engine=engine).tolist() == [5.0, 5.0, 8.0, 4.0, 9.0]


def test_barriers_gather_by_their_own_row_of_groups(engine: str) -> None:
    graph = make_graph([0, 0, 0], [[], [], []], barriers=[-1, 1, 0])
    durations = [[1.0, 2.0, 3.0, 4.0], [0.0] * 4, [0.0] * 4]
    groups = [[0, 1, 1, 0], [0, 0, 1, 1]]
    timeline = play(graph, durations, groups, engine=engine)
    assert timeline.start[1].tolist() == [2.0, 2.0, 4.0, 4.0]
    assert timeline.start[2].tolist() == [4.0, 4.0, 4.0, 4.0]


def test_columns_alone_never_wait(engine: str) -> None:
    graph = make_graph([0, 0], [[], []], barriers=[-1, 0])
    durations = [[1.0, 9.0], [1.0, 1.0]]
    assert makespan(graph, durations, engine=engine).tolist() == [2.0, 10.0]
    assert makespan(graph, durations, [[3, 1]], engine=engine).tolist() == [2.0, 10.0]
    assert makespan(graph, durations, [[1, 1]], engine=engine).tolist() == [10.0, 10.0]


def test_makespans_are_read_off_tasks_not_off_the_clock_of_all_columns(engine: str) -> None:
    assert makespan(make_graph([0], [[]]), [[1.0, 5.0, 0.0, 2.0, 3.0, 4.0]], engine=engine).tolist() == [
        1,
        5,
        0,
        2,
        3,
        4,
    ]


def test_ties_do_not_change_times(engine: str) -> None:
    """SimPy runs events of one moment in the order of their creation; a max doesn't care who came first."""
    graph = make_graph([0, 1, 2, 3], [[], [], [0, 1], [1, 0]])
    timeline = play(graph, [[2.0], [2.0], [1.0], [1.0]], engine=engine)
    assert timeline.start[:, 0].tolist() == [0.0, 0.0, 2.0, 2.0]


def test_tasks_of_no_duration_take_no_time_but_keep_their_order(engine: str) -> None:
    timeline = play(make_graph([0, 1, 0], [[], [0], [1]]), [[0.0], [0.0], [0.0]], engine=engine)
    assert timeline.end[:, 0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("bad", [-1.0, -1e-300, np.nan, np.inf])
def test_durations_that_are_no_durations_are_refused(engine: str, bad: float) -> None:
    graph = make_graph([0, 0], [[], []])
    with pytest.raises(UnsupportedGraphError, match=r"kind 1 has .* in column 2"):
        play(graph, [[1.0, 1.0, 1.0], [1.0, 1.0, bad]], engine=engine)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (1, 1), (2, 1, 1)])
def test_a_duration_table_of_the_wrong_shape_is_refused(engine: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedGraphError, match=r"\[2 kinds, columns\]"):
        play(make_graph([0, 0], [[], []]), np.ones(shape), engine=engine)


def test_groups_of_the_wrong_shape_are_refused(engine: str) -> None:
    with pytest.raises(UnsupportedGraphError, match=r"\[1 barriers, 2 columns\]"):
        play(make_graph([0], [[]], barriers=[0]), [[1.0, 1.0]], [[0, 0], [0, 0]], engine=engine)


def test_a_circle_of_waits_is_a_deadlock_and_names_its_tasks() -> None:
    """SimPy itself falls silent here: no event is left, so its run ends as if all were done."""
    graph = make_graph([0, 0, 1], [[2], [], [1]])  # 0 waits for 2, 2 for 1, 1 for 0 on their stream
    with pytest.raises(DeadlockError, match=r"0 \(column 0\), 0 \(column 1\), 1 \(column 0\).* and 1 more"):
        play(graph, np.ones((3, 2)))
    with pytest.raises(DeadlockError, match=r": 0 \(column 0\)$"):
        reference.play(make_graph([0], [[0]]), [[1.0]])


def test_tasks_out_of_order_are_for_the_reference_engine_and_the_timeline_says_so() -> None:
    graph = make_graph([0, 1], [[1], []])
    timeline = play(graph, [[1.0], [2.0]])
    assert (timeline.engine, timeline.start[:, 0].tolist()) == ("reference", [2.0, 0.0])
    assert makespan(graph, [[1.0], [2.0]]).tolist() == [3.0]
    with pytest.raises(UnsupportedGraphError, match="task 0 waits for task 1"):
        play(graph, [[1.0], [2.0]], engine="array")


def test_engines_by_name() -> None:
    graph = make_graph([0], [[]])
    assert [play(graph, [[1.0]], engine=name).engine for name in engine_names] == ["array", "reference", "array"]
    with pytest.raises(ValueError, match="no engine is called 'simpy'"):
        play(graph, [[1.0]], engine="simpy")


def test_a_plan_is_made_once_for_a_graph_and_goes_with_it() -> None:
    graph = make_graph([0, 1], [[], [0]])
    assert plan_of(graph) is plan_of(graph)
    assert plan_of(graph) is not plan_of(make_graph([0, 1], [[], [0]]))


def test_a_makespan_needs_few_rows_of_a_long_graph() -> None:
    tasks = 10_000
    chain = make_graph([0, 1] * (tasks // 2), [[]] * tasks)
    assert plan_of(chain).rows == tasks + 1
    assert plan_of(chain).recycled.rows <= 10
    durations = np.random.default_rng(1).random((tasks, 300))
    assert (makespan(chain, durations) == play(chain, durations).makespan).all()


def test_compiling_waits_until_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = compiled.Compiler(worth=100)
    asked: list[str] = []

    def find_spec(name: str) -> None:
        asked.append(name)

    monkeypatch.setattr(compiled, "find_spec", find_spec)
    assert compiler.walk_for(99) is None
    assert asked == []
    assert compiler.walk_for(2) is None  # worth it now, but numba isn't installed
    assert compiler.walk_for(1000) is None
    assert asked == ["numba"]


def test_the_compiled_walk_is_used_once_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    class Numba:
        @staticmethod
        def njit(function: Any) -> Any:
            return lambda *arguments: calls.append(len(arguments)) or function(*arguments)

    calls: list[int] = []
    monkeypatch.setattr(compiled, "find_spec", lambda name: name)
    monkeypatch.setattr(compiled, "import_module", lambda name: Numba)
    monkeypatch.setattr(compiled, "walk_for", compiled.Compiler(worth=0).walk_for)
    graph = make_graph([0, 1, 0], [[], [0], [1]], barriers=[-1, -1, 0])
    assert array.makespan(graph, np.ones((3, 6)), [[0] * 6]).tolist() == [3.0] * 6
    assert array.play(graph, np.ones((3, 1))).end[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert calls == [11, 11]
