"""The reference engine: a task graph as SimPy processes, the readable statement of what a graph means."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import simpy
from numpy.typing import ArrayLike

from clustersim.engines.graph import NO_BARRIER, Floats, Ints, TaskGraph, Timeline, duration_table, group_labels
from clustersim.errors import DeadlockError


class Meeting:
    """Where the columns of one group wait for each other, at one task."""

    def __init__(self, env: simpy.Environment, members: int) -> None:
        self.missing = members
        self.everybody_is_here = env.event()

    def arrive(self) -> simpy.Event:
        """Come to the meeting; the event happens when the last one has come."""
        self.missing -= 1
        if self.missing == 0:
            self.everybody_is_here.succeed()
        return self.everybody_is_here


class Playing:
    """A graph being played: one process for every stream of every column, one event for every task's end."""

    def __init__(self, graph: TaskGraph, durations: Floats, labels: Ints) -> None:
        self.env = simpy.Environment()
        self.graph = graph
        self.durations = durations.tolist()  # of Python floats, which SimPy's clock counts in
        columns = durations.shape[1]
        self.start = np.full((graph.tasks, columns), np.nan)  # [tasks, columns] seconds
        self.end = np.full((graph.tasks, columns), np.nan)
        self.ended = [[self.env.event() for _ in range(columns)] for _ in range(graph.tasks)]
        self.meetings = self._meetings(labels)
        for stream in range(graph.streams):
            tasks = np.flatnonzero(graph.stream == stream).tolist()
            for column in range(columns):
                self.env.process(self.stream(tasks, column))

    def stream(self, tasks: list[int], column: int) -> Generator[simpy.Event, None, None]:
        """Run the tasks of one stream in one column, one after the other."""
        for task in tasks:
            for dependency in self.graph.dependencies_of(task).tolist():
                yield self.ended[dependency][column]
            if self.graph.barrier[task] != NO_BARRIER:
                yield self.meetings[task, column].arrive()
            self.start[task, column] = self.env.now
            yield self.run(task, column)
            self.end[task, column] = self.env.now
            self.ended[task][column].succeed()

    def run(self, task: int, column: int) -> simpy.Event:
        """Begin a task; the event happens when it has ended."""
        return self.env.timeout(self.durations[self.graph.kind[task]][column])

    def _meetings(self, labels: Ints) -> dict[tuple[int, int], Meeting]:
        """The meeting of every barrier task and column; columns with the same label share it."""
        meetings: dict[tuple[int, int], Meeting] = {}
        for task in np.flatnonzero(self.graph.barrier != NO_BARRIER).tolist():
            row = labels[self.graph.barrier[task]]
            names, members = np.unique(row, return_counts=True)
            by_label = {
                name: Meeting(self.env, count) for name, count in zip(names.tolist(), members.tolist(), strict=True)
            }
            meetings |= {(task, column): by_label[label] for column, label in enumerate(row.tolist())}
        return meetings


def play(graph: TaskGraph, durations: ArrayLike, groups: ArrayLike | None = None) -> Timeline:
    """Play a graph: durations `[kinds, columns]` seconds, groups `[barriers, columns]` labels of who meets whom.

    Raises UnsupportedGraphError for durations that are negative or not finite, DeadlockError where tasks wait in a
    circle.
    """
    table = duration_table(graph, durations)
    return played(Playing(graph, table, group_labels(graph, groups, table.shape[1])), "reference")


def played(playing: Playing, engine: str) -> Timeline:
    """The timeline of a graph played to its end; raises DeadlockError where tasks wait in a circle."""
    playing.env.run()
    stuck = np.argwhere(np.isnan(playing.end)).tolist()  # SimPy just stops when every process waits for another
    if stuck:
        named = ", ".join(f"{task} (column {column})" for task, column in stuck[:5])
        more = f" and {len(stuck) - 5} more" if len(stuck) > 5 else ""
        raise DeadlockError(f"these tasks wait for each other and never end: {named}{more}")
    return Timeline(playing.start, playing.end, engine)


def makespan(graph: TaskGraph, durations: ArrayLike, groups: ArrayLike | None = None) -> Floats:
    """Seconds until the last task ends, `[columns]`, read off the tasks (the clock of SimPy runs for all columns)."""
    return play(graph, durations, groups).makespan
