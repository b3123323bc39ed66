"""The task graph, and the engines that play it.

`graph.py` says what a graph is; `reference.py` plays it with SimPy, one page to read; `array.py` plays it as longest
paths over many columns at once, along the waves of `plan.py`. Both return the same floats, bit for bit. `fluid.py` is
the reference engine with durations that are outcomes, of what tasks share (`sharing.py`).
"""

from __future__ import annotations

from typing import Protocol

from numpy.typing import ArrayLike

from clustersim.engines import array
from clustersim.engines.graph import Floats, TaskGraph, Timeline

__all__ = ["TaskGraph", "Timeline", "engine_names", "makespan", "play"]

engine_names = ("auto", "reference", "array")


class Engine(Protocol):
    """What every engine's module offers."""

    def play(self, graph: TaskGraph, durations: ArrayLike, groups: ArrayLike | None = None) -> Timeline:
        """When every task ran, in every column."""
        ...

    def makespan(self, graph: TaskGraph, durations: ArrayLike, groups: ArrayLike | None = None) -> Floats:
        """Seconds until the last task ends, `[columns]`."""
        ...


def play(graph: TaskGraph, durations: ArrayLike, groups: ArrayLike | None = None, engine: str = "auto") -> Timeline:
    """When every task ran, in every column.

    `durations`: seconds `[kinds, columns]` (for a duration of its own for every task, play `graph.task_by_task`).
    `groups`: `[barriers, columns]`: columns with the same label in row b meet at the tasks of barrier b; without it
    every column is alone. `engine`: `auto` is the array engine, or the reference engine for a graph that the array
    engine can't represent; the timeline says which one played.
    Raises UnsupportedGraphError for what the engine can't play, DeadlockError where tasks wait in a circle.
    """
    return _engine(engine, graph).play(graph, durations, groups)


def makespan(graph: TaskGraph, durations: ArrayLike, groups: ArrayLike | None = None, engine: str = "auto") -> Floats:
    """Seconds until the last task ends, `[columns]`; arguments as in `play`, a fraction of its memory and time."""
    return _engine(engine, graph).makespan(graph, durations, groups)


def _engine(name: str, graph: TaskGraph) -> Engine:
    if name not in engine_names:
        raise ValueError(f"no engine is called {name!r}; there are {', '.join(engine_names)}")
    if name == "array" or (name == "auto" and array.supports(graph)):
        return array
    from clustersim.engines import reference  # only here, so that SimPy is imported by those who use it

    return reference
