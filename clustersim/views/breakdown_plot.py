"""Where the time of each point goes: bars of the step, cut into its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from clustersim.errors import InputError, Problem
from clustersim.inputs.sweep import FigureSpec
from clustersim.simulation.results import BREAKDOWN_PARTS
from clustersim.views.columns import Cell
from clustersim.views.curves import Rows, groups_of, label_of, picked, places_of
from clustersim.views.drawing import canvas, tick_name
from clustersim.views.words import PART_NAMES

BREAKDOWN = "breakdown"  # as `y` of a figure
MOST_BARS = 40
LEAST_SHARE = 0.005  # parts that are smaller in every bar are added to `other`
# Work in blues and greens, communication in warm colours, waiting in greys.
PART_COLOURS = {
    "gemm": "#0072B2",
    "attention": "#56B4E9",
    "memory_bound": "#009E73",
    "recompute": "#8FD3BE",
    "optimizer": "#004D66",
    "tensor_comm": "#D55E00",
    "expert_comm": "#E69F00",
    "context_comm": "#F5C97A",
    "data_comm": "#CC79A7",
    "pipeline_comm": "#8C3B6A",
    "bubble": "#BDBDBD",
    "stage_wait": "#A3A3A3",
    "imbalance": "#8A8A8A",
    "host": "#5A5A5A",
    "other": "#E3E3E3",
}


def draw_breakdown(rows: Rows, keys: Sequence[str], spec: FigureSpec) -> Figure:
    """A bar a point, named after `x` and what tells the points apart.

    Raises InputError as `curves_of`, and for more points than bars can be read.
    """
    drawn = picked(rows, spec.x, "step_time_s", spec.where)
    if len(drawn) > MOST_BARS:
        raise InputError("plot", [Problem(f"{len(drawn)} bars ({MOST_BARS} at most): choose with --where", "rows")])
    places, _ = places_of(spec.x, drawn)
    by = (spec.by,) if spec.by else groups_of(drawn, places, keys, spec)
    names = [", ".join(filter(None, (label_of(row, by), label_of(row, (spec.x,))))) for row in drawn]
    shares = _shares(drawn)
    with canvas(7.6, 1.6 + 0.3 * len(drawn)) as (figure, axes):
        bars = range(len(drawn))
        left = [0.0] * len(drawn)
        for part, widths in shares.items():
            axes.barh(bars, widths, left=left, color=PART_COLOURS[part], label=PART_NAMES[part], height=0.72)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axes.set_yticks(bars, [tick_name(name) for name in names])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0.0, 1.0)
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel("share of the step, of the mean device")
        if spec.title:
            axes.set_title(spec.title)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _shares(rows: Sequence[Mapping[str, Cell]]) -> dict[str, list[float]]:
    """Parts of the step, bar by bar, the small ones added to `other`; each bar sums to 1."""
    shares = {part: [float(row.get(f"breakdown_{part}") or 0.0) for row in rows] for part in BREAKDOWN_PARTS}
    small = [part for part, widths in shares.items() if part != "other" and max(widths) < LEAST_SHARE]
    for part in small:
        widths = shares.pop(part)
        shares["other"] = [before + more for before, more in zip(shares["other"], widths, strict=True)]
    return shares
