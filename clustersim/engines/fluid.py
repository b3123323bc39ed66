"""The reference engine with fluid tasks: links shared max-min fair, compute slowed by the messages beside it.

Whenever a task starts or ends, every running one gets a new pace (`Sharing`), so durations are outcomes. It is what
coupling passes approximate. Where nothing is short, times are those of the reference engine, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import simpy
from numpy.typing import ArrayLike, NDArray

from clustersim.engines.graph import Floats, Ints, TaskGraph, Timeline, duration_table, group_labels
from clustersim.engines.reference import Playing, played
from clustersim.engines.sharing import AMPLE, NO_LINK, Sharing


def fair_shares(bandwidth: Floats, capacity: Floats) -> Floats:
    """Max-min fair shares `[flows]` of what each flow would move. `bandwidth`: `[flows, links]` bytes a second alone.

    Progressive filling: flows rise together, in bytes a second over the one of the short links that each uses most,
    until one has all that it wants or a link of its is full. Source: Bertsekas and Gallager 1992, Data Networks,
    section 6.5.2, where every flow moves as much over each of its links.
    """
    shares = np.ones(len(bandwidth))
    short = bandwidth.sum(axis=0) > capacity * AMPLE
    use, left = bandwidth[:, short], capacity[short]
    rising: NDArray[np.bool_] = np.asarray(use.any(axis=1))
    wanted = use.max(axis=1, initial=0.0)
    each = np.divide(use, wanted[:, np.newaxis], out=np.zeros_like(use), where=rising[:, np.newaxis])
    level = 0.0
    while rising.any():
        demand = each[rising].sum(axis=0)
        full = level + np.divide(left, demand, out=np.full_like(left, np.inf), where=demand > 0.0)
        reached = min(full.min(), wanted[rising].min())
        left = np.maximum(0.0, left - demand * (reached - level))
        level = reached
        done = rising & ((wanted <= level) | each[:, full <= level].any(axis=1))
        shares[done] = level / wanted[done]
        rising &= ~done
    return shares


@dataclass(eq=False)
class Running:
    """A task under way."""

    kind: int
    left: float  # seconds of its work at its pace alone, at the moment `since`
    since: float
    ended: simpy.Event
    pace: float = 0.0
    alarm: simpy.Event | None = None  # rings when it ends at its present pace; older ones ring unheard


class Site:
    """Devices and links of one column: paces all tasks that run."""

    def __init__(self, env: simpy.Environment, sharing: Sharing, column: int) -> None:
        self.env, self.device = env, sharing.device
        self.holds, self.computing, self.moving = (
            table[:, column] for table in (sharing.holds, sharing.computing, sharing.moving)
        )
        self.capacity = sharing.capacity[:, column]
        self.bandwidth = link_table(sharing, column)
        self.running: list[Running] = []

    def run(self, kind: int, seconds: float) -> simpy.Event:
        """Begin a task that takes so long alone; the event happens when it has ended."""
        self.running.append(Running(kind, seconds, self.env.now, self.env.event()))
        self._pace()
        return self.running[-1].ended

    def _pace(self) -> None:
        kinds = np.array([task.kind for task in self.running], dtype=np.int64)
        for task, pace in zip(self.running, self.paces(kinds).tolist(), strict=True):
            if pace != task.pace:
                now = self.env.now
                task.left = max(0.0, task.left - (now - task.since) * task.pace)
                task.since, task.pace = now, pace
                task.alarm = self.env.timeout(task.left / pace)
                task.alarm.callbacks.append(self._ending(task))

    def paces(self, kinds: Ints) -> Floats:
        """The paces of tasks of these kinds when they run together, over those alone."""
        device = self.device[kinds]
        held = np.bincount(device, self.holds[kinds])[device]
        shares = fair_shares(self.bandwidth[kinds], self.capacity)
        return np.asarray(1.0 / (1.0 + self.computing[kinds] * held + self.moving[kinds] * (1.0 / shares - 1.0)))

    def _ending(self, task: Running) -> Callable[[simpy.Event], None]:
        def ring(alarm: simpy.Event) -> None:
            if alarm is task.alarm:
                self.running.remove(task)
                task.ended.succeed()
                self._pace()

        return ring


def link_table(sharing: Sharing, column: int) -> Floats:
    """Bytes a second of one column, `[kinds, links]`."""
    kinds, places = sharing.links.shape
    table = np.zeros((kinds, len(sharing.capacity)))
    for place in range(places):
        users = np.flatnonzero(sharing.links[:, place] != NO_LINK)
        np.add.at(table, (users, sharing.links[users, place]), sharing.bandwidth[users, place, column])
    return table


class FluidPlaying(Playing):
    """A graph being played whose tasks take as long as what they share lets them."""

    def __init__(self, graph: TaskGraph, durations: Floats, labels: Ints, sharing: Sharing) -> None:
        super().__init__(graph, durations, labels)
        self.sites = [Site(self.env, sharing, column) for column in range(durations.shape[1])]

    def run(self, task: int, column: int) -> simpy.Event:
        """As long as it takes among the others."""
        kind = int(self.graph.kind[task])
        return self.sites[column].run(kind, self.durations[kind][column])


def play(graph: TaskGraph, durations: ArrayLike, sharing: Sharing, groups: ArrayLike | None = None) -> Timeline:
    """Play a graph: durations `[kinds, columns]` seconds of every task alone; columns share nothing with each other.

    Raises as the reference engine does.
    """
    table = duration_table(graph, durations)
    playing = FluidPlaying(graph, table, group_labels(graph, groups, table.shape[1]), sharing)
    return played(playing, "fluid")
