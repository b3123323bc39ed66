"""Task graphs for tests: small ones by hand and random ones from a seed or from hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from clustersim.engines import TaskGraph
from clustersim.engines.graph import NO_BARRIER

TIES = [0.0, 0.0, 0.1, 0.2, 0.30000000000000004, 1 / 3, 1.0, 2.0, 1e-9, 7e5]  # sums of these round, and meet


class Case(NamedTuple):
    graph: TaskGraph
    durations: Any  # [kinds, columns]
    groups: Any  # [barriers, columns] or None


def make_graph(
    streams: Sequence[int],
    after: Sequence[Sequence[int]],
    barriers: Sequence[int] | None = None,
    kinds: Sequence[int] | None = None,
) -> TaskGraph:
    """A graph from the stream, dependencies, barrier and kind of every task; by default every task is its own kind."""
    tasks = len(streams)
    barrier = [NO_BARRIER] * tasks if barriers is None else barriers
    kind = list(range(tasks)) if kinds is None else kinds
    return TaskGraph(
        kind=np.array(kind, dtype=np.int64),
        stream=np.array(streams, dtype=np.int64),
        dependency_offsets=np.cumsum([0, *map(len, after)]),
        dependencies=np.array([task for waits in after for task in waits], dtype=np.int64),
        barrier=np.array(barrier, dtype=np.int64),
        kinds=max(kind, default=-1) + 1,
        streams=max(streams, default=-1) + 1,
        barriers=max(barrier, default=NO_BARRIER) + 1,
    )


def random_case(seed: int) -> Case:
    """Up to 20 tasks, 4 streams, 5 dependencies a task (repeated ones too), 2 barriers, 7 columns."""
    rng = np.random.default_rng(seed)
    tasks, streams, columns = int(rng.integers(0, 21)), int(rng.integers(1, 5)), int(rng.integers(1, 8))
    widest, barriers = int(rng.integers(0, 6)), int(rng.integers(0, 3))
    after = [rng.integers(0, task, rng.integers(0, widest + 1)).tolist() if task else [] for task in range(tasks)]
    kinds = rng.integers(0, 5, tasks).tolist()
    barrier = rng.integers(NO_BARRIER, barriers, tasks).tolist()
    graph = make_graph(rng.integers(0, streams, tasks).tolist(), after, barrier, kinds)
    shape = (graph.kinds, columns)
    durations = np.where(rng.random(shape) < 0.6, rng.choice(TIES, shape), rng.random(shape) * 10.0)
    groups = rng.integers(-2, 3, (graph.barriers, columns)) if rng.random() < 0.7 else None
    return Case(graph, durations, groups)


@st.composite
def drawn_cases(draw: st.DrawFn) -> Case:
    """Smaller ones, drawn piece by piece, so that a failure shrinks to a graph that one can read."""
    tasks, columns = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    streams = draw(st.lists(st.integers(0, 2), min_size=tasks, max_size=tasks))
    after = [draw(st.lists(st.integers(0, task - 1), max_size=4)) if task else [] for task in range(tasks)]
    barriers = draw(st.lists(st.integers(NO_BARRIER, 0), min_size=tasks, max_size=tasks))
    graph = make_graph(streams, after, barriers)
    seconds = st.floats(0.0, 1e6, allow_subnormal=False) | st.sampled_from(TIES)
    durations = draw(st.lists(seconds, min_size=tasks * columns, max_size=tasks * columns))
    labels = st.lists(st.integers(0, 2), min_size=columns * graph.barriers, max_size=columns * graph.barriers)
    groups = draw(st.none() | labels.map(lambda row: np.array(row, dtype=np.int64).reshape(graph.barriers, columns)))
    return Case(graph, np.array(durations).reshape(tasks, columns), groups)
