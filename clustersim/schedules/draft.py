"""A program while it is written: tasks, appended in topological order, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from clustersim.engines.graph import NO_BARRIER, Ints, TaskGraph
from clustersim.schedules.placement import ChunkPlacement
from clustersim.schedules.program import Kind, Program

DATA = 0  # the barrier at which replicas meet: gradient reductions and parameter gathers


class Draft:
    """Tasks so far. Streams of stage s of p: s computes, p + s moves data, 2 p + s and 3 p + s send on and back."""

    def __init__(self, stages: int) -> None:
        self.stages = stages
        self.tasks = 0
        self._kinds: dict[Kind, int] = {}
        self._tasks: list[Ints] = []  # [4, tasks] kind, stream, micro-batch, barrier
        self._waits: list[Ints] = []  # [2, dependencies] the task that waits, the task that it waits for

    def row(self, kind: Kind) -> int:
        """The row of the duration table for a kind."""
        return self._kinds.setdefault(kind, len(self._kinds))

    def add_data_task(self, kind: Kind, after: Iterable[int], barrier: int = NO_BARRIER) -> int:
        """Append a task on its stage's data stream; returns its number."""
        return self._add(kind, self.stages + kind.stage, after, barrier)

    def add_compute_task(self, kind: Kind, after: Iterable[int]) -> int:
        """Append a task on its stage's compute stream; returns its number."""
        return self._add(kind, kind.stage, after, NO_BARRIER)

    def _add(self, kind: Kind, stream: int, after: Iterable[int], barrier: int) -> int:
        task = self.tasks
        self.extend(np.array([[self.row(kind)], [stream], [-1], [barrier]]))
        self.wait(np.array([(task, awaited) for awaited in sorted(set(after))], dtype=np.int64).reshape(-1, 2).T)
        return task

    def extend(self, tasks: Ints) -> None:
        """Append tasks: `[4, tasks]` kind, stream, micro-batch, barrier."""
        self._tasks.append(tasks)
        self.tasks += tasks.shape[1]

    def wait(self, waits: Ints) -> None:
        """Let tasks wait: `[2, dependencies]` the task that waits, the task that it waits for."""
        self._waits.append(waits)

    def program(self, micro_batches: int, placement: ChunkPlacement) -> Program:
        """The finished program."""
        kind, stream, micro_batch, barrier = np.concatenate(self._tasks, axis=1)
        waiting, awaited = np.concatenate(self._waits, axis=1)
        graph = TaskGraph(
            kind=kind,
            stream=stream,
            dependency_offsets=np.cumsum(np.bincount(waiting + 1, minlength=self.tasks + 1)),
            dependencies=awaited[np.argsort(waiting, kind="stable")],
            barrier=barrier,
            kinds=len(self._kinds),
            streams=int(stream.max()) + 1,
            barriers=DATA + 1 if (barrier == DATA).any() else 0,
        )
        stage = np.array([kind.stage for kind in self._kinds])[kind]
        return Program(
            graph=graph,
            kinds=tuple(self._kinds),
            micro_batch=micro_batch,
            stage=stage,
            compute_streams=tuple(range(self.stages)),
            stages=self.stages,
            micro_batches=micro_batches,
            virtual_stages=placement.chunks,
            placement=placement,
        )
