"""Pictures of a claim: what can be had beside what is claimed, what moves it most, and where the peak went."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clustersim.inert import inert
from clustersim.inputs.amounts import amount
from clustersim.studies.claims.requirements import Requirement
from clustersim.studies.claims.sensitivity import Swing
from clustersim.studies.claims.verdicts import ClaimedFigure
from clustersim.views.drawing import COLOURS, GREY, canvas, name_figure
from clustersim.views.waterfall_plot import draw_waterfall

BINS = 60
CLAIMED, RECORD, BOUND = COLOURS[1], COLOURS[2], COLOURS[6]
MOST_SWINGS = 10
EDGE = 0.08  # of the axis, left free around what is marked
FAR = 4.0  # a mark that lies so many times past everything else stands at the edge


def draw_distribution(boast: ClaimedFigure, title: str) -> Figure:
    """The draws of what is attainable, with the claim, the best published run and the bound marked."""
    drawn = boast.within
    marks = [("claimed", boast.claimed, CLAIMED, "-")]
    if boast.record is not None:
        kind = f"best published, {boast.apart}" if boast.apart else "best published"
        marks.append((kind, boast.record, RECORD, "--"))
    if np.isfinite(boast.bound):
        counted = ", counting more than 16-bit units execute" if boast.unit == "%" and boast.bound > 1.0 else ""
        marks.append((f"no step passes{counted}", boast.bound, BOUND, ":"))
    low, high = _range(drawn, [value for _, value, *_ in marks])
    with canvas(7.6, 3.1) as (figure, axes):
        edges = np.linspace(low, high, BINS + 1).tolist()
        axes.hist(drawn, bins=edges, color=COLOURS[0], alpha=0.75, weights=np.full(len(drawn), 1 / len(drawn)))
        for name, value, colour, dash in marks:
            place = min(max(value, low), high)
            where = "" if place == value else ", beyond this axis"
            axes.axvline(place, color=colour, linestyle=dash, linewidth=2.2)
            axes.plot([], [], color=colour, linestyle=dash, label=f"{name}: {amount(value, boast.unit)}{where}")
        axes.set_xlim(low, high)
        axes.xaxis.set_major_formatter(lambda value, _: amount(max(value, 0.0), boast.unit) if value > 0 else "0")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="x", labelsize=8.5)
        axes.set_yticks([])
        axes.set_ylabel("share of the draws")
        axes.grid(visible=False)
        figure.legend(loc="outside lower center", ncols=2)
        middle = amount(boast.best, boast.unit)
        name_figure(axes, title, f"blue: what can be had in {len(drawn):,} draws, {middle} at the middle")
    return figure


def _range(drawn: np.ndarray, marks: Sequence[float]) -> tuple[float, float]:
    """Ends of the axis: the draws and all marks that aren't far away from them."""
    least, most = float(drawn.min()), float(drawn.max())
    near = [mark for mark in marks if least / FAR <= mark <= most * FAR]
    low, high = min([least, *near]), max([most, *near])
    room = EDGE * (high - low or high or 1.0)
    return max(0.0, low - room), high + room


def draw_tornado(swings: Sequence[Swing], unit: str, title: str) -> Figure:
    """A bar an unknown, from what is attainable at one end of it to what is at the other."""
    shown = swings[:MOST_SWINGS]
    with canvas(7.6, 1.3 + 0.42 * len(shown)) as (figure, axes):
        low, high = min(swing.low for swing in shown), max(swing.high for swing in shown)
        room = 0.32 * (high - low or high)
        for row, swing in enumerate(shown):
            axes.barh(row, swing.width, left=swing.low, color=COLOURS[0], height=0.62)
            axes.text(swing.low, row, f"{_short(swing.low_at)}  ", ha="right", va="center", fontsize=8, color=GREY)
            axes.text(swing.high, row, f"  {_short(swing.high_at)}", ha="left", va="center", fontsize=8, color=GREY)
        axes.set_yticks(range(len(shown)), [_short(swing.unknown, 34) for swing in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlim(max(0.0, low - room), high + room)
        axes.xaxis.set_major_formatter(lambda value, _: amount(value, unit) if value > 0 else "0")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="x", labelsize=8.5)
        axes.grid(visible=False, axis="y")
        name_figure(axes, title, "what is attainable at either end of each unknown (mean)")
    return figure


def draw_needed_waterfall(asked: Requirement, title: str) -> Figure:
    """From the peak down to the MFU of the best layout, with the MFU that the claim means."""
    figure = draw_waterfall(asked.falls, title=title)
    axes = figure.axes[0]
    for words in axes.texts:  # the claimed line passes behind them
        words.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    if asked.claimed_mfu <= axes.get_xlim()[1]:
        axes.axvline(asked.claimed_mfu, color=CLAIMED, linewidth=2.2, zorder=0.5)
        axes.plot([], [], color=CLAIMED, linewidth=2.2, label=f"claimed: {amount(asked.claimed_mfu, '%')}")
        axes.legend(loc="lower right", fontsize=8.5, frameon=True)
    return figure


def _short(words: str, most: int = 26) -> str:
    """Words of a claim's file, cut."""
    return inert(words if len(words) <= most else f"{words[: most - 3]}...")
