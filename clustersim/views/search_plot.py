"""MFU against memory of the layouts on the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clustersim.inputs.amounts import counted
from clustersim.inputs.units import GIB
from clustersim.simulation.results import RunResult
from clustersim.studies.layouts.search import SearchResult
from clustersim.studies.measured.above_published import above_published
from clustersim.views.columns import column_of
from clustersim.views.drawing import COLOURS, GREY, canvas, label_axis, name_figure
from clustersim.views.words import layout_words, percent

WIDE = 100  # characters of a line under the title
NAMED = 8  # layouts that are written out: their list lies below the front, where no point can be


def draw_search(found: SearchResult) -> Figure:
    """The front as points, leaner to the left; some numbered and written out; how much a device can use as a line."""
    with canvas(8.6, 4.8) as (figure, axes):
        front = sorted(found.front, key=lambda result: result.step.memory_bytes)
        held = [result.step.memory_bytes / GIB for result in front]
        reached = [result.step.mfu for result in front]
        axes.step(held, reached, where="post", color=COLOURS[0], linewidth=1.2, alpha=0.6)
        axes.plot(held, reached, linestyle="none", marker="o", color=COLOURS[0], label="Pareto front")
        _write_out(axes, front)
        usable = found.best[0].step.memory.usable_bytes / GIB
        axes.axvline(usable, color=COLOURS[1], linestyle="--", linewidth=1.0, label="usable a device")
        axes.set_xlim(0.0, usable * 1.1)
        axes.set_ylim(0.0, max(reached) * 1.2)
        label_axis(axes, "x", column_of("memory_bytes"))
        label_axis(axes, "y", column_of("mfu"))
        axes.legend(loc="upper left")
        scenario = found.best[0].step.scenario
        about = f"{scenario.training.precision}, {scenario.stack.name}; "
        about += f"{counted(found.candidates, 'layout')}, {found.feasible:,} may fit, {found.played:,} played"
        above = above_published(max(front, key=lambda result: result.step.mfu).step)
        if above is not None:
            about = "\n".join([about, *wrap(above.words, WIDE)])
        name_figure(axes, scenario.about, about)
    return figure


def _write_out(axes: Axes, front: Sequence[RunResult]) -> None:
    """Number layouts from the fastest to the leanest, evenly along the front, and list them."""
    named = [front[place] for place in np.unique(np.linspace(0, len(front) - 1, NAMED).round().astype(int))[::-1]]
    lines = []
    for number, result in enumerate(named, start=1):
        place = (result.step.memory_bytes / GIB, result.step.mfu)
        axes.annotate(str(number), place, (-3, 5), textcoords="offset points", ha="right", fontsize=8, color=GREY)
        lines.append(f"{number}   {percent(result.step.mfu)}   {layout_words(result.step.scenario.resolved_layout)}")
    box = {"facecolor": "white", "edgecolor": "none", "pad": 2.0}
    listed = axes.text(
        0.89, 0.03, "\n".join(lines), transform=axes.transAxes, ha="right", fontsize=7, color=GREY, bbox=box
    )
    listed.set_multialignment("left")
