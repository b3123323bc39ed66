"""Predicted against measured step times, by source."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from clustersim.inputs.amounts import counted
from clustersim.studies.validation.summaries import ValidationRow
from clustersim.studies.validation.validation import ValidationReport
from clustersim.views.drawing import COLOURS, GREY, MARKERS, canvas, plain_numbers
from clustersim.views.words import percent


def draw_parity(report: ValidationReport) -> Figure:
    """Every simulated row as a point, logarithmic both ways; the line of equality with 10 % on either side."""
    with canvas(9.2, 6.0) as (figure, axes):
        axes.set_xscale("log")
        axes.set_yscale("log")
        pairs = [(row.measured_step_time_s, row.predicted_step_time_s) for row in report.rows if row.error is not None]
        span = [value for pair in pairs for value in pair if value is not None] or [1.0, 10.0]
        ends = np.array([min(span) / 1.4, max(span) * 1.4])
        axes.fill_between(ends, ends * 0.9, ends * 1.1, color=GREY, alpha=0.15, linewidth=0, label="within 10 %")
        axes.plot(ends, ends, color=GREY, linewidth=1.0)
        for number, (source, summary) in enumerate(sorted(report.by_source.items())):
            points = [point for point in map(_point, report.rows) if point is not None and point[2] == source]
            if not points or summary.mean_absolute is None:
                continue
            axes.plot(
                [measured for measured, _, _ in points],
                [predicted for _, predicted, _ in points],
                linestyle="none",
                marker=MARKERS[(number + number // len(MARKERS)) % len(MARKERS)],
                markersize=4.5,
                markerfacecolor="none",
                markeredgecolor=COLOURS[number % len(COLOURS)],
                markeredgewidth=1.0,
                alpha=0.8,
                label=f"{source}\n{percent(summary.mean_absolute)} mean error, {counted(len(points), 'row')}",
            )
        axes.set_xlim(*ends)
        axes.set_ylim(*ends)
        axes.set_aspect("equal")
        axes.set_xlabel("measured step time (s)")
        axes.set_ylabel("predicted step time (s)")
        for axis in (axes.xaxis, axes.yaxis):
            plain_numbers(axis)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return figure


def _point(row: ValidationRow) -> tuple[float, float, str] | None:
    if row.measured_step_time_s is None or row.predicted_step_time_s is None:
        return None
    return row.measured_step_time_s, row.predicted_step_time_s, row.source
