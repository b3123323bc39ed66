"""A graph as nodes that wait for at most two others, in the order of its tasks.

A task that waits for more than two others gets helper nodes of no duration before it: max(a, b, c) is
max(max(a, b), c) to the last bit. Ends of nodes stand in the rows of a table; its row 0 is time 0, for nodes that wait
for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from weakref import WeakKeyDictionary

import numpy as np

from clustersim.engines.graph import Ints, TaskGraph
from clustersim.errors import UnsupportedGraphError


@dataclass(frozen=True, eq=False)
class Nodes:
    """All nodes; the end of node i stands in row i + 1."""

    first: Ints  # [nodes] row that a node waits for
    second: Ints  # [nodes] other row that it waits for, or the same
    kind: Ints  # [nodes] row of the duration table; helpers have the row behind the last
    of_task: Ints  # [tasks] the node of each task: the last of its own

    @cached_property
    def lists(self) -> tuple[list[int], list[int]]:
        """`first` and `second` for a walk in plain Python."""
        return self.first.tolist(), self.second.tolist()

    @cached_property
    def pick_durations(self) -> Callable[[list[float]], tuple[float, ...]]:
        """From durations of kinds, 0 behind the last, to those of all nodes."""
        kinds = self.kind.tolist()
        if len(kinds) < 2:  # `itemgetter` makes no tuple of one
            return lambda durations: tuple(durations[kind] for kind in kinds)
        return itemgetter(*kinds)

    @cached_property
    def task_rows(self) -> tuple[Ints, Ints, Ints]:
        """[tasks] the row of each task's end, and the two rows that its last node waits for."""
        return self.of_task + 1, self.first[self.of_task], self.second[self.of_task]


_NODES: WeakKeyDictionary[TaskGraph, Nodes] = WeakKeyDictionary()


def nodes_of(graph: TaskGraph) -> Nodes:
    """The nodes of a graph, made once; raises UnsupportedGraphError unless tasks are numbered in topological order."""
    nodes = _NODES.get(graph)
    if nodes is None:
        nodes = _NODES[graph] = make_nodes(graph)
    return nodes


def make_nodes(graph: TaskGraph) -> Nodes:
    """The nodes of a graph, made anew; raises as `nodes_of`."""
    late = graph.late_dependency()
    if late is not None:
        raise UnsupportedGraphError(
            f"task {late[0]} waits for task {late[1]}: the array engine needs topological order"
        )
    first, second, of_task = _split_joins(*_predecessors(graph))
    kind = np.full(len(first), graph.kinds)
    kind[of_task] = graph.kind
    return Nodes(first, second, kind, of_task)


def _predecessors(graph: TaskGraph) -> tuple[Ints, Ints]:
    """How many tasks each task waits for, `[tasks]`, and which: the one before it on its stream, then the others."""
    by_stream = np.argsort(graph.stream, kind="stable")
    same = graph.stream[by_stream[1:]] == graph.stream[by_stream[:-1]]
    before = np.full(graph.tasks, -1)
    before[by_stream[1:][same]] = by_stream[:-1][same]
    follows = np.flatnonzero(before >= 0)
    beside = graph.dependencies != before[graph.waiting]  # a dependency on the task before is no second wait
    waiting = np.concatenate([follows, graph.waiting[beside]])
    by_task = np.argsort(waiting, kind="stable")
    awaited = np.concatenate([before[follows], graph.dependencies[beside]])[by_task]
    return np.bincount(waiting, minlength=graph.tasks), awaited


def _split_joins(counts: Ints, awaited: Ints) -> tuple[Ints, Ints, Ints]:
    """`first` and `second` row of every node, and the node of every task, with helpers for waits for three or more."""
    nodes_each = np.maximum(counts - 1, 1)
    node_of = np.cumsum(nodes_each) - 1  # [tasks] its last node
    opening = node_of - nodes_each + 1  # [tasks] its first node
    offsets = np.cumsum(counts) - counts
    first = np.arange(nodes_each.sum())  # [nodes] row of the node before: right for all but the opening ones
    second = np.zeros_like(first)
    rows = 1 + node_of[awaited]
    waits = np.flatnonzero(counts)
    first[opening] = 0
    first[opening[waits]] = rows[offsets[waits]]
    second[opening[waits]] = rows[offsets[waits]]
    place_in_task = np.arange(len(awaited)) - np.repeat(offsets, counts)
    later = np.flatnonzero(place_in_task)
    second[np.repeat(opening, counts)[later] + place_in_task[later] - 1] = rows[later]
    return first, second, node_of
