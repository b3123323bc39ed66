"""Figures of played runs: how long they take, what they lose to what, and one of them from beginning to end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from clustersim.inputs.amounts import counted
from clustersim.inputs.units import SECONDS_A_DAY
from clustersim.simulation.results import RunResult
from clustersim.simulation.run_clock.ledger import Span
from clustersim.simulation.run_clock.play import PlayedRun
from clustersim.simulation.run_clock.runs import PlayedRuns
from clustersim.views.drawing import COLOURS, GREY, canvas
from clustersim.views.losses_table import cause_words
from clustersim.views.words import percent, significant

MOST_CAUSES = 10  # of the waterfall; the rest is one bar
ZOOM_DAYS = 0.5  # of the timeline's close-up
STATES = {  # colours of what a job does while it doesn't train
    "detection": "#E69F00",
    "diagnosis": "#D55E00",
    "manual": "#8C3B6A",
    "waiting": "#CC79A7",
    "restart": "#56B4E9",
    "loading": "#009E73",
    "saving": "#004D66",
    "stopped": "#7F7F7F",
}


def run_figures(result: RunResult, told: PlayedRun) -> dict[str, Figure]:
    """Figures by the name of their file: those of many runs where they were played, and the timeline of one."""
    many = (
        {} if result.runs is None else {"training_days": draw_days(result.runs), "lost_time": draw_losses(result.runs)}
    )
    return many | {"timeline": draw_timeline(told)}


def draw_days(runs: PlayedRuns) -> Figure:
    """The distribution of training days over the seeds, beside the undisturbed time."""
    days = [run.wall_s / SECONDS_A_DAY for run in runs.runs]
    ideal = runs.runs[0].work_s / SECONDS_A_DAY
    with canvas() as (figure, axes):
        bins = max(5, math.ceil(2.0 * len(days) ** (1.0 / 3.0)))
        axes.hist(days, bins=bins, color=COLOURS[0], alpha=0.75, edgecolor="white", label=f"{len(days)} played runs")
        mean = runs.wall_s / SECONDS_A_DAY
        axes.axvline(
            mean, color=COLOURS[1], label=f"mean, {significant(mean, 4)} days (goodput {percent(runs.goodput)})"
        )
        axes.axvline(ideal, color=GREY, linestyle="--", label=f"undisturbed, {significant(ideal, 4)} days")
        axes.set_xlabel("training time (days)")
        axes.set_ylabel("runs")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_losses(runs: PlayedRuns) -> Figure:
    """From the undisturbed time to the training time, cause by cause."""
    lost = [(cause_words(cause), sum(phases.values()) / SECONDS_A_DAY) for cause, phases in runs.lost().items()]
    if len(lost) > MOST_CAUSES:
        lost = [*lost[: MOST_CAUSES - 1], ("other", sum(days for _, days in lost[MOST_CAUSES - 1 :]))]
    ideal, total = runs.runs[0].work_s / SECONDS_A_DAY, runs.wall_s / SECONDS_A_DAY
    names = ["undisturbed", *(name for name, _ in lost), "training time"]
    starts, at = [0.0], ideal
    for _, days in lost:
        starts.append(at)
        at += days
    widths = [ideal, *(days for _, days in lost), total]
    colours = [COLOURS[0], *[COLOURS[1]] * len(lost), COLOURS[0]]
    with canvas(7.2, 1.3 + 0.3 * len(names)) as (figure, axes):
        axes.barh(names, widths, left=[*starts, 0.0], color=colours, height=0.7)
        for place, (start, width) in enumerate(zip([*starts, 0.0], widths, strict=True)):
            share = "" if place in (0, len(names) - 1) else f" ({percent(width / total)})"
            axes.text(start + width, place, f" {significant(width)} d{share}", va="center", fontsize=8)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        low = max(0.0, ideal - 1.2 * (total - ideal)) if total > ideal else 0.0
        axes.set_xlim(low, total + 0.18 * (total - low))
        axes.set_xlabel(f"days{'' if low == 0.0 else f' (the axis begins at {significant(low)})'}")
        axes.set_title(f"Goodput {percent(runs.goodput)}, mean of {counted(len(runs.runs), 'run')}")
    return figure


def draw_timeline(run: PlayedRun) -> Figure:
    """Progress over the whole run, and its most eventful half day from close."""
    with canvas(7.6, 6.2) as (figure, axes):
        axes.remove()
        above, below = figure.subplots(2, 1, height_ratios=(1.0, 1.1))
        _whole(above, run)
        start = _busiest(run.timeline, ZOOM_DAYS * SECONDS_A_DAY)
        shown = _close_up(below, run, start, min(run.wall_s, start + ZOOM_DAYS * SECONDS_A_DAY))
        handles = [Patch(color=colour, label=state) for state, colour in STATES.items() if state in shown]
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _whole(axes: Axes, run: PlayedRun) -> None:
    """Work done against days, with the undisturbed run."""
    days, share = [0.0], [0.0]
    for span in run.timeline:
        days.append(span.end / SECONDS_A_DAY)
        share.append(span.work / run.work_s)
    ideal = run.work_s / SECONDS_A_DAY
    axes.plot([0.0, ideal], [0.0, 1.0], color=GREY, linestyle="--", linewidth=1.2, label="undisturbed")
    label = f"seed {run.seed}: {sum(run.interruptions.values()):,} interruptions, goodput {percent(run.goodput)}"
    axes.plot(days, share, color=COLOURS[0], linewidth=1.4, label=label)
    axes.set_xlabel("days")
    axes.set_ylabel("tokens trained")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlim(0.0, run.wall_s / SECONDS_A_DAY)
    axes.set_ylim(0.0, 1.02)
    axes.legend(loc="upper left")


def _close_up(axes: Axes, run: PlayedRun, start: float, end: float) -> set[str]:
    """Hours of undisturbed training done against the clock, with what the job does while it stands; its states."""
    hours: list[float] = []
    work: list[float] = []
    states = set()
    for before, span in pairwise((Span(0.0, 0.0, "training", "", 0.0), *run.timeline)):
        if span.end <= start or span.start >= end:
            continue
        states.add(span.state)
        left, right = max(start, span.start), min(end, span.end)
        if span.state == "training":
            rise = (span.work - before.work) / (span.end - span.start)
            work += [before.work + rise * (left - span.start), before.work + rise * (right - span.start)]
        else:  # what was lost is lost at once
            work += [span.work, span.work]
            axes.axvspan((left - start) / 3600.0, (right - start) / 3600.0, color=STATES[span.state], linewidth=0)
        hours += [(left - start) / 3600.0, (right - start) / 3600.0]
    axes.plot(hours, [(done - work[0]) / 3600.0 for done in work], color="black", linewidth=1.5)
    axes.set_xlim(0.0, (end - start) / 3600.0)
    axes.set_xlabel(f"hours from day {start / SECONDS_A_DAY:,.1f} on, where outages are densest")
    axes.set_ylabel("undisturbed hours done")
    return states


def _busiest(spans: Sequence[Span], length: float) -> float:
    """Where a window of this length begins that holds most outages, by counting from each outage's begin."""
    begins = [span.start for before, span in pairwise(spans) if before.state == "training" != span.state]
    best, most, first = 0.0, 0, 0
    for last, begin in enumerate(begins):
        while begin - begins[first] > 0.9 * length:
            first += 1
        if last - first + 1 > most:
            best, most = begins[first], last - first + 1
    return max(0.0, best - 0.05 * length)
