"""The array engine: longest paths in NumPy, wave by wavefront, over many columns at once.

Few columns without meetings are walked in plain Python, which is faster than many short arrays. Large work is handed to
numba where it is installed. Every way does the same max and the same add for a node, so all return the same floats.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines import compiled
from clustersim.engines.graph import Floats, Ints, TaskGraph, Timeline, duration_table, group_labels
from clustersim.engines.nodes import Nodes, nodes_of
from clustersim.engines.plan import PlayPlan, plan_of

PLAIN_COLUMNS = 4  # up to here a plain loop beats waves: 0.1 us a node and column against some 8 us a wave
PLAIN_COST = 25  # of a node and column in the plain loop, over that in waves
BLOCK_BYTES = 1 << 22  # of a block of columns in `makespan`: a part of what a core's last-level cache holds
SHORTEST_BLOCK = 64  # columns: shorter blocks spend their time between the arrays


class Grouping(NamedTuple):
    """How one row of labels gathers columns."""

    order: Ints  # [columns] columns sorted by group
    offsets: Ints  # [groups] where each group starts in it
    group: Ints  # [columns] the group of each column


def supports(graph: TaskGraph) -> bool:
    """Whether this engine can play a graph: tasks numbered in topological order are all that it asks for."""
    return graph.late_dependency() is None


def play(graph: TaskGraph, durations: ArrayLike, groups: ArrayLike | None = None) -> Timeline:
    """Play a graph: durations `[kinds, columns]` seconds, groups `[barriers, columns]` labels of who meets whom.

    Raises UnsupportedGraphError for durations that are negative or not finite and for tasks out of topological order.
    """
    table = duration_table(graph, durations)
    columns = table.shape[1]
    labels = _labels(graph, groups, columns)
    plain = labels is None and columns <= PLAIN_COLUMNS
    walk = compiled.walk_for(graph.tasks * columns * (PLAIN_COST if plain else 1))
    if plain and walk is None:
        return Timeline(*_walk_plain(nodes_of(graph), table), "array")
    plan = plan_of(graph)
    starts, ends = np.empty((2, plan.rows, columns))
    _walk(walk, plan, table, labels, starts, ends)
    return Timeline(starts, ends, "array", plan.task_row)


def makespan(graph: TaskGraph, durations: ArrayLike, groups: ArrayLike | None = None) -> Floats:
    """Seconds until the last task ends, `[columns]`: `play(...).makespan` without the memory of a timeline.

    Rows of tasks that nobody waits for any more are used again, and columns that meet nobody are played block by block.
    """
    table = duration_table(graph, durations)
    columns = table.shape[1]
    if columns <= PLAIN_COLUMNS:
        return play(graph, table, groups).makespan
    ring, labels = plan_of(graph).recycled, _labels(graph, groups, columns)
    block = columns if labels is not None else max(SHORTEST_BLOCK, BLOCK_BYTES // (16 * ring.rows))
    parts = [np.ascontiguousarray(table[:, low : low + block]) for low in range(0, columns, block)]
    walk = compiled.walk_for(graph.tasks * columns)
    return np.concatenate([_walk(walk, ring, part, labels, *np.empty((2, ring.rows, part.shape[1]))) for part in parts])


def _labels(graph: TaskGraph, groups: ArrayLike | None, columns: int) -> Ints | None:
    """Labels `[barriers, columns]` counted from 0, or None where no column meets another."""
    if groups is None:
        return None
    labels = group_labels(graph, groups, columns)
    counted = [np.unique(row, return_inverse=True)[1] for row in labels]
    if all(len(row) == 0 or row.max() == columns - 1 for row in counted):
        return None
    return np.array(counted, dtype=np.int64)


def _walk(
    walk: compiled.Walk | None, plan: PlayPlan, table: Floats, labels: Ints | None, starts: Floats, ends: Floats
) -> Floats:
    """Fill `starts` and `ends`, `[rows, columns]` seconds, with a compiled walk if there is one, else wave by wave.

    Returns the last end of each column.
    """
    columns = table.shape[1]
    ends[0], last = 0.0, np.zeros(columns)
    if walk is not None:
        alone = np.empty((0, 0), dtype=np.int64)
        meet = alone if labels is None else labels
        walk(plan.first, plan.second, plan.row, plan.kind, plan.barrier, plan.final, meet, table, starts, ends, last)
    else:
        _walk_waves(plan, table, _groupings(labels), starts, ends, last)
    return last


def _walk_plain(nodes: Nodes, table: Floats) -> tuple[Floats, Floats]:
    """Column by column in plain Python: starts and ends `[tasks, columns]`."""
    starts, ends = np.empty((2, len(nodes.of_task), table.shape[1]))
    own, first, second = nodes.task_rows
    for column in range(table.shape[1]):
        times = [0.0]
        durations = nodes.pick_durations([*table[:, column].tolist(), 0.0])
        for one, other, duration in zip(*nodes.lists, durations, strict=True):
            earlier, later = times[one], times[other]
            times.append((earlier if earlier > later else later) + duration)
        rows = np.fromiter(times, np.float64, len(times))
        ends[:, column] = rows[own]
        np.maximum(rows[first], rows[second], out=starts[:, column])
    return starts, ends


def _groupings(labels: Ints | None) -> list[Grouping]:
    groupings = []
    for group in labels if labels is not None else ():
        order = np.argsort(group, kind="stable")
        groupings.append(Grouping(order, np.searchsorted(group[order], np.arange(group.max() + 1)), group))
    return groupings


def _walk_waves(
    plan: PlayPlan, table: Floats, groupings: list[Grouping], starts: Floats, ends: Floats, last: Floats
) -> None:
    others = np.empty((max((len(wave.second) for wave in plan.waves), default=0), table.shape[1]))
    for wave in plan.waves:
        begin, end = starts[wave.low : wave.high], ends[wave.low : wave.high]
        ends.take(wave.first, axis=0, out=begin, mode="clip")  # NumPy copies once more in its default mode
        if len(wave.second):
            joined, other = begin[wave.singles :], others[: len(wave.second)]
            ends.take(wave.second, axis=0, out=other, mode="clip")
            np.maximum(joined, other, out=joined)
        if groupings:
            for grouping, nodes in wave.meetings:
                begin[nodes] = _meet(begin[nodes], groupings[grouping])
        real = end[: len(wave.kind)]
        table.take(wave.kind, axis=0, out=real, mode="clip")
        np.add(begin[: len(real)], real, out=real)
        end[len(real) :] = begin[len(real) :]
        if wave.final is not None:
            np.maximum(last, end[wave.final].max(axis=0), out=last)


def _meet(ready: Floats, grouping: Grouping) -> Floats:
    """When the last column of each column's group is ready, `[nodes, columns]`."""
    latest = np.maximum.reduceat(ready[:, grouping.order], grouping.offsets, axis=1)
    return np.asarray(latest[:, grouping.group])
