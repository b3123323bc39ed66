"""A played step as events of the Chrome trace format, in the order of time: what Perfetto draws.

A process a pipeline stage, with a thread a stream; then a process a pass over each kind of layer, microseconds long and
begun at 0, with the kernels and collectives inside it. Times are whole nanoseconds, so that slices meet exactly.

Source of the format: Google, "Trace Event Format".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from heapq import merge
from typing import Any

import numpy as np

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.program import BACKWARDS, FORWARDS, Kind, Operation
from clustersim.simulation.link_use import link_use
from clustersim.simulation.memory_timeline import memory_timeline
from clustersim.simulation.pass_detail import PlayedPass, played_passes
from clustersim.simulation.step import PlayedStep
from clustersim.views.words import GIB
from clustersim.workload.operations import Gemm
from clustersim.workload.operations import Operation as Work

Event = dict[str, Any]

COMPUTE, DATA, FORTH, BACK = "compute", "data parallel", "send forward", "send back"
STREAMS = (COMPUTE, DATA, FORTH, BACK)
SENDS = {Operation.SEND_ACTIVATION: FORTH, Operation.SEND_GRADIENT: BACK}
LETTERS = {**dict.fromkeys(FORWARDS, "F"), **dict.fromkeys(BACKWARDS, "B"), Operation.WEIGHT_GRADIENT: "W"}
MOST_THREADS = 10  # of a process: thread numbers are its number times this, and more


def trace_events(step: PlayedStep) -> Iterator[Event]:
    """All events: the names of processes and threads, then slices, arrows and counters by their time."""
    details = list(enumerate(played_passes(step), start=step.program.stages + 1))
    yield from _stage_names(step)
    for process, played in details:
        yield from _pass_names(process, played)
    counters = (*_memory(step), *_links(step))
    passes = (_pass_slices(process, played) for process, played in details)
    yield from merge(_slices(step), *counters, *passes, key=lambda event: float(event["ts"]))


def _slices(step: PlayedStep) -> Iterator[Event]:
    """Every task as a slice, and an arrow from every message between stages to the pass that waited for it.

    An arrow's ends follow the slices that they are bound to.
    """
    program = step.program
    start, end = _nanoseconds(step.timeline.start[:, 0]), _nanoseconds(step.timeline.end[:, 0])
    threads = _threads(step)
    arrows = _arrows(step)  # [dependencies] (message, the task that waits)
    waiting = dict[int, list[int]]()
    for message, task in arrows:
        waiting.setdefault(task, []).append(message)
    sent = {message for message, _ in arrows}
    for task in np.argsort(start, kind="stable").tolist():
        row = int(program.graph.kind[task])
        where = {"pid": int(program.stage[task]) + 1, "tid": threads[task], "ts": int(start[task]) / 1e3}
        yield {
            "ph": "X",
            "name": slice_name(program.kinds[row], int(program.micro_batch[task])),
            "cat": program.kinds[row].operation.value,
            **where,
            "dur": int(end[task] - start[task]) / 1e3,
            "args": _arguments(step, row, int(program.micro_batch[task])),
        }
        for message in waiting.get(task, ()):
            yield {"ph": "f", "bp": "e", "id": message, "cat": "transfer", "name": "transfer", **where}
        if task in sent:
            yield {"ph": "s", "id": task, "cat": "transfer", "name": "transfer", **where}


def slice_name(kind: Kind, micro_batch: int) -> str:
    """As engineers say it: F3, B3, W3, send F3; else what the task does."""
    if kind.operation in LETTERS:
        return f"{LETTERS[kind.operation]}{micro_batch}"
    if kind.operation in SENDS:
        return f"send {'F' if kind.operation is Operation.SEND_ACTIVATION else 'B'}{micro_batch}"
    return kind.operation.value


def _arguments(step: PlayedStep, row: int, micro_batch: int) -> Event:
    """What a click on a slice shows: where it stands in the model, and milliseconds by part of the breakdown."""
    kind = step.program.kinds[row]
    told: Event = {"operation": kind.operation.value}
    if micro_batch >= 0:
        told |= {
            "micro_batch": micro_batch,
            "chunk": kind.chunk,
            "virtual_stage": int(step.program.placement.virtual[kind.chunk, kind.stage]),
        }
    return told | {"ms": {part: _rounded(1e3 * seconds) for part, seconds in step.parts[row].items() if seconds}}


def _threads(step: PlayedStep) -> list[int]:
    """[tasks] the thread of each: its stage's compute stream, or the stream of its kind of message."""
    program = step.program
    beside = [STREAMS.index(SENDS.get(kind.operation, DATA)) for kind in program.kinds]
    computes = np.isin(program.graph.stream, program.compute_streams)
    streams = np.where(computes, 0, np.array(beside)[program.graph.kind])
    threads: list[int] = (MOST_THREADS * (program.stage + 1) + streams).tolist()
    return threads


def _arrows(step: PlayedStep) -> list[tuple[int, int]]:
    """(message between stages, task of another stage that waits for it)."""
    graph = step.program.graph
    sends = np.array([kind.operation in SENDS for kind in step.program.kinds])[graph.kind]
    sending, waiting = graph.dependencies, graph.waiting
    crosses = sends[sending] & (step.program.stage[sending] != step.program.stage[waiting])
    return list(zip(sending[crosses].tolist(), waiting[crosses].tolist(), strict=True))


def _memory(step: PlayedStep) -> Iterator[Iterator[Event]]:
    """What a device of each stage holds, a counter a stage."""
    for held in memory_timeline(step):
        yield _counter(held.stage + 1, "memory (GiB)", held.times_s, held.bytes / GIB)


def _links(step: PlayedStep) -> Iterator[Iterator[Event]]:
    """Messages under way by tier, counters of each stage."""
    for use in link_use(step):
        yield _counter(use.stage + 1, f"{use.tier} messages", use.times_s, use.messages)


def _counter(process: int, name: str, times: Floats, values: Floats | Ints) -> Iterator[Event]:
    """A value whenever it changes."""
    last = None
    for moment, value in zip(_nanoseconds(times).tolist(), values.tolist(), strict=True):
        if value != last:
            shown = _rounded(value) if isinstance(value, float) else value
            yield {"ph": "C", "name": name, "pid": process, "ts": moment / 1e3, "args": {"value": shown}}
        last = value


def _pass_slices(process: int, played: PlayedPass) -> Iterator[Event]:
    """The operations of one pass that take time: a collective of one rank takes none."""
    start, end = _nanoseconds(played.timeline.start[:, 0]), _nanoseconds(played.timeline.end[:, 0])
    streams = played.streams
    for task in np.argsort(start, kind="stable").tolist():
        if start[task] == end[task]:
            continue
        operation = played.work.operations[task]
        yield {
            "ph": "X",
            "name": operation.name,
            "cat": operation.part,
            "pid": process,
            "tid": MOST_THREADS * process + streams.index(played.work.streams[task]),
            "ts": int(start[task]) / 1e3,
            "dur": int(end[task] - start[task]) / 1e3,
            "args": _described(operation),
        }


def _described(work: Work) -> Event:
    """The sizes of a kernel or a collective."""
    told = {
        field.name: _plain(getattr(work, field.name)) for field in fields(work) if field.name not in ("name", "part")
    }
    if isinstance(work, Gemm):
        told["flops"] = _plain(work.flops)
    return {name: value for name, value in told.items() if value is not None}


def _stage_names(step: PlayedStep) -> Iterator[Event]:
    """Names of the stages' processes and of the threads that run something."""
    used = set(_threads(step))
    for stage in range(step.program.stages):
        process = stage + 1
        threads = {MOST_THREADS * process + index: name for index, name in enumerate(STREAMS)}
        yield from _names(process, f"stage {stage}", {number: threads[number] for number in threads if number in used})


def _pass_names(process: int, played: PlayedPass) -> Iterator[Event]:
    threads = {MOST_THREADS * process + index: stream for index, stream in enumerate(played.streams)}
    yield from _names(process, f"detail of {played.name}", threads)


def _names(process: int, name: str, threads: Mapping[int, str]) -> Iterator[Event]:
    yield {"ph": "M", "name": "process_name", "pid": process, "args": {"name": name}}
    yield {"ph": "M", "name": "process_sort_index", "pid": process, "args": {"sort_index": process}}
    for number, words in threads.items():
        yield {"ph": "M", "name": "thread_name", "pid": process, "tid": number, "args": {"name": words}}
        yield {"ph": "M", "name": "thread_sort_index", "pid": process, "tid": number, "args": {"sort_index": number}}


def _nanoseconds(seconds: Floats) -> Ints:
    return np.asarray(np.round(seconds * 1e9), dtype=np.int64)


def _rounded(value: float) -> float:
    return float(f"{value:.9g}")


def _plain(value: Any) -> Any:
    """A number or a word, of what may be an array of one."""
    if isinstance(value, str | bool | None):
        return value
    return _rounded(float(np.max(value)))
