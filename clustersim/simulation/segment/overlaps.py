"""Who met whom on a timeline: at what pace every task could run beside the others of its device and links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustersim.engines.graph import Floats, Ints, TaskGraph, Timeline
from clustersim.engines.sharing import AMPLE, NO_LINK, Sharing


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Every task at every device that it draws on: the one that it runs on, and the one that it sends to.

    Tasks of a stream run one at a time, so those of a device are a few lanes.
    """

    sharing: Sharing
    kind: Ints  # [visits]
    task: Ints  # [visits]
    device: Ints  # [visits]
    lane: Ints  # [visits] place of the task's stream among those that come to the device
    at_home: Floats  # [visits] 1 on the device that the task runs on, else 0
    wants: Floats  # [visits, links of a device, points] share of each link

    @classmethod
    def of(cls, graph: TaskGraph, sharing: Sharing) -> Overlaps:
        """Of the tasks of a graph."""
        kind = graph.kind
        task, place = np.nonzero(sharing.links[kind] != NO_LINK)
        link = sharing.links[kind[task], place]
        devices = int(max(sharing.device.max(initial=0), sharing.owner.max(initial=0))) + 1
        home = np.arange(graph.tasks) * devices + sharing.device[kind]
        visits, visit = np.unique(np.append(home, task * devices + sharing.owner[link]), return_inverse=True)
        number = _rank_within(sharing.owner)
        wants = np.zeros((len(visits), number.max(initial=-1) + 1, sharing.capacity.shape[1]))
        shares = sharing.bandwidth[kind[task], place] / sharing.capacity[link]
        np.add.at(wants, (visit[graph.tasks :], number[link]), shares)
        task, device = visits // devices, visits % devices
        streams, stream = np.unique(device * graph.streams + graph.stream[task], return_inverse=True)
        lane = _rank_within(streams // graph.streams)[stream]
        at_home = 1.0 * (device == sharing.device[kind[task]])
        return cls(sharing, kind[task], task, device, lane, at_home, wants)

    def paces(self, timeline: Timeline, point: int) -> Floats:
        """Mean pace over that alone `[tasks]`, where each task ran, as the slower of its devices allows."""
        start, end = timeline.start[:, point], timeline.end[:, point]
        pace = np.ones(len(start))
        spent = (end - start)[self.task]
        lost = np.divide(self._lost(start, end, point), spent, out=np.zeros_like(spent), where=spent > 0.0)
        np.minimum.at(pace, self.task, 1.0 - lost)
        return pace

    def _lost(self, start: Floats, end: Floats, point: int) -> Floats:
        """Seconds `[visits]` in which tasks came no further."""
        visits, lanes = len(self.task), int(self.lane.max(initial=0)) + 1
        times = np.concatenate([end[self.task], start[self.task]])  # ends first: a lane is free before it is taken
        device, lane = np.tile(self.device, 2), np.tile(self.lane, 2)
        order = np.lexsort((times, device))
        gaps = np.diff(times[order], append=0.0)
        gaps[np.append(np.diff(device[order]) != 0, True)] = 0.0  # the next moment is another device's

        def running(amount: Floats) -> Floats:
            """What runs in every lane from each moment on, `[lanes, moments]`; what takes no time never does."""
            changes, some = np.zeros((lanes, 2 * visits)), amount * (end > start)[self.task]
            changes[lane[order], np.arange(2 * visits)] = np.concatenate([-some, some])[order]
            return np.asarray(changes.cumsum(axis=1))

        holds, computing = (
            running(self.at_home * table[self.kind, point]) for table in (self.sharing.holds, self.sharing.computing)
        )
        moving, short = running(self.sharing.moving[self.kind, point]), np.zeros((lanes, 2 * visits))
        for wants in self.wants[:, :, point].T:
            np.maximum(short, _shortage(running(wants)), out=short)
        slower = computing * holds.sum(axis=0) + moving * short
        until = np.zeros((lanes, 2 * visits + 1))
        np.cumsum(slower / (1.0 + slower) * gaps, axis=1, out=until[:, 1:])
        moment = np.empty_like(order)
        moment[order] = np.arange(len(order))
        return np.asarray(until[self.lane, moment[:visits]] - until[self.lane, moment[visits:]])


def _shortage(wants: Floats) -> Floats:
    """How much longer flows of a link take as it is shared max-min fair: max(0, wanted / level - 1), [lanes, moments].

    Of flows in rising order, those before the j-th have all that they want, and the others share what is left: the
    level is the largest (1 - wanted before j) / (flows from j on).
    """
    lanes, short = len(wants), wants.sum(axis=0) > AMPLE
    longer = np.zeros_like(wants)
    if short.any():
        rising = np.sort(wants[:, short], axis=0)
        before = rising.cumsum(axis=0) - rising
        level = ((1.0 - before) / np.arange(lanes, 0, -1)[:, np.newaxis]).max(axis=0)
        longer[:, short] = np.maximum(0.0, wants[:, short] / level - 1.0)
    return longer


def _rank_within(groups: Ints) -> Ints:
    """The place of every entry among those of its group."""
    order = np.argsort(groups, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(groups)) - np.searchsorted(groups[order], groups[order])
    return rank
