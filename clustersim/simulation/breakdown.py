"""Where a step's time went, on the device that ends last; and how busy the devices were. Many points at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from clustersim.engines.graph import Floats, Ints, Timeline
from clustersim.schedules.program import Operation, Program
from clustersim.simulation.device_tasks import NOBODY, DeviceTasks, device_tasks, idle_seconds, total
from clustersim.simulation.results import BREAKDOWN_PARTS

WAIT_PART = {
    Operation.SEND_ACTIVATION: "pipeline_comm",
    Operation.SEND_GRADIENT: "pipeline_comm",
    Operation.GATHER_PARAMETERS: "data_comm",
    Operation.REDUCE_GRADIENTS: "data_comm",
    Operation.SYNC_EMBEDDINGS: "data_comm",
    Operation.GRADIENT_NORM: "data_comm",
}
COMMUNICATION = tuple(part for part in BREAKDOWN_PARTS if part.endswith("_comm"))

Parts = Mapping[str, Floats]  # of a kind's duration: seconds [points] by part


class Windows(NamedTuple):
    """The device that each step's time is read off, and its share of the timeline."""

    device: Ints  # [points]
    start: Floats  # [points] seconds
    end: Floats  # [points]

    @property
    def seconds(self) -> Floats:
        """How long after each step the next one follows."""
        return self.end - self.start


def step_windows(program: Program, timeline: Timeline) -> Windows:
    """The device that ends last, from the start of the step; or the one that takes longest, where none waits for all.

    Without a meeting of all stages a device starts its next step as soon as its own share of this one is done, and
    steps follow each other by the longest share. Source: Qi et al. 2023, arXiv 2401.10241, section 4 and figure 1.
    """
    devices = device_tasks(program)
    ends = np.array([timeline.end[device.final].max(axis=0) for device in devices])  # [devices, points]
    if any(kind.operation is Operation.GRADIENT_NORM for kind in program.kinds):
        last = ends.argmax(axis=0)
        return Windows(last, np.zeros(ends.shape[1]), ends.max(axis=0))
    starts = np.array([timeline.start[device.opening].min(axis=0) for device in devices])
    longest = (ends - starts).argmax(axis=0)
    points = np.arange(len(longest))
    return Windows(longest, starts[longest, points], ends[longest, points])


def breakdown(program: Program, timeline: Timeline, parts: Sequence[Parts]) -> dict[str, Floats]:
    """Seconds [points] by part of the device that each step is read off; they sum to it. `parts`: of each kind.

    A gap before a task counts as the communication that ended last before it, for as long as that took, and as bubble
    beyond: a longer wait is for work on another device.
    """
    devices, windows = device_tasks(program), step_windows(program, timeline)
    spent = {part: np.zeros(len(windows.device)) for part in BREAKDOWN_PARTS}
    for number in np.unique(windows.device).tolist():
        here = windows.device == number
        waited = _waited(program, devices[number], timeline, windows.start)
        for own in (_computed(devices[number], parts), waited):
            for part, seconds in own.items():
                spent[part] += np.where(here, seconds, 0.0)
    return spent


def _counted(played: Ints, parts: Sequence[Parts]) -> Iterator[tuple[int, Parts]]:
    """How often each duration was played; kinds that share a row of parts are counted together."""
    rows, times = {}, Counter[int]()
    for kind in np.flatnonzero(played).tolist():
        rows[id(parts[kind])] = parts[kind]
        times[id(parts[kind])] += int(played[kind])
    return ((count, rows[row]) for row, count in times.items())


def _computed(device: DeviceTasks, parts: Sequence[Parts]) -> dict[str, Floats]:
    """Seconds [points] by part of what the compute stream ran."""
    spent: dict[str, Floats] = {}
    for count, row in _counted(device.played, parts):
        for part, seconds in row.items():
            spent[part] = spent.get(part, 0.0) + count * seconds
    return spent


def _waited(program: Program, device: DeviceTasks, timeline: Timeline, opening: Floats) -> dict[str, Floats]:
    """Seconds [points] of the gaps on the compute stream from `opening` on, by what they were for."""
    start, end = timeline.start, timeline.end
    gaps = start[device.compute]
    gaps[0] -= opening
    gaps[1:] -= end[device.compute[:-1]]
    tail = (end[device.final].max(axis=0) - end[device.compute[-1]])[np.newaxis]
    spent = {"bubble": total(gaps) + tail[0]}
    for awaited, gap in ((device.awaited, gaps[device.waiting]), (device.others[np.newaxis], tail)):
        for part, hidden in _communicated(program, awaited, gap, start, end).items():
            seconds = total(hidden)
            spent[part] = spent.get(part, 0.0) + seconds
            spent["bubble"] = spent["bubble"] - seconds
    return spent


def _communicated(program: Program, awaited: Ints, gap: Floats, start: Floats, end: Floats) -> dict[str, Floats]:
    """Seconds [gaps, points] that the communication which ended last before each gap explains, by part."""
    if not awaited.size:
        return {}
    ends = np.where((awaited != NOBODY)[:, :, np.newaxis], end[awaited], -1.0)  # [gaps, awaited, points]
    chosen = np.argmax(ends, axis=1)  # [gaps, points]
    last = np.take_along_axis(awaited, chosen, axis=1)
    points = np.arange(gap.shape[1])
    explained = np.minimum(gap, end[last, points] - start[last, points])
    parts = _parts_of_tasks(program)
    present = np.unique(parts[awaited])
    return {COMMUNICATION[part]: np.where(parts[last] == part, explained, 0.0) for part in present[present >= 0]}


@lru_cache(maxsize=64)
def _parts_of_tasks(program: Program) -> Ints:
    """[tasks] the place in COMMUNICATION of the part that waiting for a task belongs to, or -1."""
    names = [WAIT_PART.get(kind.operation) for kind in program.kinds]
    return np.array([-1 if name is None else COMMUNICATION.index(name) for name in names])[program.graph.kind]


def busy_seconds(program: Program, timeline: Timeline, parts: Sequence[Parts]) -> tuple[Floats, Floats]:
    """Seconds [points] in which any stream of the mean device runs, and in which its compute stream computes.

    The communication that a compute task waits for is no computing.
    """
    devices, end = device_tasks(program), timeline.end
    any_stream, compute = np.zeros((2, end.shape[1]))
    for device in devices:
        any_stream += end[device.final].max(axis=0) - idle_seconds(device, timeline.start, end)
    for count, row in _counted(np.sum([device.played for device in devices], axis=0), parts):
        for part, seconds in row.items():
            if part not in COMMUNICATION:
                compute += count * seconds
    return any_stream / program.stages, compute / program.stages
