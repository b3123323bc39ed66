"""Figures: utilization curves, predicted against measured, and where the time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clustersim.errors import InputError, Problem
from clustersim.inputs.sweep import FigureSpec
from clustersim.studies.published import PublishedSeries, published_series
from clustersim.views.breakdown_plot import BREAKDOWN, draw_breakdown
from clustersim.views.columns import Column, column_of
from clustersim.views.curves import Curves, Line, Rows, curves_of
from clustersim.views.drawing import (
    GREY,
    LONGEST_NAME,
    MARKERS,
    Look,
    canvas,
    from_zero,
    label_axis,
    logarithmic,
    looks,
    tick_name,
)


def draw(rows: Rows, keys: Sequence[str], spec: FigureSpec) -> Figure:
    """The figure that `spec` asks for: curves, or with y = breakdown where the time goes. Raises InputError."""
    if spec.y == BREAKDOWN:
        return draw_breakdown(rows, keys, spec)
    return draw_curves(rows, keys, spec)


PUBLISHED_AGAINST = (("devices", "mfu"), ("devices", "mfu_causal"))
DODGE = 0.12  # of the distance between two names, from one group to the next


def draw_curves(rows: Rows, keys: Sequence[str], spec: FigureSpec) -> Figure:
    """Any column against any other, a line a group, with 80 % intervals and published points where there are any.

    Raises InputError for what cannot be drawn; see `curves_of`.
    """
    curves = curves_of(rows, keys, spec)
    if spec.published and (spec.x, spec.y) not in PUBLISHED_AGAINST:
        raise InputError(
            "plot", [Problem("published MFU goes with x = devices and y = mfu or mfu_causal", "published")]
        )
    published = published_series(spec.published)
    across = column_of(spec.x, [row.get(spec.x) for row in rows])
    up = column_of(spec.y, [row.get(spec.y) for row in rows])
    along = 1.0 if curves.categories else across.scale
    lines, misfits = (tuple(line.scaled(along, up.scale) for line in found) for found in (curves.lines, curves.misfits))
    curves = replace(curves, lines=lines, misfits=misfits)
    look = looks({line.label for line in (*lines, *misfits)})
    with canvas() as (figure, axes):
        for number, line in enumerate(curves.lines):
            named = f"{line.label or spec.y} (simulated)" if published else line.label
            if curves.categories:
                _draw_dots(axes, line, look[line.label], named, _aside(curves, number))
            else:
                _draw_line(axes, line, look[line.label], named)
        _ring_above(axes, curves)
        _mark_absent(axes, curves, look, spec.y, up)
        for number, series in enumerate(published):
            _draw_published(axes, series, curves, look, number)
        _scale_x(axes, spec, curves, across, published)
        heights = _heights(curves, published)
        if spec.log_y and min(heights) > 0:
            logarithmic(axes, "y", heights)
        else:
            from_zero(axes, most=max(heights))
        label_axis(axes, "y", up)
        axes.set_title(spec.title or _title(curves, across, up))
        if len(axes.get_legend_handles_labels()[1]) > 1:
            _legend(figure, axes, curves)
    return figure


def _title(curves: Curves, across: Column, up: Column) -> str:
    """MFU, full attention, against devices; of what, where there is one line."""
    said = f"{up.label.split(' (')[0]} against {across.label.split(' (')[0]}"
    alone = f"{said}, {curves.lines[0].label}" if len(curves.lines) == 1 and curves.lines[0].label else said
    title = alone if len(alone) <= LONGEST_NAME else said
    return title[:1].upper() + title[1:]


def _mark_absent(axes: Axes, curves: Curves, look: Mapping[str, Look], y: str, column: Column) -> None:
    """Points that don't fit in memory as crosses; lines without a value in the legend alone, so that none vanishes."""
    for line in curves.misfits:
        label = f"{line.label or y}: doesn't fit in memory"
        axes.plot(line.x, line.y, color=look[line.label].colour, marker="x", linestyle="none", label=label, zorder=3)
    for label in curves.absent:
        axes.plot([], [], linestyle="none", label=f"{label}: no {column.label.split(' (')[0]}")


def _draw_line(axes: Axes, line: Line, look: Look, label: str) -> None:
    """A line with its interval as a band."""
    axes.plot(line.x, line.y, color=look.colour, marker=look.marker, linestyle=look.dashes, label=label, zorder=3)
    if line.low is not None and line.high is not None:
        axes.fill_between(line.x, line.low, line.high, color=look.colour, alpha=0.13, linewidth=0, zorder=1)


def _draw_dots(axes: Axes, line: Line, look: Look, label: str, aside: float) -> None:
    """Dots over names, a little aside of each other, with their intervals as bars."""
    x = [place + aside for place in line.x]
    axes.plot(x, line.y, color=look.colour, marker=look.marker, linestyle="none", label=label, zorder=3)
    if line.low is not None and line.high is not None:
        below = [y - low for y, low in zip(line.y, line.low, strict=True)]
        above = [high - y for y, high in zip(line.y, line.high, strict=True)]
        axes.errorbar(x, line.y, yerr=[below, above], fmt="none", ecolor=look.colour, capsize=3, zorder=2)


def _ring_above(axes: Axes, curves: Curves) -> None:
    """A ring around every point that no published run of its chip and kind of model reached."""
    points = [
        (line.x[place] + (_aside(curves, number) if curves.categories else 0.0), line.y[place])
        for number, line in enumerate(curves.lines)
        for place in line.above
    ]
    if points:
        x, y = zip(*points, strict=True)
        axes.plot(
            x,
            y,
            linestyle="none",
            marker="o",
            markersize=12,
            markerfacecolor="none",
            markeredgecolor=GREY,
            label="above every published run of its chip and kind",
            zorder=2.5,
        )


def _aside(curves: Curves, number: int) -> float:
    """How far a group's dots stand aside of the middle of a name."""
    return DODGE * (number - (len(curves.lines) - 1) / 2)


def _draw_published(axes: Axes, series: PublishedSeries, curves: Curves, look: Mapping[str, Look], number: int) -> None:
    """Hollow points in the colour of the line whose chip they were measured on."""
    named = [line.label for line in curves.lines if series.accelerator in line.label]
    colour = look[named[0]].colour if named else GREY
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
        axes.set_xticks(range(len(curves.categories)), [tick_name(name) for name in curves.categories])
        axes.set_xlim(-0.5, len(curves.categories) - 0.5)
        axes.set_xlabel(column.label)
        return
    values = [x for line in (*curves.lines, *curves.misfits) for x in line.x] + [
        x for series in published for x in series.devices
    ]
    log = spec.log_x if spec.log_x is not None else column.powers_of_two and max(values) >= 8 * min(values)
    if log and min(values) > 0:
        logarithmic(axes, "x", values, doubling=column.powers_of_two)
    label_axis(axes, "x", column)


def _heights(curves: Curves, published: Sequence[PublishedSeries]) -> list[float]:
    """Every y that is drawn, intervals included."""
    lines = (*curves.lines, *curves.misfits)
    drawn = [y for line in lines for values in (line.y, line.low or (), line.high or ()) for y in values]
    return [*drawn, *(mfu for series in published for mfu in series.mfu)]


def _legend(figure: Figure, axes: Axes, curves: Curves) -> None:
    """Under the figure, so that it never covers a point; it says what bands and bars are."""
    handles, labels = axes.get_legend_handles_labels()
    shape = "bars" if curves.categories else "bands"
    told = any(line.low is not None for line in curves.lines)
    title = f"{shape}: 80 % interval of the prediction" if told else None
    columns = 3 if len(labels) == 3 and max(map(len, labels)) < 28 else 2
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, title=title)
    legend.get_title().set_fontsize(8)
    legend.get_title().set_color(GREY)
