"""Residuals against what was run: a trend in one of them is physics that is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clustersim.inputs.amounts import counted
from clustersim.studies.validation.summaries import ValidationRow, known
from clustersim.studies.validation.validation import ValidationReport
from clustersim.views.drawing import GREY, looks, panels, plain_numbers
from clustersim.views.words import source_name

INPUTS = {
    "n_devices": "devices",
    "hidden": "hidden size",
    "layers": "layers",
    "seq_len": "sequence length",
    "global_batch_seqs": "global batch (sequences)",
    "micro_batch": "micro-batch",
    "tp": "tensor parallel",
    "pp": "pipeline parallel",
    "dp": "data parallel",
}
COLUMNS = 3
LIMIT = 40.0  # percent: what lies beyond is an arrow at the edge
FEWEST_TO_JOIN = 5  # rows at one value, for their median to be drawn


def draw_residuals(report: ValidationReport) -> Figure:
    """predicted / measured - 1 of every row against each input, with the median at each value."""
    told = [row for row, _, _ in known(report.rows)]
    sources = sorted({row.source for row in told})
    lines = -(-len(INPUTS) // COLUMNS)
    with panels(11.0, 3.1 * lines + 0.07 * len(sources), lines, COLUMNS) as (figure, all_axes):
        for axes, (column, label) in zip(all_axes, INPUTS.items(), strict=False):
            _panel(axes, told, sources, column, label)
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7.5)
        beyond = sum(abs(_error(row)) > LIMIT for row in told)
        title = f"Errors of {counted(len(told), 'row')} against what was run"
        cut = f"; {counted(beyond, 'row')} beyond {LIMIT:.0f} % as arrows at the edge" if beyond else ""
        figure.suptitle(f"{title}{cut}. Lines: medians", fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure


def _panel(axes: Axes, rows: Sequence[ValidationRow], sources: Sequence[str], column: str, label: str) -> None:
    points = [(row.source, value, row) for row in rows if (value := _number(row, column)) > 0.0]
    axes.axhline(0.0, color=GREY, linewidth=1.0)
    look = looks(sources)
    for source in sources:
        own = [(value, _error(row)) for name, value, row in points if name == source]
        inside = [(value, error) for value, error in own if abs(error) <= LIMIT]
        style: dict[str, Any] = {"linestyle": "none", "markeredgecolor": look[source].colour, "alpha": 0.6}
        axes.plot(
            [value for value, _ in inside],
            [error for _, error in inside],
            marker=look[source].marker,
            markersize=3.0,
            markerfacecolor="none",
            label=source_name(source),
            **style,
        )
        for arrow, edge in (("^", LIMIT), ("v", -LIMIT)):
            beyond = [value for value, error in own if error * edge > LIMIT * LIMIT]
            axes.plot(beyond, [0.97 * edge] * len(beyond), marker=arrow, markersize=4.0, **style)
    values = sorted({value for _, value, _ in points})
    at_value = [(value, [_error(row) for _, other, row in points if other == value]) for value in values]
    joined = [(value, float(np.median(errors))) for value, errors in at_value if len(errors) >= FEWEST_TO_JOIN]
    axes.plot([value for value, _ in joined], [middle for _, middle in joined], color="black", linewidth=1.2)
    axes.set_xscale("log", base=2)
    axes.set_ylim(-LIMIT, LIMIT)
    axes.set_xlabel(label)
    axes.set_ylabel("error (%)")
    plain_numbers(axes.xaxis)


def _number(row: ValidationRow, column: str) -> float:
    try:
        return float(row.cells.get(column) or 0.0)
    except ValueError:
        return 0.0


def _error(row: ValidationRow) -> float:
    """In percent."""
    return 100.0 * (row.error or 0.0)
