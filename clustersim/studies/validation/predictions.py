"""Another tool's predictions of the same measured rows, scored as ours are.

Every figure is over the rows that the other tool predicts, for both; a set's mean counts its sources alike, as the
benchmark does. Our errors are those with a row's whole source held out, where they are known (the packaged rows). An
interval is taken to be one of 80 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from clustersim.errors import InputError, Problem
from clustersim.inputs.files import UnreadableError, read_csv
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.units import shown
from clustersim.studies.validation.baseline import constant_efficiency_times
from clustersim.studies.validation.summaries import KnownRow, ValidationRow, known

MAX_BYTES, MAX_CELLS = 5_000_000, 400_000
MOST_PROBLEMS = 20
LEAST_S, MOST_S = 1e-6, 1e9
LEVEL = 0.80


@dataclass(frozen=True)
class Prediction:
    """Seconds of a step, and an interval of 80 % where there is one."""

    step_time_s: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Score:
    """How far predictions lie from measurements, |predicted / measured - 1|, sources counted alike."""

    mean_absolute: float
    bias: float
    covered_80: float | None = None
    interval_score: float | None = None  # of log step time; smaller is better


@dataclass(frozen=True)
class ScoredSet:
    """Rows that the tool predicts among those that were measured, and everybody's score on them."""

    rows: int
    measured: int
    tool: Score
    ours: Score
    constant_efficiency: float  # mean absolute error of the baseline, each row by the others of the set


@dataclass(frozen=True)
class ToolComparison:
    """A tool beside us: all rows, by kind, by source."""

    name: str
    overall: ScoredSet | None  # None where it predicts no row that was measured and simulated
    by_kind: Mapping[str, ScoredSet]
    by_source: Mapping[str, ScoredSet]

    def to_dict(self) -> dict[str, Any]:
        """For `clustersim validate --json`."""
        return asdict(self)


def read_predictions(path: str | Path, ids: Sequence[str]) -> dict[str, Prediction]:
    """By id of the measured row. Columns `id` and `step_time_s`, if it has them `low` and `high`.

    Raises InputError with every column that lacks and every cell that is wrong.
    """
    try:
        columns, rows = read_csv(path, most_bytes=MAX_BYTES, most_cells=MAX_CELLS)
    except UnreadableError as error:
        raise InputError(str(path), [Problem(str(error))]) from None
    absent = [
        Problem("this column is required", key=name, line=1) for name in ("id", "step_time_s") if name not in columns
    ]
    if absent:
        raise InputError(str(path), absent)
    problems: list[Problem] = []
    found: dict[str, Prediction] = {}
    known_ids = set(ids)
    for line, row in enumerate(rows, start=2):
        wrong = [Problem(message, key=key, line=line) for key, message in _wrong(row, known_ids, found)]
        problems += wrong
        if not wrong:
            low, high = (_number(row.get(name, "")) for name in ("low", "high"))
            found[row["id"].strip()] = Prediction(float(row["step_time_s"]), low, high)
    if not rows:
        problems.append(Problem("no row"))
    if problems:
        more = [Problem(f"and {len(problems) - MOST_PROBLEMS} more")] if len(problems) > MOST_PROBLEMS else []
        raise InputError(str(path), problems[:MOST_PROBLEMS] + more)
    return found


def _wrong(row: Mapping[str, str], ids: set[str], found: Mapping[str, Prediction]) -> list[tuple[str, str]]:
    """Keys and messages of what is wrong with a row."""
    name, wrong = row["id"].strip(), []
    if name not in ids:
        wrong.append(("id", f"no measured row is called {shown(name)}{did_you_mean(name, sorted(ids))}"))
    elif name in found:
        wrong.append(("id", f"{shown(name)} is predicted twice"))
    cells = {key: row.get(key, "").strip() for key in ("step_time_s", "low", "high")}
    for key, cell in cells.items():
        if _number(cell) is None and (cell or key == "step_time_s"):
            wrong.append((key, f"{shown(cell)} is not a number from {LEAST_S:g} to {MOST_S:g}"))
    low, high = _number(cells["low"]), _number(cells["high"])
    if bool(cells["low"]) != bool(cells["high"]):
        wrong.append(("low", "low and high go together"))
    elif low is not None and high is not None and low > high:
        wrong.append(("low", f"{cells['low']} is above high, {cells['high']}"))
    return wrong


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and LEAST_S <= value <= MOST_S else None


def compared(rows: Sequence[ValidationRow], predictions: Mapping[str, Prediction], name: str) -> ToolComparison:
    """Both tools on the rows that were measured, that we simulate and the other predicts."""
    told = known(rows)
    sources = sorted({row.source for row, _, _ in told})
    by_kind = {kind: _scored([row for row in told if has(row[0])], predictions) for kind, has in KINDS.items()}
    by_source = {source: _scored([row for row in told if row[0].source == source], predictions) for source in sources}
    return ToolComparison(
        name,
        _scored(told, predictions),
        {kind: found for kind, found in by_kind.items() if found is not None},
        {source: found for source, found in by_source.items() if found is not None},
    )


def _experts(row: ValidationRow) -> bool:
    try:
        return float(row.cells.get("n_experts") or 0.0) > 1.0
    except ValueError:
        return False


def _ascend(row: ValidationRow) -> bool:
    return row.accelerator.lower().startswith("ascend")


KINDS: dict[str, Callable[[ValidationRow], bool]] = {
    "dense": lambda row: not _experts(row),
    "experts": _experts,
    "Ascend": _ascend,
}


def _scored(told: Sequence[KnownRow], predictions: Mapping[str, Prediction]) -> ScoredSet | None:
    some = [(row, measured, predicted) for row, measured, predicted in told if row.id in predictions]
    if not some:
        return None
    theirs = [(row, predictions[row.id], measured) for row, measured, _ in some]
    own = [(row, _ours(row, measured, predicted), measured) for row, measured, predicted in some]
    measured = [seconds for _, seconds, _ in some]
    baseline = constant_efficiency_times(measured, [row.work for row, _, _ in some])
    off = [(row, abs(guess / real - 1.0)) for (row, _, _), guess, real in zip(some, baseline, measured, strict=True)]
    return ScoredSet(len(some), len(told), _score(theirs), _score(own), _alike(off))


def _ours(row: ValidationRow, measured: float, predicted: float) -> Prediction:
    """With the row's source held out where that is known; the interval as wide as the row's, around it."""
    centre = predicted if row.stranger_error is None else measured * (1.0 + row.stranger_error)
    if row.interval_80 is None:
        return Prediction(centre)
    low, high = (bound / predicted * centre for bound in row.interval_80)
    return Prediction(centre, low, high)


def _score(some: Sequence[tuple[ValidationRow, Prediction, float]]) -> Score:
    errors = [(row, found.step_time_s / measured - 1.0) for row, found, measured in some]
    bounded = [
        (row, found.low, found.high, measured)
        for row, found, measured in some
        if found.low is not None and found.high is not None
    ]
    held = [(row, float(low <= measured <= high)) for row, low, high, measured in bounded]
    scores = [(row, _interval_score(low, high, measured)) for row, low, high, measured in bounded]
    return Score(
        _alike([(row, abs(error)) for row, error in errors]),
        _alike(errors),
        _alike(held) if held else None,
        _alike(scores) if scores else None,
    )


def _interval_score(low: float, high: float, measured: float) -> float:
    """Of log step time: width, and 2 / (1 - level) times what the measurement lies outside.

    Source: Gneiting and Raftery 2007, "Strictly proper scoring rules", section 6.2.
    """
    outside = max(0.0, math.log(low / measured)) + max(0.0, math.log(measured / high))
    return math.log(high / low) + 2.0 / (1.0 - LEVEL) * outside


def _alike(values: Sequence[tuple[ValidationRow, float]]) -> float:
    """Mean over sources of the mean over a source's rows."""
    sources: dict[str, list[float]] = {}
    for row, value in values:
        sources.setdefault(row.source, []).append(value)
    return mean(mean(found) for found in sources.values())
