"""Published peaks beside predictions: rows of the form of `memory_runs.csv`, simulated one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from statistics import mean, median
from typing import Any

from clustersim.answer import Answer
from clustersim.errors import ClustersimError, InputError
from clustersim.inputs.load import load_scenario
from clustersim.inputs.units import GIB
from clustersim.simulation.memory.error import LEVELS, evidence_name, peak_interval
from clustersim.simulation.results import MemoryReport, StagePeak
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.measured.csv_cells import CsvRow, read_rows, text
from clustersim.studies.measured.memory_runs import REQUIRED, MemoryRun, memory_run
from clustersim.studies.progress import Progress

CLOSE = 0.12  # error of a row that plans can rest on
LIKELY = 0.5
FEWEST = 3  # peaks of a software that tell its spread


@dataclass(frozen=True)
class MemoryRunRow:
    """One published peak beside its prediction."""

    id: str
    source: str
    framework: str
    family: str
    status: str  # simulated or refused
    reason: str
    kind: str  # what is compared: allocated, reserved (by the allocator) or chip (all of it)
    outcome: str  # ran or oom
    measured_gib: float | None
    predicted_gib: float | None
    interval_80: tuple[float, float] | None
    interval_95: tuple[float, float] | None
    fit_probability: float | None
    stack: str = ""
    notes: tuple[str, ...] = ()

    @property
    def error(self) -> float | None:
        """Predicted over measured, less one."""
        if not self.measured_gib or self.predicted_gib is None:
            return None
        return self.predicted_gib / self.measured_gib - 1.0


@dataclass(frozen=True)
class PeakSummary:
    """How far predicted peaks of a family of rows lie from measured ones, and how often fits were judged right."""

    rows: int
    simulated: int
    median_absolute: float | None
    bias: float | None
    close: float | None  # share within 12 %
    covered: float | None  # share inside the 80 % interval
    ran_likely: float | None  # of those that ran: share that fits with 50 % or more
    failed_unlikely: float | None  # of those that ran out of memory: share that fits with 50 % or less


@dataclass(frozen=True, repr=False)
class MemoryRunsReport(Answer):
    """All rows, and their errors by framework."""

    path: str
    rows: tuple[MemoryRunRow, ...]
    complete: bool = True

    @cached_property
    def overall(self) -> PeakSummary:
        """Over all rows."""
        return _summary(self.rows)

    @cached_property
    def by_family(self) -> dict[str, PeakSummary]:
        """By framework, and what sets its rows apart."""
        families = dict.fromkeys(row.family or "refused" for row in self.rows)
        return {name: _summary([row for row in self.rows if (row.family or "refused") == name]) for name in families}

    def headline(self) -> tuple[str, dict[str, str]]:
        """How many rows were simulated, and the median error."""
        error = self.overall.median_absolute
        figures = {} if error is None else {"median |error|": f"{100 * error:.1f} %"}
        return f"{self.overall.simulated} of {self.overall.rows} published peaks simulated", figures

    def table(self) -> Sequence[Mapping[str, Any]]:
        """A row each."""
        return [asdict(row) | {"error": row.error} for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim validate --memory --json` prints."""
        from clustersim.version import __version__

        return {
            "rows": [dict(row) for row in self.table()],
            "summary": {
                "overall": asdict(self.overall),
                "by_family": {name: asdict(summary) for name, summary in self.by_family.items()},
            },
            "version": __version__,
        } | ({} if self.complete else {"complete": False})


def packaged_peaks() -> Path:
    """The published peaks that come with the package."""
    return Path(str(files("clustersim.catalog").joinpath("measured", "memory_runs.csv")))


def validate_memory_runs(path: str | Path | None = None, *, progress: Progress | None = None) -> MemoryRunsReport:
    """Simulate every row of a file of the form of `memory_runs.csv`; without one, the packaged rows.

    A row that can't be simulated is refused with its reason. Ctrl-C ends it with the rows that are done. Raises
    InputError when the file can't be read.
    """
    rows = read_rows(path or packaged_peaks(), REQUIRED)
    done: list[MemoryRunRow] = []
    label = str(path or "the packaged published peaks")
    try:
        for number, row in enumerate(rows, start=1):
            done.append(validate_peak(row))
            if progress is not None:
                progress(number, len(rows))
    except KeyboardInterrupt:
        if not done:
            raise
        return MemoryRunsReport(label, tuple(done), complete=False)
    return MemoryRunsReport(label, tuple(done))


def validate_peak(row: CsvRow) -> MemoryRunRow:
    """Simulate one row, or refuse it with a reason."""
    blank = MemoryRunRow(
        text(row, "id"),
        text(row, "source"),
        text(row, "framework"),
        family="",
        status="refused",
        reason="",
        kind="",
        outcome="",
        measured_gib=None,
        predicted_gib=None,
        interval_80=None,
        interval_95=None,
        fit_probability=None,
    )
    try:
        run = memory_run(row)
        blank = replace(
            blank,
            family=run.family,
            kind=run.kind,
            outcome=run.outcome,
            measured_gib=run.measured_gib,
            notes=run.notes,
        )
        scenario = load_scenario(run.mapping)
        memory = simulate_step(scenario, intervals=False).memory
    except InputError as error:
        return replace(blank, reason="; ".join(str(problem).strip() for problem in error.problems))
    except ClustersimError as error:
        return replace(blank, reason=str(error))
    predicted = predicted_bytes(memory, run) / GIB
    low_high = {level: peak_interval(predicted, memory.spread, level) for level in LEVELS}
    return replace(
        blank,
        status="simulated",
        predicted_gib=predicted,
        interval_80=low_high["80"],
        interval_95=low_high["95"],
        fit_probability=memory.fit_probability,
        stack=evidence_name(scenario.stack.name, experts=scenario.model.moe is not None),
    )


def predicted_bytes(memory: MemoryReport, run: MemoryRun) -> float:
    """Bytes that a row's figure counts: of the last stage or the fullest, allocated, reserved or all on the chip."""
    stage: StagePeak = memory.stages[-1] if run.last_stage else memory.fullest
    by_kind = {"allocated": stage.allocated_bytes, "reserved": stage.reserved_bytes, "chip": stage.peak_bytes}
    return by_kind[run.kind]


def spreads_of(rows: Sequence[MemoryRunRow]) -> dict[str, Any]:
    """The document of `memory_evidence.json`: one sd of log(measured / predicted) by stack, and of all rows.

    From the size that 80 % of errors don't reach, so that an 80 % interval holds 80 % of them. A stack with few peaks
    has that of all.
    """
    by_stack: dict[str, list[float]] = {}
    for row in rows:
        if row.error is not None:
            by_stack.setdefault(row.stack, []).append(abs(math.log1p(row.error)))
    every = [size for sizes in by_stack.values() for size in sizes]
    return {
        "rows": len(every),
        "any": round(_spread(every), 4),
        "stacks": {name: round(_spread(sizes), 4) for name, sizes in sorted(by_stack.items()) if len(sizes) >= FEWEST},
    }


def _spread(sizes: Sequence[float]) -> float:
    ordered = sorted(sizes)
    return ordered[min(len(ordered) - 1, math.ceil(0.8 * len(ordered)) - 1)] / LEVELS["80"] or 0.01


def _summary(rows: Sequence[MemoryRunRow]) -> PeakSummary:
    simulated = [row for row in rows if row.status == "simulated"]
    errors = [row.error for row in simulated if row.error is not None]
    inside = [
        row.interval_80[0] <= row.measured_gib <= row.interval_80[1]
        for row in simulated
        if row.measured_gib and row.interval_80
    ]
    ran = [(row.fit_probability or 0.0) >= LIKELY for row in simulated if row.outcome == "ran"]
    failed = [(row.fit_probability or 0.0) <= LIKELY for row in simulated if row.outcome == "oom"]
    return PeakSummary(
        len(rows),
        len(simulated),
        median(map(abs, errors)) if errors else None,
        mean(errors) if errors else None,
        *(mean(map(float, found)) if found else None for found in ([abs(e) <= CLOSE for e in errors], inside)),
        *(mean(map(float, found)) if found else None for found in (ran, failed)),
    )
