"""Chunk timings of one rank, a CSV: passes, kernels of a step, messages, each with its seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clustersim.errors import InputError, Problem
from clustersim.inputs.files import UnreadableError, read_csv
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.units import shown
from clustersim.studies.calibration.observed import CHUNKS, MESSAGES, Chunk, Observed, ranks_of
from clustersim.workload.operations import Group

MAX_BYTES, MAX_CELLS = 5_000_000, 200_000
MOST_PROBLEMS = 20
LEAST_S, MOST_S = 1e-9, 1e6
LEAST_BYTES, MOST_BYTES = 1.0, 1e15


@dataclass(frozen=True)
class TimedChunk:
    """What was timed, and its seconds."""

    observed: Observed
    seconds: float


def read_chunks(path: str | Path, scenario: Scenario) -> list[TimedChunk]:
    """Every row: columns `chunk` and `seconds`; `stage`, of messages `group` and `bytes`.

    Raises InputError with all that is wrong, also where the scenario has no such stage or group.
    """
    try:
        columns, rows = read_csv(path, most_bytes=MAX_BYTES, most_cells=MAX_CELLS)
    except UnreadableError as error:
        raise InputError(str(path), [Problem(str(error))]) from None
    problems = [
        Problem("this column is required", key=name, line=1) for name in ("chunk", "seconds") if name not in columns
    ]
    if problems:
        raise InputError(str(path), problems)
    ranks, found = ranks_of(scenario), []
    for line, row in enumerate(rows, start=2):
        wrong: list[Problem] = []
        chunk = _chunk(row, scenario, ranks, line, wrong)
        problems += wrong
        if chunk is not None and not wrong:
            found.append(chunk)
    if not problems and not found:
        problems = [Problem("no row")]
    if problems:
        raise InputError(str(path), problems[:MOST_PROBLEMS])
    return found


def _chunk(
    row: Mapping[str, str], scenario: Scenario, ranks: Mapping[Group, int], line: int, wrong: list[Problem]
) -> TimedChunk | None:
    """A row; what is wrong with it goes to `wrong`."""

    def refuse(key: str, message: str) -> None:
        wrong.append(Problem(message, key=key, line=line))

    word = row["chunk"].strip()
    chunk: Chunk | None = next((known for known in CHUNKS if known == word), None)
    if chunk is None:
        refuse("chunk", f"{shown(word)} is not known. Known: {', '.join(CHUNKS)}")
    seconds = _number(row["seconds"], LEAST_S, MOST_S)
    if seconds is None:
        refuse("seconds", f"{shown(row['seconds'])} is not a number from {LEAST_S:g} to {MOST_S:g}")
    stage, stages = row.get("stage", "").strip() or "0", scenario.resolved_layout.pipeline
    if not (stage.isdecimal() and len(stage) < 8 and int(stage) < stages):
        refuse("stage", f"{shown(stage)} is not one of the scenario's pipeline stages: 0 to {stages - 1}")
    if chunk not in MESSAGES:
        if chunk is None or seconds is None or wrong:
            return None
        return TimedChunk(Observed(chunk, int(stage)), seconds)
    size = _number(row.get("bytes", ""), LEAST_BYTES, MOST_BYTES)
    if size is None:
        refuse("bytes", f"{shown(row.get('bytes', ''))} is not a number from {LEAST_BYTES:g} to {MOST_BYTES:g}")
    name = row.get("group", "").strip()
    group = next((known for known in ranks if known == name), None)
    if group is None or ranks.get(group, 1) < 2:
        having = ", ".join(f"{known} of {count}" for known, count in ranks.items() if count > 1) or "none"
        refuse("group", f"{shown(name)} is no group of several ranks; the scenario has {having}")
    if size is None or group is None or seconds is None or wrong:
        return None
    return TimedChunk(Observed(chunk, int(stage), group, size), seconds)


def _number(cell: str, low: float, high: float) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and low <= value <= high else None
