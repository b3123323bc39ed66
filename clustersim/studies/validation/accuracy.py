"""Figures of the accuracy page beyond the report's own: sources held out whole, and the weakest kind of rows."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean

from clustersim.studies.validation.summaries import ValidationRow
from clustersim.studies.validation.validation import ValidationReport, packaged_rows


@dataclass(frozen=True)
class Unseen:
    """Errors over a source whose rows no fit had seen."""

    rows: int
    mean_absolute: float
    bias: float


@dataclass(frozen=True)
class Checks:
    """What the page says beyond the report."""

    unseen: Mapping[str, Unseen]  # by source
    ascend_experts: float | None  # mean absolute error, groups held out


def accuracy_checks(report: ValidationReport) -> Checks:
    """From the packaged residuals with sources held out, and the report's rows."""
    errors: dict[str, list[float]] = defaultdict(list)
    with packaged_rows().with_name("left_out.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            errors[row["source"]].append(math.expm1(-float(row["source_out"])))
    unseen = {
        source: Unseen(len(missed), mean(map(abs, missed)), mean(missed)) for source, missed in sorted(errors.items())
    }
    experts = [abs(row.left_out_error) for row in report.rows if _has_experts_on_ascend(row) and row.left_out_error]
    return Checks(unseen, mean(experts) if experts else None)


def _has_experts_on_ascend(row: ValidationRow) -> bool:
    return row.accelerator.startswith("ascend") and float(row.cells.get("n_experts") or 0.0) > 1.0
