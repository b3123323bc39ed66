"""A trace on disk: gzipped Chrome JSON, written event by event, the same bytes for the same scenario."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clustersim.simulation.step.step import PlayedStep
from clustersim.version import __version__
from clustersim.views.trace_events import trace_events
from clustersim.views.trace_slices import Event

LEVEL = 6  # of compression: 9 takes thrice the time for a twentieth less


def write_trace(step: PlayedStep, path: Path) -> int:
    """Write the trace of a played step; the number of events. Opens in ui.perfetto.dev and chrome://tracing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=raw, mtime=0) as zipped,
        io.TextIOWrapper(zipped, encoding="utf-8", newline="\n") as file,
    ):
        file.write(f'{{"displayTimeUnit":"ms","otherData":{_json(about(step))},"traceEvents":[\n')
        return _write(trace_events(step), file)


def about(step: PlayedStep) -> dict[str, Any]:
    """What the trace is of."""
    return {
        "program": "clustersim",
        "version": __version__,
        "step_time_s": step.seconds,
        "engine": step.timeline.engine,
        "scenario": step.scenario.model_dump(mode="json"),
    }


def _write(events: Iterable[Event], file: io.TextIOWrapper) -> int:
    written = 0
    for event in events:
        file.write(f"{',' if written else ''}{_json(event)}\n")
        written += 1
    file.write("]}\n")
    return written


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
