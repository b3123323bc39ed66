"""The task graph: what both engines play.

A **task** has a duration and runs on one **stream**; a stream runs its tasks one at a time, in the order in which they
stand in the graph (as a device's compute or communication stream does). A task also waits for its **dependencies**.
Tasks are numbered in topological order: every dependency has a smaller number than the task that waits for it.

The graph is structure only. Durations come as a table `[kinds, columns]`: a **column** is one playing of the graph,
either an independent point of a sweep or one of several replicas of the same device group. Replicas meet at
**barriers**: a barrier task starts, in all columns of its group, when the last of them is ready. With one column a
barrier is no wait.

Everything is max-plus: one max and one add a task, so that every engine returns the same floats, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustersim.errors import UnsupportedGraphError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NO_BARRIER = -1


@dataclass(frozen=True, eq=False)
class TaskGraph:
    """Tasks, their streams and dependencies, without durations. Its arrays become read-only: engines cache by graph.

    Raises UnsupportedGraphError where a length or a number is out of range. That tasks are in topological order is
    checked by `late_dependency`, which engines that rely on the order call.
    """

    kind: Ints  # [tasks] row of the duration table
    stream: Ints  # [tasks] the in-order stream that runs the task
    dependency_offsets: Ints  # [tasks + 1] where each task's dependencies start
    dependencies: Ints  # [dependencies] task numbers, each smaller than the task that waits
    barrier: Ints  # [tasks] which grouping of columns meets here, or NO_BARRIER
    kinds: int
    streams: int
    barriers: int

    def __post_init__(self) -> None:
        for name in ("kind", "stream", "dependency_offsets", "dependencies", "barrier"):
            array = np.asarray(getattr(self, name), dtype=np.int64)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        _check_range("kind", self.kind, self.tasks, 0, self.kinds)
        _check_range("stream", self.stream, self.tasks, 0, self.streams)
        _check_range("barrier", self.barrier, self.tasks, NO_BARRIER, self.barriers)
        _check_range("dependencies", self.dependencies, len(self.dependencies), 0, self.tasks)
        offsets = self.dependency_offsets
        _check_range("dependency_offsets", offsets, self.tasks + 1, 0, len(self.dependencies) + 1)
        if offsets[0] != 0 or offsets[-1] != len(self.dependencies) or (np.diff(offsets) < 0).any():
            raise UnsupportedGraphError("dependency_offsets must rise from 0 to the number of dependencies")

    @property
    def tasks(self) -> int:
        """How many tasks the graph has."""
        return len(self.kind)

    def dependencies_of(self, task: int) -> Ints:
        """The tasks that `task` waits for, beside the one before it on its stream."""
        return self.dependencies[self.dependency_offsets[task] : self.dependency_offsets[task + 1]]

    @cached_property
    def waiting(self) -> Ints:
        """[dependencies] the task that waits for each dependency."""
        return np.repeat(np.arange(self.tasks), np.diff(self.dependency_offsets))

    def late_dependency(self) -> tuple[int, int] | None:
        """A task and a dependency of it that isn't before it; None if the tasks are in topological order."""
        late = np.flatnonzero(self.dependencies >= self.waiting)
        return (int(self.waiting[late[0]]), int(self.dependencies[late[0]])) if len(late) else None

    @cached_property
    def task_by_task(self) -> TaskGraph:
        """The same graph with a kind of its own for every task, so that its duration table is `[tasks, columns]`."""
        return replace(self, kind=np.arange(self.tasks), kinds=self.tasks)


@dataclass(frozen=True, eq=False)
class Timeline:
    """When every task ran: seconds, `[rows, columns]`. Whoever wants some tasks only should ask for those."""

    starts: Floats
    ends: Floats
    engine: str  # the name of the engine that played it
    row: Ints | None = None  # [tasks] where each task stands, if not in the order of the graph

    @cached_property
    def start(self) -> Floats:
        """When every task started, `[tasks, columns]`."""
        return self.starts if self.row is None else self.starts[self.row]

    @cached_property
    def end(self) -> Floats:
        """When every task ended, `[tasks, columns]`."""
        return self.ends if self.row is None else self.ends[self.row]

    def started(self, tasks: Ints) -> Floats:
        """When some tasks started, `[tasks, columns]`."""
        return self.starts.take(tasks if self.row is None else self.row[tasks], axis=0)

    def ended(self, tasks: Ints) -> Floats:
        """When some tasks ended, `[tasks, columns]`."""
        return self.ends.take(tasks if self.row is None else self.row[tasks], axis=0)

    @property
    def columns(self) -> int:
        """How many playings of the graph stand side by side."""
        return int(self.ends.shape[1])

    @property
    def makespan(self) -> Floats:
        """Seconds until the last task ends, `[columns]`."""
        last: Floats = self.ends.max(axis=0, initial=0.0)
        return last


def duration_table(graph: TaskGraph, durations: ArrayLike) -> Floats:
    """The durations as floats `[kinds, columns]`; raises UnsupportedGraphError unless finite and at least 0."""
    table = np.ascontiguousarray(durations, dtype=np.float64)
    if table.ndim != 2 or len(table) != graph.kinds:
        raise UnsupportedGraphError(f"durations must be a table [{graph.kinds} kinds, columns]; got {table.shape}")
    if not (np.isfinite(table).all() and table.min(initial=0.0) >= 0.0):
        row, column = np.argwhere(~((table >= 0.0) & np.isfinite(table)))[0].tolist()
        raise UnsupportedGraphError(
            f"durations must be finite and at least 0; kind {row} has {table[row, column]} in column {column}"
        )
    return table


def group_labels(graph: TaskGraph, groups: ArrayLike | None, columns: int) -> Ints:
    """Labels of the groups of columns that meet, `[barriers, columns]`; without `groups` every column is alone."""
    if groups is None:
        return np.broadcast_to(np.arange(columns), (graph.barriers, columns))
    labels = np.asarray(groups, dtype=np.int64)
    if labels.shape != (graph.barriers, columns):
        raise UnsupportedGraphError(
            f"groups must be [{graph.barriers} barriers, {columns} columns]; got {labels.shape}"
        )
    return labels


def _check_range(name: str, array: Ints, length: int, low: int, high: int) -> None:
    if array.shape != (length,):
        raise UnsupportedGraphError(f"{name} must be a row of {length}; got {array.shape}")
    if len(array) and not (low <= array.min() and array.max() < high):
        raise UnsupportedGraphError(f"{name} must be from {low} to {high - 1}; got {array.min()} to {array.max()}")
