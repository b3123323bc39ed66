"""Predicted against measured step times, by source."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from clustersim.inputs.amounts import counted
from clustersim.studies.validation.validation import ValidationReport
from clustersim.views.drawing import GREY, canvas, looks, name_figure, plain_numbers
from clustersim.views.words import percent, source_name


def draw_parity(report: ValidationReport) -> Figure:
    """Every simulated row as a point, logarithmic both ways; the line of equality with 10 % on either side."""
    with canvas(11.4, max(5.6, 1.2 + 0.19 * len(report.by_source))) as (figure, axes):
        axes.set_xscale("log")
        axes.set_yscale("log")
        pairs = [(row.measured_step_time_s, row.predicted_step_time_s) for row in report.rows if row.error is not None]
        span = [value for pair in pairs for value in pair if value is not None] or [1.0, 10.0]
        ends = np.array([min(span) / 1.4, max(span) * 1.4])
        axes.fill_between(ends, ends * 0.9, ends * 1.1, color=GREY, alpha=0.15, linewidth=0, label="within 10 %")
        axes.plot(ends, ends, color=GREY, linewidth=1.0)
        drawn = {source: own for source in sorted(report.by_source) if (own := _points(report, source))}
        look = looks(drawn)
        for source, points in drawn.items():
            mean = report.by_source[source].mean_absolute or 0.0
            axes.plot(
                [measured for measured, _ in points],
                [predicted for _, predicted in points],
                linestyle="none",
                marker=look[source].marker,
                markersize=4.5,
                markerfacecolor="none",
                markeredgecolor=look[source].colour,
                markeredgewidth=1.0,
                alpha=0.8,
                label=f"{source_name(source)}: {percent(mean)}, {counted(len(points), 'row')}",
            )
        axes.set_xlim(*ends)
        axes.set_ylim(*ends)
        axes.set_aspect("equal")
        axes.set_xlabel("measured step time (s)")
        axes.set_ylabel("predicted step time (s)")
        for axis in (axes.xaxis, axes.yaxis):
            plain_numbers(axis)
        overall = report.overall
        about = f"{counted(overall.simulated, 'row')} of {report.path}"
        if overall.mean_absolute is not None:
            about += f"; mean error {percent(overall.mean_absolute)}"
        name_figure(axes, "Predicted against measured step time", about)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", title="source: mean error, rows")
    return figure


def _points(report: ValidationReport, source: str) -> list[tuple[float, float]]:
    """(measured, predicted) seconds of a source's rows."""
    return [
        (row.measured_step_time_s, row.predicted_step_time_s)
        for row in report.rows
        if row.source == source and row.measured_step_time_s and row.predicted_step_time_s is not None
    ]
