"""How the array engine walks a graph: nodes that wait for at most two others, in wavefronts.

A task that waits for more than two others gets helper nodes of no duration before it: max(a, b, c) is
max(max(a, b), c) to the last bit. A **wave** is all nodes at the same depth; they wait for earlier waves only, so a
wave is played at once. Ends of nodes stand in the rows of a table; its row 0 is time 0, for nodes that wait for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from clustersim.engines.graph import NO_BARRIER, Ints, TaskGraph
from clustersim.errors import UnsupportedGraphError


class Wave(NamedTuple):
    """The nodes of one depth: first those that wait for one other, last the helpers."""

    low: int  # their rows are low .. high - 1
    high: int
    first: Ints  # [nodes] row that each waits for
    second: Ints  # [nodes - singles] other row that the rest wait for
    singles: int
    kind: Ints  # [nodes - helpers] row of the duration table
    meetings: tuple[tuple[int, Ints], ...]  # grouping, and which nodes of the wave meet there
    final: Ints | None  # nodes that nobody waits for


@dataclass(frozen=True, eq=False)
class Plan:
    """All nodes in the order of their waves."""

    first: Ints  # [nodes] row that a node waits for
    second: Ints  # [nodes] other row that it waits for, or the same
    row: Ints  # [nodes] row of its own end
    kind: Ints  # [nodes] row of the duration table; helpers have the row behind the last
    barrier: Ints  # [nodes]
    final: NDArray[np.bool_]  # [nodes] whether nobody waits for it
    bounds: Ints  # [waves + 1] where each wave starts
    rows: int  # of the table of ends
    task_row: Ints  # [tasks] row of each task's end
    kinds: int

    @cached_property
    def waves(self) -> list[Wave]:
        """The waves, cut out of the plan."""
        helper = self.kind == self.kinds
        before = [  # [nodes + 1] how many singles, helpers, final and barrier nodes come before each node
            np.concatenate([[0], np.cumsum(nodes)])[self.bounds].tolist()
            for nodes in ((self.first == self.second) & ~helper, helper, self.final, self.barrier != NO_BARRIER)
        ]
        singles, helpers, final, meeting = ([b - a for a, b in pairwise(counts)] for counts in before)
        waves = []
        for wave, (low, high) in enumerate(pairwise(self.bounds.tolist())):
            row = int(self.row[low])
            waves.append(
                Wave(
                    low=row,
                    high=row + high - low,
                    first=self.first[low:high],
                    second=self.second[low + singles[wave] : high],
                    singles=singles[wave],
                    kind=self.kind[low : high - helpers[wave]],
                    meetings=_meetings(self.barrier[low:high]) if meeting[wave] else (),
                    final=np.flatnonzero(self.final[low:high]) if final[wave] else None,
                )
            )
        return waves

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
    def task_first(self) -> Ints:
        """[tasks] row that each task waits for."""
        return self.first[self.task_row - 1]

    @cached_property
    def task_second(self) -> Ints:
        """[tasks] other row that each task waits for, or the same."""
        return self.second[self.task_row - 1]

    @cached_property
    def recycled(self) -> Plan:
        """The same plan in as few rows as makespans need: a wave is written over rows that nobody reads any more.

        Rows are a ring. Between the writing of a row and its last reading at most `span` rows are written, and less
        than the widest wave is left out where the ring closes.
        """
        widths = np.diff(self.bounds)
        wave_of = np.repeat(np.arange(len(widths)), widths)
        last_reader = np.zeros(self.rows, dtype=np.int64)  # [rows] the last wave that reads it
        np.maximum.at(last_reader, self.first, wave_of)
        np.maximum.at(last_reader, self.second, wave_of)
        span = int((self.bounds[last_reader[1:] + 1] - np.arange(len(self.row))).max(initial=0))
        size = min(len(self.row), span + int(widths.max(initial=0)))
        lows, cursor = np.empty(len(widths), dtype=np.int64), 1
        for wave, width in enumerate(widths.tolist()):
            cursor = 1 if cursor + width > size + 1 else cursor
            lows[wave] = cursor
            cursor += width
        row = lows[wave_of] + np.arange(len(self.row)) - self.bounds[wave_of]
        moved = np.concatenate([[0], row])  # [rows] where each row went
        return replace(self, first=moved[self.first], second=moved[self.second], row=row, rows=size + 1)


def _meetings(barrier: Ints) -> tuple[tuple[int, Ints], ...]:
    groupings = np.unique(barrier[barrier != NO_BARRIER]).tolist()
    return tuple((grouping, np.flatnonzero(barrier == grouping)) for grouping in groupings)


_PLANS: WeakKeyDictionary[TaskGraph, Plan] = WeakKeyDictionary()


def plan_of(graph: TaskGraph) -> Plan:
    """The plan of a graph, made once; raises UnsupportedGraphError unless tasks are numbered in topological order."""
    plan = _PLANS.get(graph)
    if plan is None:
        plan = _PLANS[graph] = make_plan(graph)
    return plan


def make_plan(graph: TaskGraph) -> Plan:
    """The plan of a graph, made anew; raises as `plan_of`."""
    late = graph.late_dependency()
    if late is not None:
        raise UnsupportedGraphError(
            f"task {late[0]} waits for task {late[1]}: the array engine needs topological order"
        )
    first, second, node_of = _split_joins(*_predecessors(graph))
    nodes, helpers = len(first), np.ones(len(first), dtype=np.bool_)
    helpers[node_of] = False
    depth = _depths(first, second)
    order = np.argsort(3 * depth + np.where(helpers, 2, first != second), kind="stable")
    place = np.empty(nodes + 1, dtype=np.int64)  # [rows] the new row of each old one
    place[0], place[1 + order] = 0, np.arange(1, nodes + 1)
    kind, barrier = np.full(nodes, graph.kinds), np.full(nodes, NO_BARRIER)
    kind[node_of], barrier[node_of] = graph.kind, graph.barrier
    final = np.ones(nodes + 1, dtype=np.bool_)
    final[first] = final[second] = False
    return Plan(
        first=place[first[order]],
        second=place[second[order]],
        row=np.arange(1, nodes + 1),
        kind=kind[order],
        barrier=barrier[order],
        final=final[1:][order],
        bounds=np.searchsorted(depth[order], np.arange(1, depth.max(initial=0) + 2)),
        rows=nodes + 1,
        task_row=place[1 + node_of],
        kinds=graph.kinds,
    )


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


def _depths(first: Ints, second: Ints) -> Ints:
    """[nodes] 1 for a node that waits for nobody, and one more than the deeper of the two that any other waits for."""
    depths = [0]
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        a, b = depths[one], depths[other]
        depths.append((a if a > b else b) + 1)
    return np.array(depths[1:], dtype=np.int64)
