"""Errors over sets of measured rows: how large, which way, beside what a constant efficiency gets, and how honest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import log, log1p, sqrt
from statistics import mean, median
from typing import TypeAlias

from clustersim.simulation.intervals import Interval
from clustersim.studies.measured.csv_cells import CsvRow
from clustersim.studies.validation.baseline import constant_efficiency_times
from clustersim.studies.validation.layout_order import LaidOut, LayoutOrder, layout_key, layout_order, setting_of

LEVELS = {"80": 0.80, "95": 0.95}


@dataclass(frozen=True)
class ValidationRow:
    """One measured run beside its prediction."""

    id: str
    source: str
    group: str
    accelerator: str
    stack: str
    quality: str
    status: str  # simulated or refused
    reason: str
    measured_step_time_s: float | None
    predicted_step_time_s: float | None
    error: float | None  # predicted / measured - 1
    interval_80: Interval | None
    interval_95: Interval | None
    fits: bool | None
    left_out_error: float | None = None  # of the packaged rows: with the row's group held out of all fits
    stranger_error: float | None = None  # the same with its whole source held out: how the tool does for a stranger
    stack_as_run: str = ""  # the stack of the catalog that was simulated
    table: str = ""  # name of the file that holds the row
    work: float = 0.0  # FLOP a device, roughly: what the baseline takes step time to follow
    notes: tuple[str, ...] = ()
    shortage: str = ""  # why it ran all the same, where it is predicted not to fit in memory
    cells: CsvRow = field(default_factory=dict, repr=False, compare=False)  # the row as it was read


@dataclass(frozen=True)
class Summary:
    """Errors over some rows: absolute percentage errors as fractions."""

    rows: int
    simulated: int
    mean_absolute: float | None = None
    median_absolute: float | None = None
    bias: float | None = None
    worst: float | None = None
    ninetieth: float | None = None  # nine tenths of the rows are off by no more
    left_out: float | None = None  # mean absolute error with groups held out, of the packaged rows among them
    constant_efficiency: float | None = None  # mean absolute error of the baseline, each row by the others
    covered_80: float | None = None  # share of rows inside the 80 % interval
    covered_95: float | None = None
    stranger: float | None = None  # mean absolute error with sources held out whole, sources counted alike
    stranger_bias: float | None = None
    stranger_covered_80: float | None = None  # share inside the intervals then, sources counted alike
    stranger_covered_95: float | None = None
    stranger_sources: int = 0
    interval_score: float | None = None  # of log step time, 80 %, sources held out where known; smaller is better
    constant_interval_score: float | None = None  # of the baseline, its interval as wide as its errors ask for


KnownRow: TypeAlias = tuple[ValidationRow, float, float]  # a row with its measured and predicted seconds


def known(rows: Iterable[ValidationRow]) -> list[KnownRow]:
    """Rows that were measured and simulated."""
    return [
        (row, row.measured_step_time_s, row.predicted_step_time_s)
        for row in rows
        if row.measured_step_time_s and row.predicted_step_time_s is not None
    ]


def summarize(rows: Iterable[ValidationRow]) -> Summary:
    """Errors of step time over rows, and how often the intervals held the measurement."""
    rows = list(rows)
    told = known(rows)
    if not told:
        return Summary(len(rows), 0)
    errors = [predicted / measured - 1 for _, measured, predicted in told]
    absolute = sorted(abs(error) for error in errors)
    measured = [seconds for _, seconds, _ in told]
    baseline = constant_efficiency_times(measured, [row.work for row, _, _ in told])
    left_out = [abs(row.left_out_error) for row, _, _ in told if row.left_out_error is not None]
    return Summary(
        rows=len(rows),
        simulated=len(told),
        mean_absolute=mean(absolute),
        median_absolute=median(absolute),
        bias=mean(errors),
        worst=absolute[-1],
        ninetieth=absolute[int(0.9 * (len(absolute) - 1))],
        left_out=mean(left_out) if left_out else None,
        constant_efficiency=mean(abs(guess / real - 1) for guess, real in zip(baseline, measured, strict=True)),
        covered_80=coverage((row.interval_80, seconds) for row, seconds, _ in told),
        covered_95=coverage((row.interval_95, seconds) for row, seconds, _ in told),
        stranger=_by_source((row, abs(row.stranger_error)) for row, _, _ in told if row.stranger_error is not None),
        stranger_bias=_by_source((row, row.stranger_error) for row, _, _ in told if row.stranger_error is not None),
        stranger_covered_80=_stranger_coverage(told, "80"),
        stranger_covered_95=_stranger_coverage(told, "95"),
        stranger_sources=len({row.source for row, _, _ in told if row.stranger_error is not None}),
        interval_score=_interval_score(told),
        constant_interval_score=_constant_score(baseline, measured),
    )


def coverage(bounds: Iterable[tuple[Interval | None, float]]) -> float | None:
    """Share of values inside their intervals; None without an interval."""
    inside = [interval[0] <= value <= interval[1] for interval, value in bounds if interval is not None]
    return mean(inside) if inside else None


def two_standard_errors(level: float, groups: int) -> float:
    """Twice the standard error of a coverage of `level` over so many groups: binomial, for a group's rows err alike."""
    return 2.0 * sqrt(level * (1.0 - level) / groups)


def interval_score(error: float, half_width: float, level: float) -> float:
    """Width of a central interval, and 2 / (1 - level) times what the value lies outside it.

    Source: Gneiting and Raftery 2007, "Strictly proper scoring rules", section 6.2.
    """
    return 2.0 * half_width + 2.0 / (1.0 - level) * max(0.0, abs(error) - half_width)


def _half_width(row: ValidationRow, level: str) -> float | None:
    """Half the width of a row's interval of log step time."""
    bounds = row.interval_80 if level == "80" else row.interval_95
    return None if bounds is None else 0.5 * log(bounds[1] / bounds[0])


def _by_source(values: Iterable[tuple[ValidationRow, float]]) -> float | None:
    """Mean over sources of the mean over a source's rows; None without any."""
    sources: dict[str, list[float]] = {}
    for row, value in values:
        sources.setdefault(row.source, []).append(value)
    return mean(mean(found) for found in sources.values()) if sources else None


def _stranger_coverage(told: Sequence[KnownRow], level: str) -> float | None:
    return _by_source(
        (row, float(abs(log1p(row.stranger_error)) <= width))
        for row, _, _ in told
        if row.stranger_error is not None and (width := _half_width(row, level)) is not None
    )


def _interval_score(told: Sequence[KnownRow]) -> float | None:
    scores = []
    for row, measured, predicted in told:
        width, strange = _half_width(row, "80"), row.stranger_error
        if width is not None:
            error = log(predicted / measured) if strange is None else log1p(strange)
            scores.append(interval_score(error, width, LEVELS["80"]))
    return mean(scores) if scores else None


def _constant_score(baseline: Sequence[float], measured: Sequence[float]) -> float | None:
    errors = [abs(log(guess / real)) for guess, real in zip(baseline, measured, strict=True) if guess > 0.0]
    if not errors:
        return None
    width = sorted(errors)[min(len(errors) - 1, int(LEVELS["80"] * len(errors)))]
    return mean(interval_score(error, width, LEVELS["80"]) for error in errors)


def summaries(rows: Sequence[ValidationRow], of: Callable[[ValidationRow], str]) -> dict[str, Summary]:
    """A summary for each value of a property of rows."""
    return {name: summarize(row for row in rows if of(row) == name) for name in sorted({of(row) for row in rows})}


def order_of(rows: Iterable[ValidationRow]) -> LayoutOrder:
    """How well layouts are put in order."""
    return _order((row, measured, predicted) for row, measured, predicted in known(rows))


def left_out_order_of(rows: Iterable[ValidationRow]) -> LayoutOrder:
    """The same by predictions with the row's group held out: of the packaged rows."""
    return _order(
        (row, measured, measured * (1.0 + row.left_out_error))
        for row, measured, _ in known(rows)
        if row.left_out_error is not None
    )


def stranger_order_of(rows: Iterable[ValidationRow]) -> LayoutOrder:
    """The same by predictions with the row's whole source held out."""
    return _order(
        (row, measured, measured * (1.0 + row.stranger_error))
        for row, measured, _ in known(rows)
        if row.stranger_error is not None
    )


def _order(told: Iterable[KnownRow]) -> LayoutOrder:
    return layout_order(
        LaidOut(setting_of(row.cells), layout_key(row.cells), measured, predicted) for row, measured, predicted in told
    )
