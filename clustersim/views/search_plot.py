"""MFU against memory of the layouts on the Pareto front."""

from __future__ import annotations

from matplotlib.figure import Figure

from clustersim.studies.search import SearchResult
from clustersim.views.columns import column_of
from clustersim.views.drawing import COLOURS, GREY, canvas, label_axis, name_figure
from clustersim.views.run_table import headline
from clustersim.views.words import GIB, layout_words, percent

NAMED = 6  # layouts whose sizes are written beside them: more would overlap


def draw_search(found: SearchResult) -> Figure:
    """The front as points, leaner to the left; the best layouts named; how much a device can use as a line."""
    with canvas(8.6, 4.8) as (figure, axes):
        front = sorted(found.front, key=lambda result: result.step.memory_bytes)
        held = [result.step.memory_bytes / GIB for result in front]
        reached = [result.step.mfu for result in front]
        axes.step(held, reached, where="post", color=COLOURS[0], linewidth=1.2, alpha=0.6)
        axes.plot(held, reached, linestyle="none", marker="o", color=COLOURS[0], label="Pareto front")
        for number, result in enumerate(front[:: max(1, -(-len(front) // NAMED))]):
            place = (result.step.memory_bytes / GIB, result.step.mfu)
            words = f"{percent(result.step.mfu)}  {layout_words(result.step.scenario.plan)}"
            offset = (7, -11 if number % 2 else 5)
            axes.annotate(words, place, offset, textcoords="offset points", fontsize=6.5, color=GREY)
        usable = found.best[0].step.memory.usable_bytes / GIB
        axes.axvline(usable, color=COLOURS[1], linestyle="--", linewidth=1.0, label="usable a device")
        axes.set_xlim(0.0, usable * 1.35)
        axes.set_ylim(0.0, max(reached) * 1.15)
        label_axis(axes, "x", column_of("memory_bytes"))
        label_axis(axes, "y", column_of("mfu"))
        axes.legend(loc="lower right")
        about = f"{found.candidates:,} layouts, {found.feasible:,} may fit, {found.played:,} played"
        name_figure(axes, headline(found.best[0].step.scenario), about)
    return figure
