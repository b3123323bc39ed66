"""The task graph: what both engines play.

A **task** has a duration and runs on one **stream**; a stream runs its tasks one at a time, in the order in which they
stand in the graph (as a device's compute or communication stream does). A task also waits for its **dependencies**.
Tasks are numbered in topological order: every dependency has a smaller number than the task that waits for it.

The graph is structure only. Durations come as a table `[kinds, columns]`: a **column** is one playing of the graph,
either an independent point of a sweep or one of several replicas of the same device group. Replicas meet at **barriers**:
a barrier task starts, in all columns of its group, when the last of them is ready. With one column a barrier is no wait.

Everything is max-plus: one max and one add a task, so that every engine returns the same floats, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NO_BARRIER = -1


@dataclass(frozen=True, eq=False)
class TaskGraph:
    """Tasks, their streams and dependencies, without durations."""

    kind: Ints  # [tasks] row of the duration table
    stream: Ints  # [tasks] the in-order stream that runs the task
    dependency_offsets: Ints  # [tasks + 1] where each task's dependencies start
    dependencies: Ints  # [dependencies] task numbers, each smaller than the task that waits
    barrier: Ints  # [tasks] which grouping of columns meets here, or NO_BARRIER
    kinds: int
    streams: int
    barriers: int

    @property
    def tasks(self) -> int:
        """How many tasks the graph has."""
        return len(self.kind)

    def dependencies_of(self, task: int) -> Ints:
        """The tasks that `task` waits for, beside the one before it on its stream."""
        return self.dependencies[self.dependency_offsets[task] : self.dependency_offsets[task + 1]]


@dataclass(frozen=True, eq=False)
class Timeline:
    """When every task ran: seconds, `[tasks, columns]`."""

    start: Floats
    end: Floats

    @property
    def makespan(self) -> Floats:
        """Seconds until the last task ends, `[columns]`."""
        return np.asarray(self.end.max(axis=0))
