"""How the array engine walks a graph over many columns: in wavefronts.

A **wave** is all nodes (`nodes.py`) at the same depth; they wait for earlier waves only, so a wave is played at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from clustersim.engines.graph import NO_BARRIER, Ints, TaskGraph
from clustersim.engines.nodes import Nodes, nodes_of


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
class PlayPlan:
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
    def recycled(self) -> PlayPlan:
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


_PLANS: WeakKeyDictionary[TaskGraph, PlayPlan] = WeakKeyDictionary()


def plan_of(graph: TaskGraph) -> PlayPlan:
    """The plan of a graph, made once; raises UnsupportedGraphError unless tasks are numbered in topological order."""
    plan = _PLANS.get(graph)
    if plan is None:
        plan = _PLANS[graph] = make_plan(graph)
    return plan


def make_plan(graph: TaskGraph) -> PlayPlan:
    """The plan of a graph, made anew; raises as `plan_of`."""
    given = nodes_of(graph)
    first, second, of_task = given.first, given.second, given.of_task
    nodes, helpers = len(first), given.kind == graph.kinds
    depth = _depths(given)
    order = np.argsort(3 * depth + np.where(helpers, 2, first != second), kind="stable")
    place = np.empty(nodes + 1, dtype=np.int64)  # [rows] the new row of each old one
    place[0], place[1 + order] = 0, np.arange(1, nodes + 1)
    barrier = np.full(nodes, NO_BARRIER)
    barrier[of_task] = graph.barrier
    final = np.ones(nodes + 1, dtype=np.bool_)
    final[first] = final[second] = False
    return PlayPlan(
        first=place[first[order]],
        second=place[second[order]],
        row=np.arange(1, nodes + 1),
        kind=given.kind[order],
        barrier=barrier[order],
        final=final[1:][order],
        bounds=np.searchsorted(depth[order], np.arange(1, depth.max(initial=0) + 2)),
        rows=nodes + 1,
        task_row=place[1 + of_task],
        kinds=graph.kinds,
    )


def _depths(nodes: Nodes) -> Ints:
    """[nodes] 1 for a node that waits for nobody, and one more than the deeper of the two that any other waits for."""
    depths = [0]
    for one, other in zip(*nodes.lists, strict=True):
        a, b = depths[one], depths[other]
        depths.append((a if a > b else b) + 1)
    return np.array(depths[1:], dtype=np.int64)
