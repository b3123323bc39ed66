"""Where a step's time went, on the mean device; and how busy devices were. Many points at once.

A device computes, waits for messages, or idles. What it idles is the schedule's bubble as far as it would idle so were
all virtual stages equal (`even_stages.py`); the rest it waits for slower stages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from clustersim.engines.graph import Floats, Ints, Timeline
from clustersim.schedules.program import Program, TaskType
from clustersim.simulation.device_tasks import NOBODY, device_tasks, idle_seconds, total
from clustersim.simulation.results import BREAKDOWN_PARTS
from clustersim.simulation.step.even_stages import EvenIdle
from clustersim.simulation.step.task_prices import Parts, PriceTable
from clustersim.simulation.step.windows import Windows

WAIT_PART = {
    TaskType.SEND_ACTIVATION: "pipeline_comm",
    TaskType.SEND_GRADIENT: "pipeline_comm",
    TaskType.GATHER_PARAMETERS: "data_comm",
    TaskType.REDUCE_GRADIENTS: "data_comm",
    TaskType.SYNC_EMBEDDINGS: "data_comm",
    TaskType.GRADIENT_NORM: "data_comm",
}
COMMUNICATION = tuple(part for part in BREAKDOWN_PARTS if part.endswith("_comm"))


def computed_parts(program: Program, table: PriceTable, stretch: Floats | None = None) -> dict[str, Floats]:
    """Seconds [points] by part of what the compute stream of the mean device ran, communication within passes too.

    `stretch`: how many times as long each task took, [tasks, points]; None where all took what their kinds do.
    """
    times = np.bincount(table.row, weights=played_kinds(program)).tolist()
    spent = _priced(times, table)
    if stretch is not None:
        compute = np.concatenate([device.compute for device in device_tasks(program)])
        more = np.zeros((len(table.rows), stretch.shape[1]))  # times that each row was played, beyond those counted
        np.add.at(more, table.row[program.graph.kind[compute]], stretch[compute] - 1.0)
        for part, seconds in _priced(more, table).items():
            spent[part] = spent.get(part, 0.0) + seconds
    return {part: seconds / program.stages for part, seconds in spent.items()}


def _priced(times: Iterable[float | Floats], table: PriceTable) -> dict[str, Floats]:
    """Seconds [points] by part of rows played so many times each."""
    spent: dict[str, Floats] = {}
    for count, row in zip(times, table.rows, strict=False):  # behind the last row that is played there are others
        for part, seconds in row.items():
            spent[part] = spent.get(part, 0.0) + count * seconds
    return spent


@lru_cache(maxsize=64)
def played_kinds(program: Program) -> Ints:
    """[kinds] how many tasks of each kind the compute streams of all devices run."""
    return np.asarray(np.sum([device.played for device in device_tasks(program)], axis=0))


def breakdown(
    program: Program, timeline: Timeline, windows: Windows, computed: Parts, even: EvenIdle
) -> dict[str, Floats]:
    """Seconds [points] by part of the mean device; they sum to the step.

    A gap before a task counts as the communication that ended last before it, for as long as that took, and before the
    optimizer as all that the device has under way then. What is left, a device idles: as much as it would if all stages
    were equal is the bubble, and the messages that fill and drain the pipeline; the rest it waits for slower stages.
    `computed`: what its compute stream ran; `even`: what it would idle then.
    """
    none = np.zeros(len(windows.seconds))
    spent = {part: computed.get(part, none) for part in BREAKDOWN_PARTS}
    waited, exposed = _waited(program, timeline, windows)
    for part, seconds in exposed.items():
        spent[part] = spent[part] + seconds / program.stages
        waited = waited - seconds
    idle = np.maximum(0.0, waited / program.stages)
    if program.stages == 1:
        return spent | {"bubble": idle}
    bubble = np.minimum(idle, even.bubble)
    messages = np.minimum(idle - bubble, even.messages)
    sent = spent["pipeline_comm"] + messages
    return spent | {"bubble": bubble, "pipeline_comm": sent, "stage_wait": idle - bubble - messages}


class Waits(NamedTuple):
    """What gaps wait for."""

    gaps: Ints | None  # [waits] which of all gaps; None: all
    awaited: Ints  # [waits, most] tasks, or NOBODY
    part: Ints  # [waits, most] the place in COMMUNICATION of what waiting for each is, or -1
    parts: tuple[tuple[int, Ints, bool], ...]  # place in COMMUNICATION, waits that may be it, whether they may be other


class Gaps(NamedTuple):
    """Where compute streams may wait for communication."""

    task: Ints  # [gaps] that waits
    before: Ints  # [gaps] the one before it on its stream
    first: Ints  # places of gaps before a device's first task
    device: Ints  # [first] whose
    waits: tuple[Waits, ...]  # for one task, and for several


class Endings(NamedTuple):
    """The ends of all devices' compute streams, [devices] each."""

    last: Ints  # the optimizer
    before: Ints  # the task before it
    own: Ints  # [devices, most] what the data stream has to do for it, or NOBODY
    behind: Waits  # what ends after it


def _waited(program: Program, timeline: Timeline, windows: Windows) -> tuple[Floats, dict[str, Floats]]:
    """Seconds [points] that compute streams of all devices do nothing; and those of them by the communication of each.

    Between passes, before the optimizer, behind it, and until the next step starts.
    """
    gaps, endings = _gaps(program), _endings(program)
    opened = timeline.ended(gaps.before)
    opened[gaps.first] = windows.starts[gaps.device]
    between = timeline.started(gaps.task) - opened
    done, updates = timeline.ended(endings.before), timeline.started(endings.last)
    behind = windows.ends - timeline.ended(endings.last)
    until_next = windows.seconds - (windows.ends - windows.starts)
    waited = sum(map(total, (between, updates - done, behind, until_next)), np.zeros(timeline.columns))
    spent = {"data_comm": _overlap(endings.own, done, updates, timeline)}
    for waits, gap in (*((waits, between) for waits in gaps.waits), (endings.behind, behind)):
        for part, seconds in _communicated(waits, gap, timeline).items():
            spent[part] = spent.get(part, 0.0) + seconds
    return waited, spent


def _overlap(tasks: Ints, start: Floats, end: Floats, timeline: Timeline) -> Floats:
    """Seconds [points] that tasks [devices, most], one after the other, run between start and end [devices, points]."""
    if not tasks.size:
        return np.zeros(start.shape[1])
    since = np.maximum(timeline.started(tasks), start[:, np.newaxis])
    till = np.minimum(timeline.ended(tasks), end[:, np.newaxis])
    shared = np.where((tasks != NOBODY)[:, :, np.newaxis], np.maximum(0.0, till - since), 0.0)
    return total(shared.reshape(-1, shared.shape[-1]))


@lru_cache(maxsize=64)
def _gaps(program: Program) -> Gaps:
    """Of all devices, before every task of the compute stream that waits for others; the optimizer's stands apart."""
    devices = device_tasks(program)
    waiting = [device.waiting[device.waiting < len(device.compute) - 1] for device in devices]
    task = np.concatenate([device.compute[some] for device, some in zip(devices, waiting, strict=True)])
    before = np.concatenate([device.compute[some - 1] for device, some in zip(devices, waiting, strict=True)])
    awaited = _stacked([device.awaited[: len(some)] for device, some in zip(devices, waiting, strict=True)])
    several = (awaited[:, 1:] != NOBODY).any(axis=1)
    one, more = (np.flatnonzero(chosen) for chosen in (~several, several))
    waits = _waits_of(program, awaited[one, :1], one), _waits_of(program, awaited[more], more)
    place = np.concatenate(waiting)
    owner = np.repeat(np.arange(len(devices)), [len(some) for some in waiting])
    first = np.flatnonzero(place == 0)
    return Gaps(task, before, first, owner[first], tuple(some for some in waits if some.parts))


@lru_cache(maxsize=64)
def _endings(program: Program) -> Endings:
    devices = device_tasks(program)
    behind = [[task for task in device.final.tolist() if task != device.compute[-1]] for device in devices]
    return Endings(
        last=np.array([device.compute[-1] for device in devices]),
        before=np.array([device.compute[-2] for device in devices]),
        own=_rectangle([list(_before_the_optimizer(program, stage)) for stage in range(program.stages)]),
        behind=_waits_of(program, _rectangle(behind)),
    )


def _before_the_optimizer(program: Program, stage: int) -> Iterator[int]:
    """The tasks by which a stage's gradients are reduced before it updates, those that it shares with others too."""
    taking_part = {TaskType.GRADIENT_NORM: range(program.stages), TaskType.SYNC_EMBEDDINGS: (0, program.stages - 1)}
    for row, kind in enumerate(program.kinds):
        reduces = kind.operation is TaskType.REDUCE_GRADIENTS and kind.stage == stage
        if reduces or stage in taking_part.get(kind.operation, ()):
            yield from np.flatnonzero(program.graph.kind == row).tolist()


def _rectangle(rows: list[list[int]]) -> Ints:
    """Tasks by row, [rows, most], filled up with NOBODY."""
    most = max(map(len, rows))
    return np.array([row + [NOBODY] * (most - len(row)) for row in rows], dtype=np.int64).reshape(len(rows), most)


def _stacked(blocks: list[Ints]) -> Ints:
    """Blocks [rows, most] below each other, filled up with NOBODY."""
    most = max(block.shape[1] for block in blocks)
    wide = [np.pad(block, ((0, 0), (0, most - block.shape[1])), constant_values=NOBODY) for block in blocks]
    return np.concatenate(wide)


def _waits_of(program: Program, awaited: Ints, gaps: Ints | None = None) -> Waits:
    names = [WAIT_PART.get(kind.operation) for kind in program.kinds]
    place = np.array([-1 if name is None else COMMUNICATION.index(name) for name in names])[program.graph.kind]
    part = np.where(awaited == NOBODY, -1, place[awaited])
    alike = (part == part[:, :1]) | (awaited == NOBODY)
    rows = []
    for present in sorted(set(part[awaited != NOBODY].tolist())):
        some = np.flatnonzero(((part == present) & (awaited != NOBODY)).any(axis=1))
        if present >= 0:
            rows.append((present, some, not alike[some].all()))
    return Waits(gaps, awaited, part, tuple(rows))


def _communicated(waits: Waits, gap: Floats, timeline: Timeline) -> dict[str, Floats]:
    """Seconds [points] of gaps [gaps, points] that the communication which ended last before each explains, by part."""
    awaited, parts = waits.awaited, waits.part
    if not waits.parts:
        return {}
    if awaited.shape[1] == 1:
        took = timeline.ended(awaited[:, 0]) - timeline.started(awaited[:, 0])
    else:
        ends = np.where((awaited != NOBODY)[:, :, np.newaxis], timeline.ended(awaited), -1.0)
        chosen = np.argmax(ends, axis=1)[:, np.newaxis]  # [gaps, 1, points] of ends [gaps, awaited, points]
        took = np.take_along_axis(ends - timeline.started(awaited), chosen, axis=1)[:, 0]
        parts = np.take_along_axis(parts[:, :, np.newaxis], chosen, axis=1)[:, 0]
    explained = np.minimum(gap if waits.gaps is None else gap.take(waits.gaps, axis=0), took)
    spent = {}
    for part, rows, mixed in waits.parts:
        hidden = explained.take(rows, axis=0)
        spent[COMMUNICATION[part]] = total(np.where(parts[rows] == part, hidden, 0.0) if mixed else hidden)
    return spent


def busy_seconds(
    program: Program, timeline: Timeline, windows: Windows, computed: Mapping[str, Floats]
) -> tuple[Floats, Floats]:
    """Seconds [points] in which any stream of the mean device runs, and in which its compute stream computes.

    The communication that a compute task waits for is no computing.
    """
    any_stream = np.zeros(timeline.columns)
    for device, end in zip(device_tasks(program), windows.ends, strict=True):
        any_stream += end - idle_seconds(device, timeline)
    computing = [seconds for part, seconds in computed.items() if part not in COMMUNICATION]
    return any_stream / program.stages, np.asarray(sum(computing))
