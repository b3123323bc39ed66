"""Which tasks of a step's graph belong to each device, what they wait for, and how long the device idles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from clustersim.engines.graph import Floats, Ints, TaskGraph, Timeline
from clustersim.schedules.program import Program

NOBODY = -1


class Behind(NamedTuple):
    """Of one stream of a device: its last task that is issued before each leading task, where there is one."""

    since: int  # the first leading task that one stands before
    task: Ints  # [leading - since]


@dataclass(frozen=True, eq=False)
class DeviceTasks:
    """The tasks of one device, by number."""

    compute: Ints  # in the order of its compute stream
    others: Ints  # on its other streams
    waiting: Ints  # places in `compute` of those that wait for others, beside the one before on the stream
    awaited: Ints  # [waiting, most] whom each waits for, or NOBODY
    played: Ints  # [kinds] how many tasks of each kind its compute stream runs
    opening: Ints  # the first task of each of its streams
    final: Ints  # the last one
    leading: Ints  # those that other devices may hold up, in the order in which they are issued
    behind: tuple[Behind, ...]  # of each stream


@lru_cache(maxsize=64)
def device_tasks(program: Program) -> tuple[DeviceTasks, ...]:
    """The tasks of every device of a program, which is worked out once."""
    by_device = np.argsort(program.stage, kind="stable")
    bounds = np.searchsorted(program.stage[by_device], np.arange(program.stages + 1))
    nowhere = np.full(program.graph.tasks, -1)
    return tuple(
        _tasks_of(program, device, by_device[bounds[device] : bounds[device + 1]], nowhere)
        for device in range(program.stages)
    )


def _tasks_of(program: Program, device: int, tasks: Ints, place: Ints) -> DeviceTasks:
    graph, stream = program.graph, program.graph.stream[tasks]
    computes = stream == program.compute_streams[device]
    compute, others = tasks[computes], tasks[~computes]
    counts = graph.dependency_offsets[compute + 1] - graph.dependency_offsets[compute]
    waiting, most = np.flatnonzero(counts), int(counts.max(initial=0))
    awaited = np.full((len(waiting), most), NOBODY)
    for nth in range(most):
        some = counts[waiting] > nth
        awaited[some, nth] = graph.dependencies[graph.dependency_offsets[compute[waiting[some]]] + nth]
    issued, held_up = _issued(program, device, compute, others, place)
    streams = sorted(set(stream.tolist()))
    return DeviceTasks(
        compute=compute,
        others=others,
        waiting=waiting,
        awaited=awaited,
        played=np.bincount(graph.kind[compute], minlength=graph.kinds),
        opening=np.array([tasks[stream == name][0] for name in streams]),
        final=np.array([tasks[stream == name][-1] for name in streams]),
        leading=issued[held_up],
        behind=tuple(_behind(graph, issued, held_up, name) for name in streams),
    )


def _issued(program: Program, device: int, compute: Ints, others: Ints, place: Ints) -> tuple[Ints, Ints]:
    """All tasks of a device in the order in which they are issued, and the places of those that others may hold up.

    A task of another stream stands behind the last compute task that it, or what is before it on its stream, waits for.
    `place`: [tasks] -1 everywhere, and again on return; lent, so that no device makes one of its own.
    """
    graph = program.graph
    place[compute] = np.arange(len(compute))
    reached = dict.fromkeys(graph.stream[others].tolist(), -1)  # stream -> the last compute task that it has waited for
    foreign = []
    for task, stream in zip(others.tolist(), graph.stream[others].tolist(), strict=True):
        waits = graph.dependencies_of(task)
        reached[stream] = place[task] = max(reached[stream], int(place[waits].max(initial=-1)))
        if (program.stage[waits] != device).any():
            foreign.append(task)
    tasks = np.concatenate([compute, others])
    order = np.argsort(2 * place[tasks] + (np.arange(len(tasks)) >= len(compute)), kind="stable")
    place[tasks] = -1
    leads = np.concatenate([np.ones(len(compute), dtype=np.bool_), np.isin(others, foreign)])
    return tasks[order], np.flatnonzero(leads[order])


def _behind(graph: TaskGraph, issued: Ints, leading: Ints, stream: int) -> Behind:
    places = np.where(graph.stream[issued] == stream, np.arange(len(issued)), NOBODY)
    last = np.concatenate([[NOBODY], np.maximum.accumulate(places)[:-1]])[leading]  # rises
    since = int(np.searchsorted(last, 0))
    return Behind(since, issued[last[since:]])


def idle_seconds(device: DeviceTasks, timeline: Timeline) -> Floats:
    """Seconds [points] before its last task ends in which no stream of a device runs.

    Work that a device issues itself runs from then on without a break until its stream is empty, so between two tasks
    that may be held up all streams are idle from the moment when the last of them has run what was issued before.
    """
    begins = timeline.started(device.leading)
    reached = np.zeros(begins.shape)
    for since, task in device.behind:
        later = reached[since:]
        np.maximum(later, timeline.ended(task), out=later)
    np.subtract(begins, reached, out=begins)
    return total(np.maximum(begins, 0.0, out=begins))


def total(rows: Floats) -> Floats:
    """The sum [points] of rows [rows, points], added one after the other.

    NumPy adds so where there are several columns, but pair by pair where there is one: a point's sum must not depend on
    whether others stand beside it.
    """
    if rows.shape[1] == 1:
        return rows[:, 0].cumsum()[-1:] if len(rows) else np.zeros(1)
    return np.asarray(rows.sum(axis=0))
