"""Coupling: durations that depend on what runs beside a task, found outside the engines in a stated number of passes.

A pass reads off a timeline at what pace every task could run there, and stretches its time alone until its work is done
at that pace; then the graph is played again. Tasks in each other's way move apart in one pass and back in the next, so
stretches are averaged, a later pass weighing more: the k-th moves them by 2 / (k + 1) of the way. Engines stay
max-plus. The fluid engine plays the same `Sharing` event by event: it is what passes come near to.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from clustersim.engines import play
from clustersim.engines.graph import Floats, TaskGraph, Timeline
from clustersim.engines.sharing import Sharing
from clustersim.simulation.segment.overlaps import Overlaps

SETTLED = 0.005  # of the step, that a pass may still move it by

Coupling = int | Literal["fluid"]  # passes, or event by event


class Coupled(NamedTuple):
    """A graph as it was played in the end."""

    timeline: Timeline
    stretch: Floats  # [tasks, points] seconds over those alone
    coupling_residual: Floats  # [points] by how much the last pass changed the makespan, relative


def play_coupled(
    graph: TaskGraph, alone: Floats, sharing: Sharing, coupling: Coupling, engine: str = "auto"
) -> Coupled:
    """Play a graph whose tasks share what they draw on. `alone`: seconds [kinds, points] of each by itself."""
    work = alone[graph.kind]
    if coupling == "fluid":
        from clustersim.engines import fluid  # only here, so that SimPy is imported by those who use it

        timeline = fluid.play(graph, alone, sharing)
        return Coupled(timeline, _ratio(timeline.end - timeline.start, work, 1.0), np.zeros(alone.shape[1]))
    timeline, stretch = play(graph, alone, engine=engine), np.ones_like(work)
    meetings = Overlaps.of(graph, sharing)
    before = timeline.makespan
    for number in range(1, coupling + 1):
        before = timeline.makespan
        stretch = stretch + (couple(timeline, meetings) - stretch) * (2.0 / (number + 1))
        timeline = play(graph.task_by_task, work * stretch, engine=engine)
    return Coupled(timeline, stretch, np.abs(_ratio(timeline.makespan - before, timeline.makespan, 0.0)))


def coupling_notes(coupling: Coupling, coupling_residual: float | None) -> tuple[str, ...]:
    """What a reader should know of a coupled step; nothing where it isn't."""
    if coupling_residual is None:
        return ()
    moved = (
        ""
        if coupling == "fluid"
        else f" ({coupling_residual:.1%} in the last pass{', not settled' * (coupling_residual > SETTLED)})"
    )
    return (f"coupling {coupling}: cores and links shared{moved}; stacks are calibrated without it",)


def couple(timeline: Timeline, meetings: Overlaps) -> Floats:
    """How many times as long as alone every task takes beside what runs beside it on a timeline, [tasks, points].

    For n tasks n log n: a sort of the moments at which tasks start and end, and sums over them.
    """
    return np.array([1.0 / meetings.paces(timeline, point) for point in range(timeline.columns)]).T


def _ratio(amount: Floats, of: Floats, else_: float) -> Floats:
    return np.divide(amount, of, out=np.full_like(of, else_), where=of > 0.0)
