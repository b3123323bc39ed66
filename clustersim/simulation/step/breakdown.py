"""Where a step's time went, on the device that ends last; and how busy the devices were. Many points at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from clustersim.engines.graph import Floats, Ints, Timeline
from clustersim.schedules.program import Program, TaskType
from clustersim.simulation.device_tasks import NOBODY, DeviceTasks, device_tasks, idle_seconds, total
from clustersim.simulation.results import BREAKDOWN_PARTS
from clustersim.simulation.step.task_prices import Parts, PriceTable

WAIT_PART = {
    TaskType.SEND_ACTIVATION: "pipeline_comm",
    TaskType.SEND_GRADIENT: "pipeline_comm",
    TaskType.GATHER_PARAMETERS: "data_comm",
    TaskType.REDUCE_GRADIENTS: "data_comm",
    TaskType.SYNC_EMBEDDINGS: "data_comm",
    TaskType.GRADIENT_NORM: "data_comm",
}
COMMUNICATION = tuple(part for part in BREAKDOWN_PARTS if part.endswith("_comm"))


class Windows(NamedTuple):
    """The device that each step's time is read off, and its share of the timeline."""

    device: Ints  # [points]
    start: Floats  # [points] seconds
    end: Floats  # [points]
    ends: Floats  # [devices, points] when every device is done

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
    ends = np.array([timeline.ended(device.final).max(axis=0) for device in devices])
    if _meets(program):
        last = ends.argmax(axis=0)
        return Windows(last, np.zeros(ends.shape[1]), ends.max(axis=0), ends)
    starts = np.array([timeline.started(device.opening).min(axis=0) for device in devices])
    longest = (ends - starts).argmax(axis=0)
    points = np.arange(len(longest))
    return Windows(longest, starts[longest, points], ends[longest, points], ends)


@lru_cache(maxsize=64)
def _meets(program: Program) -> bool:
    """Whether all stages wait for a norm."""
    return any(kind.operation is TaskType.GRADIENT_NORM for kind in program.kinds)


def breakdown(
    program: Program, timeline: Timeline, table: PriceTable, windows: Windows, stretch: Floats | None = None
) -> dict[str, Floats]:
    """Seconds [points] by part of the device that each step is read off; they sum to it.

    `stretch`: how many times as long each task took, [tasks, points]; None where all took what their kinds do.

    A gap before a task counts as the communication that ended last before it, for as long as that took, and as bubble
    beyond: a longer wait is for work on another device.
    """
    devices = device_tasks(program)
    spent = {part: np.zeros(len(windows.device)) for part in BREAKDOWN_PARTS}
    for number in sorted(set(windows.device.tolist())):
        here = windows.device == number
        waited = _waited(program, number, timeline, windows.start)
        slowed = {} if stretch is None else _slowed(program, devices[number], table, stretch)
        for own in (_computed(devices[number], table), slowed, waited):
            for part, seconds in own.items():
                spent[part] += np.where(here, seconds, 0.0)
    return spent


def _counted(played: Ints, table: PriceTable) -> Iterator[tuple[int, Parts]]:
    """How often each row was played, `played` [kinds] tasks of each kind."""
    times = np.bincount(table.row, weights=played).tolist()
    return ((int(times[row]), table.rows[row]) for row in dict.fromkeys(table.row[played > 0].tolist()))


def _computed(device: DeviceTasks, table: PriceTable) -> dict[str, Floats]:
    """Seconds [points] by part of what the compute stream ran."""
    spent: dict[str, Floats] = {}
    for count, row in _counted(device.played, table):
        for part, seconds in row.items():
            spent[part] = spent.get(part, 0.0) + count * seconds
    return spent


def _slowed(program: Program, device: DeviceTasks, table: PriceTable, stretch: Floats) -> dict[str, Floats]:
    """Seconds [points] by part that what the compute stream ran took longer than alone."""
    more = np.zeros((len(table.rows), stretch.shape[1]))  # times that each row was played, beyond those counted
    np.add.at(more, table.row[program.graph.kind[device.compute]], stretch[device.compute] - 1.0)
    spent: dict[str, Floats] = {}
    for times, row in zip(more, table.rows, strict=True):
        for part, seconds in row.items():
            spent[part] = spent.get(part, 0.0) + times * seconds
    return spent


def _waited(program: Program, number: int, timeline: Timeline, opening: Floats) -> dict[str, Floats]:
    """Seconds [points] of the gaps on a device's compute stream from `opening` on, by what they were for."""
    device = device_tasks(program)[number]
    gaps, done = timeline.started(device.compute), timeline.ended(device.compute)
    gaps[0] -= opening
    gaps[1:] -= done[:-1]
    tail = (timeline.ended(device.final).max(axis=0) - done[-1])[np.newaxis]
    spent = {"bubble": total(gaps) + tail[0]}
    within, after = _waits(program, number)
    for waits, gap in ((within, gaps.take(device.waiting, axis=0)), (after, tail)):
        for part, seconds in _communicated(waits, gap, timeline).items():
            spent[part] = spent.get(part, 0.0) + seconds
            spent["bubble"] = spent["bubble"] - seconds
    return spent


class Waits(NamedTuple):
    """What gaps of one device wait for."""

    awaited: Ints  # [gaps, most] tasks, or NOBODY
    part: Ints  # [gaps, most] the place in COMMUNICATION of what waiting for each is, or -1
    parts: tuple[tuple[int, Ints, bool], ...]  # place in COMMUNICATION, gaps that may be it, whether they may be other


@lru_cache(maxsize=256)
def _waits(program: Program, number: int) -> tuple[Waits, Waits]:
    """What the gaps before a device's tasks that wait for others are for, and the gap behind its last one."""
    device = device_tasks(program)[number]
    names = [WAIT_PART.get(kind.operation) for kind in program.kinds]
    place = np.array([-1 if name is None else COMMUNICATION.index(name) for name in names])[program.graph.kind]
    return _waits_of(device.awaited, place), _waits_of(device.others[np.newaxis], place)


def _waits_of(awaited: Ints, place: Ints) -> Waits:
    part = place[awaited]
    alike = (part == part[:, :1]) | (awaited == NOBODY)
    rows = []
    for present in sorted(set(part[awaited != NOBODY].tolist())):
        some = np.flatnonzero(((part == present) & (awaited != NOBODY)).any(axis=1))
        if present >= 0:
            rows.append((present, some, not alike[some].all()))
    return Waits(awaited, part, tuple(rows))


def _communicated(waits: Waits, gap: Floats, timeline: Timeline) -> dict[str, Floats]:
    """Seconds [points] of gaps [gaps, points] that the communication which ended last before each explains, by part."""
    awaited, parts = waits.awaited, waits.part
    if not awaited.size:
        return {}
    if awaited.shape[1] == 1:
        took = timeline.ended(awaited[:, 0]) - timeline.started(awaited[:, 0])
    else:
        ends = np.where((awaited != NOBODY)[:, :, np.newaxis], timeline.ended(awaited), -1.0)
        chosen = np.argmax(ends, axis=1)[:, np.newaxis]  # [gaps, 1, points] of ends [gaps, awaited, points]
        took = np.take_along_axis(ends - timeline.started(awaited), chosen, axis=1)[:, 0]
        parts = np.take_along_axis(parts[:, :, np.newaxis], chosen, axis=1)[:, 0]
    explained = np.minimum(gap, took)
    spent = {}
    for part, rows, mixed in waits.parts:
        hidden = explained.take(rows, axis=0)
        spent[COMMUNICATION[part]] = total(np.where(parts[rows] == part, hidden, 0.0) if mixed else hidden)
    return spent


def busy_seconds(
    program: Program, timeline: Timeline, table: PriceTable, windows: Windows, stretch: Floats | None = None
) -> tuple[Floats, Floats]:
    """Seconds [points] in which any stream of the mean device runs, and in which its compute stream computes.

    The communication that a compute task waits for is no computing.
    """
    any_stream, compute = np.zeros((2, timeline.columns))
    for device, end in zip(device_tasks(program), windows.ends, strict=True):
        any_stream += end - idle_seconds(device, timeline)
    for count, row in _counted(_played(program), table):
        for part, seconds in row.items():
            if part not in COMMUNICATION:
                compute += count * seconds
    if stretch is not None:
        for device in device_tasks(program):
            slowed = _slowed(program, device, table, stretch)
            compute += sum(seconds for part, seconds in slowed.items() if part not in COMMUNICATION)
    return any_stream / program.stages, compute / program.stages


@lru_cache(maxsize=64)
def _played(program: Program) -> Ints:
    """[kinds] how many tasks of each kind the compute streams of all devices run."""
    return np.asarray(np.sum([device.played for device in device_tasks(program)], axis=0))
