"""Validation: simulate every row of a file of measured runs and say how far off the prediction is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from statistics import mean, median
from typing import Any

from clustersim.errors import ClustersimError, InputError
from clustersim.inputs.load import load_scenario
from clustersim.simulation.results import Interval, StepResult
from clustersim.simulation.step import simulate_step
from clustersim.studies.cells import Row, read_rows, text
from clustersim.studies.measured import group_of, measured_run
from clustersim.studies.memory_validation import MemoryRow, summarize_memory, validate_memory
from clustersim.studies.shortages import explained_shortage

Progress = Callable[[int, int], None]


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
    notes: tuple[str, ...] = ()
    shortage: str = ""  # why it ran all the same, where it is predicted not to fit in memory


@dataclass(frozen=True)
class Summary:
    """Errors over some rows: absolute percentage errors as fractions."""

    rows: int
    simulated: int
    mean_absolute: float | None
    median_absolute: float | None
    bias: float | None
    worst: float | None
    covered_80: float | None  # share of rows inside the 80 % interval
    covered_95: float | None


@dataclass(frozen=True)
class ValidationReport:
    """All rows, and their errors by source and by group."""

    path: str
    rows: tuple[ValidationRow, ...]
    overall: Summary
    by_source: dict[str, Summary]
    by_group: dict[str, Summary]
    memory: tuple[MemoryRow, ...] = ()  # published memory, where the packaged rows are validated

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim validate --json` prints."""
        from clustersim import __version__

        return {
            "rows": [asdict(row) for row in self.rows],
            "summary": {
                "overall": asdict(self.overall),
                "by_source": {name: asdict(summary) for name, summary in self.by_source.items()},
                "by_group": {name: asdict(summary) for name, summary in self.by_group.items()},
                "memory": [asdict(summary) for summary in summarize_memory(self.memory)],
            },
            "memory": [asdict(row) | {"error": row.error} for row in self.memory],
            "version": __version__,
        }


def packaged_rows() -> Path:
    """The measured runs that come with the package."""
    return Path(str(files("clustersim.catalog").joinpath("measured", "measured_runs.csv")))


def validate(path: str | Path | None = None, *, progress: Progress | None = None) -> ValidationReport:
    """Simulate every row of a file of the form of `measured_runs.csv`; without one, the packaged rows.

    Published memory is predicted beside the packaged rows.
    A row that can't be simulated is refused with its reason. Raises InputError when the file can't be read.
    """
    source = packaged_rows() if path is None else Path(path)
    rows = read_rows(source)
    results = []
    for number, row in enumerate(rows, start=1):
        results.append(validate_row(row))
        if progress is not None:
            progress(number, len(rows))
    return ValidationReport(
        str(path or "the packaged measured runs"),
        tuple(results),
        summarize(results),
        _grouped(results, "source"),
        _grouped(results, "group"),
        validate_memory({text(row, "id"): row for row in rows}) if path is None else (),
    )


def validate_row(row: Row) -> ValidationRow:
    """Simulate one row, or refuse it with a reason."""
    blank = ValidationRow(
        id=text(row, "id"),
        source=text(row, "source"),
        group=group_of(row),
        accelerator=text(row, "accelerator"),
        stack=text(row, "stack"),
        quality=text(row, "quality"),
        status="refused",
        reason="",
        measured_step_time_s=None,
        predicted_step_time_s=None,
        error=None,
        interval_80=None,
        interval_95=None,
        fits=None,
    )
    try:
        run = measured_run(row)
        scenario = load_scenario(run.mapping)
        step = simulate_step(scenario)
        blank = replace(blank, shortage=explained_shortage(row, scenario, step.memory))
    except InputError as error:
        return replace(blank, reason="; ".join(str(problem).strip() for problem in error.problems))
    except ClustersimError as error:
        return replace(blank, reason=str(error))
    return _simulated(blank, step, run.measured_step_time_s, run.notes)


def _simulated(blank: ValidationRow, step: StepResult, measured: float | None, notes: tuple[str, ...]) -> ValidationRow:
    predicted = step.step_time_s
    bounds = step.intervals["step_time_s"]
    return replace(
        blank,
        status="simulated",
        measured_step_time_s=measured,
        predicted_step_time_s=predicted,
        error=None if not measured else predicted / measured - 1,
        interval_80=bounds["80"],
        interval_95=bounds["95"],
        fits=step.fits,
        notes=notes,
    )


def summarize(rows: Iterable[ValidationRow]) -> Summary:
    """Mean, median and worst absolute error, bias, and how often the intervals held the measurement."""
    rows = list(rows)
    known = [row for row in rows if row.error is not None]
    errors = [row.error for row in known if row.error is not None]
    if not errors:
        return Summary(len(rows), 0, None, None, None, None, None, None)
    absolute = [abs(error) for error in errors]
    return Summary(
        len(rows),
        len(errors),
        mean(absolute),
        median(absolute),
        mean(errors),
        max(absolute),
        mean(_covered(row, row.interval_80) for row in known),
        mean(_covered(row, row.interval_95) for row in known),
    )


def _covered(row: ValidationRow, bounds: Interval | None) -> float:
    if bounds is None or row.measured_step_time_s is None:
        return 0.0
    return float(bounds[0] <= row.measured_step_time_s <= bounds[1])


def _grouped(rows: list[ValidationRow], key: str) -> dict[str, Summary]:
    names = sorted({getattr(row, key) for row in rows})
    return {name: summarize(row for row in rows if getattr(row, key) == name) for name in names}
