"""Validation: simulate every row of a file of measured runs and say how far off the prediction is."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from clustersim.answer import Answer
from clustersim.errors import ClustersimError, InputError
from clustersim.inputs.amounts import amount, counted
from clustersim.inputs.load import load_scenario
from clustersim.simulation.results import StepResult
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.kernels.accuracy import KernelReport, kernel_report
from clustersim.studies.measured.csv_cells import CsvRow, read_rows, text
from clustersim.studies.measured.runs import MeasuredRun, group_of, measured_run
from clustersim.studies.progress import Progress
from clustersim.studies.validation.baseline import work_per_device
from clustersim.studies.validation.layout_order import LayoutOrder
from clustersim.studies.validation.memory import MemoryRow, summarize_memory, validate_memory
from clustersim.studies.validation.predictions import ToolComparison, compared, read_predictions
from clustersim.studies.validation.shortages import explained_shortage
from clustersim.studies.validation.summaries import (
    Summary,
    ValidationRow,
    left_out_order_of,
    order_of,
    stranger_order_of,
    summaries,
    summarize,
)

REGULAR = "complete"  # quality of a row that states everything and behaves


@dataclass(frozen=True, repr=False)
class ValidationReport(Answer):
    """All rows; errors and the order of layouts over sets of them."""

    path: str
    rows: tuple[ValidationRow, ...]
    memory: tuple[MemoryRow, ...] = ()  # published memory, where the packaged rows are validated
    kernels: KernelReport | None = None  # tables of kernels, where the packaged rows are validated
    comparison: ToolComparison | None = None  # with another tool's predictions of the same rows
    complete: bool = True  # False where it was interrupted: these are the rows that were done

    @cached_property
    def overall(self) -> Summary:
        """Over all rows."""
        return summarize(self.rows)

    @cached_property
    def regular(self) -> Summary:
        """Over rows that their sources vouch for: those of quality `complete`, or of none stated."""
        return summarize(row for row in self.rows if is_regular(row))

    @cached_property
    def by_source(self) -> dict[str, Summary]:
        """By where the measurement was published."""
        return summaries(self.rows, lambda row: row.source)

    @cached_property
    def by_table(self) -> dict[str, Summary]:
        """By the file that holds the row."""
        return summaries(self.rows, lambda row: row.table)

    @cached_property
    def by_stack(self) -> dict[str, Summary]:
        """By software."""
        return summaries(self.rows, lambda row: row.stack)

    @cached_property
    def by_accelerator(self) -> dict[str, Summary]:
        """By chip."""
        return summaries(self.rows, lambda row: row.accelerator)

    @cached_property
    def by_group(self) -> dict[str, Summary]:
        """By source, chip and model."""
        return summaries(self.rows, lambda row: row.group)

    @cached_property
    def order(self) -> LayoutOrder:
        """Over all pairs of layouts."""
        return order_of(self.rows)

    @cached_property
    def order_by_source(self) -> dict[str, LayoutOrder]:
        """Over pairs of regular rows."""
        return self._orders(order_of)

    @cached_property
    def left_out_order(self) -> LayoutOrder:
        """Over all pairs of layouts, groups held out: of the packaged rows."""
        return left_out_order_of(self.rows)

    @cached_property
    def left_out_order_by_source(self) -> dict[str, LayoutOrder]:
        """Over pairs of regular rows, groups held out: of the packaged rows."""
        return self._orders(left_out_order_of)

    @cached_property
    def stranger_order_by_source(self) -> dict[str, LayoutOrder]:
        """Over pairs of regular rows, their source held out whole: of the packaged rows."""
        return self._orders(stranger_order_of)

    def _orders(self, ordered: Callable[[Iterable[ValidationRow]], LayoutOrder]) -> dict[str, LayoutOrder]:
        orders = {
            source: ordered(row for row in self.rows if row.source == source and is_regular(row))
            for source in self.by_source
        }
        return {source: order for source, order in orders.items() if order.pairs}

    def headline(self) -> tuple[str, dict[str, str]]:
        """The file, how many of its rows were simulated, and how far off they are in the mean."""
        overall = self.overall
        simulated = {"simulated": f"{overall.simulated:,}"}
        if overall.mean_absolute is not None:
            simulated["mean absolute error"] = amount(overall.mean_absolute, "%")
        return f"{self.path}, {counted(overall.rows, 'row')}", simulated

    def table(self) -> list[dict[str, Any]]:
        """A row for every measured run."""
        return [_plain_row(row) for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim validate --json` prints."""
        from clustersim.version import __version__

        return {
            "rows": [_plain_row(row) for row in self.rows],
            "summary": {
                "overall": asdict(self.overall),
                "regular": asdict(self.regular),
                "by_table": _plain(self.by_table),
                "by_source": _plain(self.by_source),
                "by_stack": _plain(self.by_stack),
                "by_accelerator": _plain(self.by_accelerator),
                "by_group": _plain(self.by_group),
                "order": asdict(self.order),
                "order_by_source": _plain(self.order_by_source),
                "left_out_order": asdict(self.left_out_order),
                "left_out_order_by_source": _plain(self.left_out_order_by_source),
                "stranger_order_by_source": _plain(self.stranger_order_by_source),
                "memory": [asdict(summary) for summary in summarize_memory(self.memory)],
                "kernels": None if self.kernels is None else asdict(self.kernels),
            },
            "memory": [asdict(row) | {"error": row.error} for row in self.memory],
            "version": __version__,
        } | self._sometimes()

    def _sometimes(self) -> dict[str, Any]:
        """Parts that a document has only where there is something to say."""
        found = {} if self.comparison is None else {"predictions": self.comparison.to_dict()}
        return found if self.complete else found | {"complete": False}


def is_regular(row: ValidationRow) -> bool:
    """Whether the source states the row in full and nothing about it is odd."""
    return row.quality in ("", REGULAR)


def _plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(figure) for name, figure in figures.items()}


def _plain_row(row: ValidationRow) -> dict[str, Any]:
    document = asdict(row)
    del document["cells"]
    return document


def packaged_tables() -> tuple[Path, ...]:
    """The tables of measured runs that come with the package: a file for each time that runs were collected."""
    folder = Path(str(files("clustersim.catalog").joinpath("measured")))
    return tuple(sorted(folder.glob("measured_runs*.csv")))


def packaged_rows() -> Path:
    """The first of them."""
    return packaged_tables()[0]


def left_out_errors() -> dict[str, tuple[float, float]]:
    """predicted / measured - 1 of the packaged runs with their groups, and their sources, held out of the fits."""
    with packaged_rows().with_name("left_out.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["id"]: (math.expm1(-float(row["group_out"])), math.expm1(-float(row["source_out"])))
            for row in csv.DictReader(file)
        }


def validate(
    path: str | Path | None = None,
    *,
    predictions: str | Path | None = None,
    progress: Progress | None = None,
) -> ValidationReport:
    """Simulate every row of a file of the form of `measured_runs.csv`; without one, the packaged rows.

    Published memory and tables of kernels are predicted beside the packaged rows. `predictions`: another tool's, a CSV,
    that is scored on the same rows.
    A row that can't be simulated is refused with its reason. Ctrl-C ends it with the rows that are done, once there is
    one. Raises InputError when the file can't be read.
    """
    tables = packaged_tables() if path is None else (Path(path),)
    rows = [(table.stem, row) for table in tables for row in read_rows(table)]
    held_out = left_out_errors() if path is None else {}
    label = str(path or "the packaged measured runs")
    theirs = None if predictions is None else read_predictions(predictions, [text(row, "id") for _, row in rows])
    results: list[ValidationRow] = []
    memory: tuple[MemoryRow, ...] = ()
    kernels, complete = None, True
    try:
        for number, (table, row) in enumerate(rows, start=1):
            result = validate_row(row)
            group, source = held_out.get(result.id, (None, None))
            results.append(replace(result, table=table, left_out_error=group, stranger_error=source))
            if progress is not None:
                progress(number, len(rows))
        memory = validate_memory({text(row, "id"): row for _, row in rows}) if path is None else ()
        kernels = kernel_report() if path is None else None
    except KeyboardInterrupt:
        if not results:
            raise
        memory, kernels, complete = (), None, False
    comparison = None if theirs is None else compared(results, theirs, Path(str(predictions)).stem)
    return ValidationReport(label, tuple(results), memory, kernels, comparison, complete)


def validate_row(row: CsvRow) -> ValidationRow:
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
        cells=row,
    )
    try:
        blank = replace(blank, work=work_per_device(row))
        run = measured_run(row)
        scenario = load_scenario(run.mapping)
        step = simulate_step(scenario)
        blank = replace(blank, shortage=explained_shortage(row, scenario, step.memory))
    except InputError as error:
        return replace(blank, reason="; ".join(str(problem).strip() for problem in error.problems))
    except ClustersimError as error:
        return replace(blank, reason=str(error))
    return _simulated(blank, step, run)


def _simulated(blank: ValidationRow, step: StepResult, run: MeasuredRun) -> ValidationRow:
    measured, predicted = run.measured_step_time_s, step.step_time_s
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
        stack_as_run=run.stack_as_run,
        notes=run.notes,
    )
