"""The tasks of a played step as slices of a trace, and the messages between stages as arrows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.program import BACKWARDS, FORWARDS, Kind, TaskType
from clustersim.simulation.step.step import PlayedStep

Event = dict[str, Any]

STREAMS = (COMPUTE, DATA, FORTH, BACK) = ("compute", "data parallel", "send forward", "send back")
SENDS = {TaskType.SEND_ACTIVATION: FORTH, TaskType.SEND_GRADIENT: BACK}
LETTERS = {**dict.fromkeys(FORWARDS, "F"), **dict.fromkeys(BACKWARDS, "B"), TaskType.WEIGHT_GRADIENT: "W"}
# The reserved colours of chrome://tracing nearest to those of the timeline's picture; Perfetto colours by name.
COLOURS = {"F": "thread_state_runnable", "B": "rail_idle", "W": "good"}
MESSAGE_COLOUR, OTHER_COLOUR = "thread_state_uninterruptible", "yellow"
MOST_THREADS = 10  # of a process: thread numbers are its number times this, and more


def step_slices(step: PlayedStep) -> Iterator[Event]:
    """Every task as a slice, and an arrow from every message between stages to the pass that waited for it.

    An arrow's ends follow the slices that they are bound to.
    """
    program = step.program
    start, end = nanoseconds(step.timeline.start[:, 0]), nanoseconds(step.timeline.end[:, 0])
    threads, about = step_threads(step), _arguments(step)
    waited, sent = _arrows(step)
    for task in np.argsort(start, kind="stable").tolist():
        row, micro_batch = int(program.graph.kind[task]), int(program.micro_batch[task])
        kind = program.kinds[row]
        where = {"pid": kind.stage + 1, "tid": threads[task], "ts": int(start[task]) / 1e3}
        yield {
            "ph": "X",
            "name": slice_name(kind, micro_batch),
            "cat": kind.operation.value,
            "cname": _colour(kind),
            **where,
            "dur": int(end[task] - start[task]) / 1e3,
            "args": about[row] if micro_batch < 0 else {"micro_batch": micro_batch, **about[row]},
        }
        for message in waited.get(task, ()):
            yield {"ph": "f", "bp": "e", "id": message, "cat": "transfer", "name": "transfer", **where}
        if task in sent:
            yield {"ph": "s", "id": task, "cat": "transfer", "name": "transfer", **where}


def slice_name(kind: Kind, micro_batch: int) -> str:
    """As engineers say it: F3, B3, W3, send F3; else what the task does."""
    if kind.operation in LETTERS:
        return f"{LETTERS[kind.operation]}{micro_batch}"
    if kind.operation in SENDS:
        return f"send {'F' if kind.operation is TaskType.SEND_ACTIVATION else 'B'}{micro_batch}"
    return kind.operation.value


def _colour(kind: Kind) -> str:
    if kind.operation in LETTERS:
        return COLOURS[LETTERS[kind.operation]]
    return OTHER_COLOUR if kind.operation is TaskType.OPTIMIZER else MESSAGE_COLOUR


def _arguments(step: PlayedStep) -> list[Event]:
    """[kinds] what a click on a slice shows: its place in the model, and milliseconds by part of the breakdown."""
    told = []
    for kind, parts in zip(step.program.kinds, step.parts, strict=True):
        about: Event = {"operation": kind.operation.value}
        if kind.operation in LETTERS or kind.operation in SENDS:
            virtual = int(step.program.placement.virtual[kind.chunk, kind.stage])
            about |= {"chunk": kind.chunk, "virtual_stage": virtual}
        told.append(about | {"ms": {part: rounded(1e3 * seconds) for part, seconds in parts.items() if seconds}})
    return told


def step_threads(step: PlayedStep) -> list[int]:
    """[tasks] the thread of each: its stage's compute stream, or the stream of its kind of message."""
    program = step.program
    beside = [STREAMS.index(SENDS.get(kind.operation, DATA)) for kind in program.kinds]
    computes = np.isin(program.graph.stream, program.compute_streams)
    streams = np.where(computes, 0, np.array(beside)[program.graph.kind])
    threads: list[int] = (MOST_THREADS * (program.stage + 1) + streams).tolist()
    return threads


def _arrows(step: PlayedStep) -> tuple[dict[int, list[int]], set[int]]:
    """The messages from other stages that each task is the first to wait for; and all such messages."""
    graph = step.program.graph
    sends = np.array([kind.operation in SENDS for kind in step.program.kinds])[graph.kind]
    sending, waiting = graph.dependencies, graph.waiting
    crosses = sends[sending] & (step.program.stage[sending] != step.program.stage[waiting])
    first: dict[int, int] = {}  # of two halves that run as one, both may wait for a message
    for task, message in zip(waiting[crosses].tolist(), sending[crosses].tolist(), strict=True):
        first.setdefault(message, task)
    waited: dict[int, list[int]] = {}
    for message, task in first.items():
        waited.setdefault(task, []).append(message)
    return waited, set(first)


def nanoseconds(seconds: Floats) -> Ints:
    """Whole nanoseconds, so that slices meet exactly."""
    return np.asarray(np.round(seconds * 1e9), dtype=np.int64)


def rounded(value: float) -> float:
    """Nine digits: no noise in a file."""
    return float(f"{value:.9g}")
