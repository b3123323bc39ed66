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
from clustersim.inputs.units import GIB
from clustersim.simulation.inspect.link_use import link_use
from clustersim.simulation.inspect.memory_timeline import memory_timeline
from clustersim.simulation.inspect.pass_detail import PlayedPass, played_passes
from clustersim.simulation.step.step import PlayedStep
from clustersim.views.trace_slices import MOST_THREADS, STREAMS, Event, nanoseconds, rounded, step_slices, step_threads
from clustersim.workload.operations import Gemm
from clustersim.workload.operations import Operation as Work


def trace_events(step: PlayedStep) -> Iterator[Event]:
    """All events: the names of processes and threads, then slices, arrows and counters by their time."""
    details = list(enumerate(played_passes(step), start=step.program.stages + 1))
    yield from _stage_names(step)
    for process, played in details:
        yield from _pass_names(process, played)
    counters = (*_memory(step), *_links(step))
    passes = (_pass_slices(process, played) for process, played in details)
    yield from merge(step_slices(step), *counters, *passes, key=lambda event: float(event["ts"]))


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
    for moment, value in zip(nanoseconds(times).tolist(), values.tolist(), strict=True):
        if value != last:
            shown = rounded(value) if isinstance(value, float) else value
            yield {"ph": "C", "name": name, "pid": process, "ts": moment / 1e3, "args": {"value": shown}}
        last = value


def _pass_slices(process: int, played: PlayedPass) -> Iterator[Event]:
    """The operations of one pass that take time: a collective of one rank takes none."""
    start, end = nanoseconds(played.timeline.start[:, 0]), nanoseconds(played.timeline.end[:, 0])
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
    used = set(step_threads(step))
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


def _plain(value: Any) -> Any:
    """A number or a word, of what may be an array of one."""
    if isinstance(value, str | bool | None):
        return value
    return rounded(float(np.max(value)))
