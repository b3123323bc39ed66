"""Coupling: durations that depend on what runs beside a task, found outside the engines in a stated number of passes.

A pass reads off a timeline at what pace every task could run there, and stretches its time alone until its work is done
at that pace; then the graph is played again. Tasks in each other's way move apart in one pass and back in the next, so
stretches are averaged, a later pass weighing more: the k-th moves them by 2 / (k + 1) of the way. Engines stay
max-plus. The fluid engine plays the same `Sharing` event by event: it is what passes come near to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from clustersim.engines import play
from clustersim.engines.graph import Floats, Ints, TaskGraph, Timeline
from clustersim.engines.sharing import AMPLE, NO_LINK, Sharing

SETTLED = 0.005  # of the step, that a pass may still move it by

Coupling = int | Literal["fluid"]  # passes, or event by event


class Coupled(NamedTuple):
    """A graph as it was played in the end."""

    timeline: Timeline
    stretch: Floats  # [tasks, points] seconds over those alone
    unsettled: Floats  # [points] by how much the last pass changed the makespan, relative


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
    before = timeline.makespan
    for number in range(1, coupling + 1):
        before = timeline.makespan
        stretch = stretch + (couple(graph, timeline, sharing) - stretch) * (2.0 / (number + 1))
        timeline = play(graph.task_by_task, work * stretch, engine=engine)
    return Coupled(timeline, stretch, np.abs(_ratio(timeline.makespan - before, timeline.makespan, 0.0)))


def coupling_notes(coupling: Coupling, unsettled: float | None) -> tuple[str, ...]:
    """What a reader should know of a coupled step; nothing where it isn't."""
    if unsettled is None:
        return ()
    moved = (
        "" if coupling == "fluid" else f" ({unsettled:.1%} in the last pass{', not settled' * (unsettled > SETTLED)})"
    )
    return (f"coupling {coupling}: cores and links shared{moved}; stacks are calibrated without it",)


def couple(graph: TaskGraph, timeline: Timeline, sharing: Sharing) -> Floats:
    """How many times as long as alone every task takes beside what runs beside it on a timeline, [tasks, points].

    1 / (its mean pace as the cores of its device allow, times that as the tightest of its links allows), every link
    shared max-min fair by itself. A sort for each point, and sums over the moments at which tasks start and end.
    """
    kind, spent = graph.kind, timeline.end - timeline.start
    devices = Users.of(graph, np.arange(graph.tasks), sharing.device[kind])
    task, place = np.nonzero(sharing.links[kind] != NO_LINK)
    links = Users.of(graph, task, sharing.links[kind[task], place])
    wants = sharing.bandwidth[kind[task], place] / sharing.capacity[links.thing]  # [uses, points]
    pace = np.ones_like(spent)
    for point in range(spent.shape[1]):
        times = timeline.start[:, point], timeline.end[:, point]
        holds, computing, moving = (table[kind, point] for table in (sharing.holds, sharing.computing, sharing.moving))
        by_links = np.zeros(graph.tasks)
        np.maximum.at(by_links, task, links.lost(*times, _slowed_by_link, wants[:, point], moving[task]))
        for lost in (devices.lost(*times, _slowed_by_cores, holds, computing), by_links):
            pace[:, point] *= 1.0 - _ratio(lost, spent[:, point], 0.0)
    return np.asarray(1.0 / pace)


class Users(NamedTuple):
    """Tasks and what they share: one entry for each use of a device or a link."""

    task: Ints
    thing: Ints  # the device, or the link
    lane: Ints  # place of the task's stream among those that use the thing: one task at a time runs in a lane

    @classmethod
    def of(cls, graph: TaskGraph, task: Ints, thing: Ints) -> Users:
        """With lanes for the streams of each thing."""
        pairs, own = np.unique(thing * graph.streams + graph.stream[task], return_inverse=True)
        things = pairs // graph.streams
        return cls(task, thing, (np.arange(len(pairs)) - np.searchsorted(things, things))[own])

    def lost(self, start: Floats, end: Floats, slowed: Callable[[Floats, Floats], Floats], *amounts: Floats) -> Floats:
        """Seconds [uses] in which each use came no further, of those from `start` to `end` [tasks].

        `slowed`: how much longer tasks take, from their `amounts`, both [moments, lanes].
        """
        uses, lanes = len(self.task), int(self.lane.max(initial=0)) + 1
        if not amounts[0].any():
            return np.zeros(uses)
        times = np.concatenate([end[self.task], start[self.task]])  # ends first: a lane is free before it is taken
        thing, lane = np.tile(self.thing, 2), np.tile(self.lane, 2)
        order = np.lexsort((times, thing))
        gaps = np.diff(times[order], append=0.0)
        gaps[np.append(np.diff(thing[order]) != 0, True)] = 0.0  # the next moment is another thing's

        def running(amount: Floats) -> Floats:
            """What runs in every lane from each moment on, [moments, lanes]."""
            changes = np.zeros((len(order), lanes))
            changes[np.arange(len(order)), lane[order]] = np.concatenate([-amount, amount])[order]
            return np.asarray(changes.cumsum(axis=0))

        slower = slowed(*map(running, amounts))
        lost = slower / (1.0 + slower) * gaps[:, np.newaxis]
        until = np.concatenate([np.zeros((1, lanes)), lost.cumsum(axis=0)])
        moment = np.empty_like(order)
        moment[order] = np.arange(len(order))
        return np.asarray(until[moment[:uses], self.lane] - until[moment[uses:], self.lane])


def _slowed_by_cores(holds: Floats, computing: Floats) -> Floats:
    return np.asarray(computing * holds.sum(axis=1, keepdims=True))


def _slowed_by_link(wants: Floats, moving: Floats) -> Floats:
    """What exceeds the fair level has to wait: max(0, wanted / level - 1), as far as a task is `moving`.

    Of flows in rising order, those before the j-th have all that they want, and the others share what is left: the
    level is the largest (1 - wanted before j) / (flows from j on).
    """
    rising = np.sort(wants, axis=1)
    before = rising.cumsum(axis=1) - rising
    level = ((1.0 - before) / np.arange(wants.shape[1], 0, -1)).max(axis=1, initial=0.0)
    short = rising.sum(axis=1) > AMPLE
    over = np.divide(wants, level[:, np.newaxis], out=np.ones_like(wants), where=short[:, np.newaxis])
    return np.asarray(moving * np.maximum(0.0, over - 1.0))


def _ratio(amount: Floats, of: Floats, else_: float) -> Floats:
    return np.divide(amount, of, out=np.full_like(of, else_), where=of > 0.0)
