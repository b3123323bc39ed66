"""The picture that answers "where did the rest go?": from peak FLOP/s down to the MFU, a bar a loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clustersim.inputs.units import format_quantity
from clustersim.simulation.inspect.waterfall import ADJUSTMENTS, Waterfall, WaterfallStep
from clustersim.views.breakdown_plot import PART_COLOURS
from clustersim.views.drawing import GREY, canvas, name_figure
from clustersim.views.words import PART_NAMES, percent

LOSSES = PART_NAMES | {
    "gemm": "matrix kernels below the peak",
    "attention": "attention kernels below the peak",
    "memory_bound": "memory-bound work",
    "precision": "precision with a lower peak",
    "masked_attention": "attention that is not counted",
    "uncounted": "products that are not counted",
}
GAINS = LOSSES | {
    "precision": "precision with a higher peak",
    "masked_attention": "masked attention, counted",
    "uncounted": "products counted, not executed",
}
TOTAL, GAIN = "#33414D", "#8CB369"  # of what stands on the ground; of what is added
HEIGHT = 0.27  # inches a bar
SMALL, NOTHING = 0.0015, 0.00005  # of the peak: smaller steps share a bar; are not told


class Rung(NamedTuple):
    """One bar: a total from 0, or a step from where the last one ended."""

    label: str
    start: float
    end: float
    colour: str
    words: str
    is_total: bool


def draw_waterfall(falls: Waterfall, *, title: str = "", about: str = "") -> Figure:
    """All steps from the peak to the MFU; `about` are lines under the title."""
    rungs = rungs_of(falls)
    with canvas(8.2, 1.15 + 0.2 * len(about.splitlines()) + HEIGHT * len(rungs)) as (figure, axes):
        _draw_rungs(axes, rungs)
        axes.set_yticks(range(len(rungs)), [rung.label for rung in rungs])
        axes.set_ylim(len(rungs) - 0.4, -0.6)
        axes.set_xlim(0.0, 1.16 * max(max(rung.start, rung.end) for rung in rungs))
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel(f"share of the dense 16-bit peak, {format_quantity(falls.base_flops, 'FLOP/s')} a device")
        name_figure(axes, title, about)
    return figure


def rungs_of(falls: Waterfall) -> list[Rung]:
    """The bars from top to bottom: the peak, what it loses, what was executed, how it is counted, the MFU."""
    at = 1.0
    rungs = [Rung("peak", 0.0, at, TOTAL, format_quantity(falls.base_flops, "FLOP/s"), True)]
    spent = [fall for fall in falls.falls if fall.name not in ADJUSTMENTS]
    counted = [fall for fall in falls.falls if fall.name in ADJUSTMENTS]
    for group, name, total in (
        (spent, "executed, mean device", falls.executed),
        (counted, "MFU, full attention", falls.mfu),
    ):
        for label, share, colour in _bars(group):
            rungs.append(Rung(label, at, at + share, colour, _signed(share), False))
            at += share
        words = f"{percent(total)}, {format_quantity(total * falls.base_flops, 'FLOP/s')}"
        rungs.append(Rung(name, 0.0, total, TOTAL, words, True))
        at = total
    return rungs


def _bars(falls: Sequence[WaterfallStep]) -> list[tuple[str, float, str]]:
    """(label, share, colour) of each step; those too small to see are one."""
    large = [fall for fall in falls if abs(fall.share) >= SMALL]
    small = [fall for fall in falls if 0.0 < abs(fall.share) < SMALL]
    together = sum(fall.share for fall in small)
    if len(small) == 1:
        large, small = [*large, *small], []
    bars = [(_label(fall), fall.share, _colour(fall)) for fall in large if abs(fall.share) >= NOTHING]
    if small and abs(together) >= NOTHING:
        bars.append((f"{len(small)} smaller ones", together, PART_COLOURS["other"]))
    return bars


def _label(fall: WaterfallStep) -> str:
    return step_name(fall.name, (fall.share,))


def step_name(name: str, shares: Sequence[float]) -> str:
    """What a step is called: a gain where it adds in all that is shown, else a loss."""
    return (GAINS if max(shares) > 0 and min(shares) >= 0 else LOSSES)[name]


def _colour(fall: WaterfallStep) -> str:
    return PART_COLOURS.get(fall.name, GAIN if fall.share > 0 else PART_COLOURS["imbalance"])


def _signed(share: float) -> str:
    return f"{'+' if share > 0 else '−'}{percent(abs(share), 1 if abs(share) >= 0.001 else 2)}"


def _draw_rungs(axes: Axes, rungs: Sequence[Rung]) -> None:
    for row, rung in enumerate(rungs):
        left, right = sorted((rung.start, rung.end))
        axes.barh(row, right - left, left=left, color=rung.colour, height=0.72, zorder=2)
        weight = "bold" if rung.is_total else "normal"
        axes.text(right, row, f"  {rung.words}", va="center", fontsize=8.5, fontweight=weight)
        if row + 1 < len(rungs):
            axes.plot([rung.end, rung.end], [row + 0.36, row + 0.64], color=GREY, linewidth=0.7, zorder=1)
