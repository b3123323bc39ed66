"""Figures: utilization curves, predicted against measured, and where the time goes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clustersim.inputs.sweep import FigureSpec
from clustersim.studies.published import PublishedSeries, published_series
from clustersim.views.columns import Column, column_of
from clustersim.views.curves import Curves, Line, Rows, curves_of
from clustersim.views.drawing import COLOURS, DASHES, GREY, MARKERS, canvas, from_zero, label_axis, powers_of_two


def draw_curves(rows: Rows, keys: Sequence[str], spec: FigureSpec) -> Figure:
    """Any column against any other, a line a group, with 80 % intervals and published points where there are any.

    Raises InputError for what cannot be drawn; see `curves_of`.
    """
    curves = curves_of(rows, keys, spec)
    published = published_series(spec.published)
    across = column_of(spec.x, [row.get(spec.x) for row in rows])
    up = column_of(spec.y, [row.get(spec.y) for row in rows])
    with canvas() as (figure, axes):
        for number, line in enumerate(curves.lines):
            named = f"{line.label or spec.y} (simulated)" if published else line.label
            _draw_line(axes, line, number, named, words=bool(curves.categories))
        for number, series in enumerate(published):
            _draw_published(axes, series, curves, number)
        _scale_x(axes, spec, curves, across, published)
        label_axis(axes, "y", up)
        if not up.percent and up.scale != 1.0:
            axes.yaxis.set_major_formatter(lambda value, _: f"{value * up.scale:,.6g}")
        from_zero(axes, most=_highest(curves, published))
        if spec.title:
            axes.set_title(spec.title)
        if len(curves.lines) > 1 or published:
            _legend(figure, axes, curves)
    return figure


def _draw_line(axes: Axes, line: Line, number: int, label: str, *, words: bool) -> None:
    colour = COLOURS[number]
    axes.plot(
        line.x,
        line.y,
        color=colour,
        marker=MARKERS[number],
        linestyle="none" if words else DASHES[number],
        label=label,
        zorder=3,
    )
    if line.low is None or line.high is None:
        return
    if words:
        reach = [
            [y - low for y, low in zip(line.y, line.low, strict=True)],
            [high - y for y, high in zip(line.y, line.high, strict=True)],
        ]
        axes.errorbar(line.x, line.y, yerr=reach, fmt="none", ecolor=colour, capsize=3, zorder=2)
    else:
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.13, linewidth=0, zorder=1)


def _draw_published(axes: Axes, series: PublishedSeries, curves: Curves, number: int) -> None:
    """Hollow points in the colour of the line whose chip they were measured on."""
    named = [position for position, line in enumerate(curves.lines) if series.accelerator in line.label]
    colour = COLOURS[named[0]] if named else GREY
    axes.plot(
        series.devices,
        series.mfu,
        color=colour,
        marker=MARKERS[(len(curves.lines) + number) % len(MARKERS)],
        markerfacecolor="white",
        markeredgewidth=1.3,
        linestyle="none",
        label=f"{series.label} (published)",
        zorder=4,
    )


def _scale_x(
    axes: Axes, spec: FigureSpec, curves: Curves, column: Column, published: Sequence[PublishedSeries]
) -> None:
    """Names where x is words; powers of two where x is a size that people double; else plain."""
    if curves.categories:
        axes.set_xticks(range(len(curves.categories)), curves.categories)
        axes.set_xlim(-0.5, len(curves.categories) - 0.5)
        axes.set_xlabel(column.label)
        return
    values = [x for line in curves.lines for x in line.x] + [x for series in published for x in series.devices]
    log = spec.log_x if spec.log_x is not None else column.powers_of_two and max(values) >= 8 * min(values)
    if log and min(values) > 0:
        powers_of_two(axes, values, column.scale)
    elif column.scale != 1.0:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value * column.scale:,.6g}")
    label_axis(axes, "x", column)


def _highest(curves: Curves, published: Sequence[PublishedSeries]) -> float:
    tops = [value for line in curves.lines for value in (*line.y, *(line.high or ()))]
    return max(*tops, *(value for series in published for value in series.mfu), 1e-12)


def _legend(figure: Figure, axes: Axes, curves: Curves) -> None:
    """Under the figure, so that it never covers a point; it says what the bands are."""
    handles, labels = axes.get_legend_handles_labels()
    bands = any(line.low is not None for line in curves.lines) and not curves.categories
    title = "bands: 80 % interval of the prediction" if bands else None
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=2, title=title)
    legend.get_title().set_fontsize(8)
    legend.get_title().set_color(GREY)
