"""Figures of played runs: how long they take, what they lose to what, and one of them from beginning to end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clustersim.inputs.amounts import counted
from clustersim.inputs.units import SECONDS_A_DAY, SECONDS_AN_HOUR
from clustersim.simulation.results import RunResult
from clustersim.simulation.run_clock.ledger import Span
from clustersim.simulation.run_clock.play import PlayedRun
from clustersim.simulation.run_clock.runs import PlayedRuns, quantile
from clustersim.views.drawing import COLOURS, GREY, canvas, name_figure
from clustersim.views.losses_table import cause_words
from clustersim.views.words import percent, significant

MOST_CAUSES = 10  # with a bar of their own; the rest is one bar
ZOOM_DAYS = 0.5  # of the timeline's close-up
FAR = 2.5  # undisturbed time so many widths of the runs away from them is told, not drawn
THINNEST = 1.6  # points that a phase of the close-up is wide at least
STATES = {  # colours of what a job does while it doesn't train, and of what else is lost
    "detection": "#E69F00",
    "diagnosis": "#D55E00",
    "manual": "#8C3B6A",
    "waiting": "#CC79A7",
    "restart": "#56B4E9",
    "loading": "#009E73",
    "saving": "#004D66",
    "stopped": "#7F7F7F",
    "redone": "#0072B2",
    "blocking": "#8FD3BE",
    "slower": "#B8A1D9",
}
OTHER = "#BDBDBD"  # of a phase that has no colour of its own
WORDS = {"redone": "work done again", "blocking": "saving, training waits", "slower": "slower steps"}


def run_figures(result: RunResult, told: PlayedRun) -> dict[str, Figure]:
    """Figures by the name of their file: those of many runs where they were played, and the timeline of one."""
    about = result.step.scenario.about
    figures = {}
    if result.runs is not None:
        figures = {"training_days": draw_days(result.runs, about), "lost_time": draw_losses(result.runs, about)}
    return figures | {"timeline": draw_timeline(told, about)}


def draw_days(runs: PlayedRuns, about: str = "") -> Figure:
    """The distribution of training days over the seeds: every run a tick, with the mean and the 80 % interval."""
    days = sorted(run.wall_s / SECONDS_A_DAY for run in runs.runs)
    ideal, mean = runs.runs[0].work_s / SECONDS_A_DAY, runs.wall_s / SECONDS_A_DAY
    low, high = quantile(days, 0.1), quantile(days, 0.9)
    with canvas(7.2, 4.0) as (figure, axes):
        edges = _round_edges(days)
        axes.hist(days, bins=edges, color=COLOURS[0], alpha=0.75, edgecolor="white", label=counted(len(days), "run"))
        axes.plot(days, [0.0] * len(days), linestyle="none", marker="|", markersize=9, color="black", clip_on=False)
        axes.axvspan(low, high, color=COLOURS[0], alpha=0.12, linewidth=0, zorder=0,
                     label=f"80 % of them: {significant(low, 4)} to {significant(high, 4)} days")  # fmt: skip
        axes.axvline(mean, color=COLOURS[1], label=f"mean: {significant(mean, 4)} days")
        near = days[0] - ideal <= FAR * (edges[-1] - edges[0])
        if near:
            axes.axvline(ideal, color=GREY, linestyle="--", label=f"undisturbed: {significant(ideal, 4)} days")
        else:
            label = f"undisturbed: {significant(ideal, 4)} days, left of this axis"
            axes.plot([], [], color=GREY, linestyle="--", label=label)
        axes.set_xlabel("training time (days)")
        axes.set_ylabel("runs")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(0.0, 1.08 * axes.dataLim.ymax)
        title = f"Training time of {counted(len(days), 'played run')}, goodput {percent(runs.goodput)}"
        name_figure(axes, title, about)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _round_edges(days: Sequence[float]) -> list[float]:
    """Bins of a round width: about twice the cube root of the runs (Rice's rule) of them."""
    spread = days[-1] - days[0] or 1e-3 * days[0] or 1.0
    rough = spread / max(5, math.ceil(2.0 * len(days) ** (1.0 / 3.0)))
    ten = 10.0 ** math.floor(math.log10(rough))
    width = next(step * ten for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * ten >= rough)
    first, last = math.floor(days[0] / width), math.floor(days[-1] / width) + 1
    return [width * number for number in range(first, last + 1)]


def draw_losses(runs: PlayedRuns, about: str = "") -> Figure:
    """What is lost to each cause, from 0 on, cut into what the job did meanwhile."""
    lost = {cause_words(cause): dict(phases) for cause, phases in runs.lost().items()}
    names = list(lost)
    if len(names) > MOST_CAUSES:
        lost = {name: lost[name] for name in names[: MOST_CAUSES - 1]} | {
            "other causes": _added(lost[name] for name in names[MOST_CAUSES - 1 :])
        }
    total, ideal = runs.wall_s / SECONDS_A_DAY, runs.runs[0].work_s / SECONDS_A_DAY
    phases = [phase for phase in dict.fromkeys((*STATES, *_added(lost.values()))) if phase in _added(lost.values())]
    with canvas(7.6, 1.9 + 0.32 * max(1, len(lost))) as (figure, axes):
        left = np.zeros(len(lost))
        for phase in phases:
            widths = np.array([of.get(phase, 0.0) / SECONDS_A_DAY for of in lost.values()])
            label = WORDS.get(phase, phase)
            axes.barh(range(len(lost)), widths, left=left, color=STATES.get(phase, OTHER), height=0.7, label=label)
            left = left + widths
        for row, days in enumerate(left.tolist()):
            axes.text(days, row, f"  {significant(days)} d ({percent(days / total)})", va="center", fontsize=8)
        axes.set_yticks(range(len(lost)), list(lost))
        axes.set_ylim(max(1, len(lost)) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0.0, 1.25 * max([*left.tolist(), 1e-9]))
        axes.set_xlabel("lost days of a run, and their share of the training time")
        sums = f"{significant(ideal, 4)} days undisturbed + {significant(total - ideal)} lost = {significant(total, 4)}"
        of = f"mean of {counted(len(runs.runs), 'run')}, goodput {percent(runs.goodput)}"
        name_figure(axes, "Where the time of the run is lost", f"{sums} days, {of}" + (f"\n{about}" if about else ""))
        if phases:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=min(4, len(phases)))
    return figure


def _added(losses: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Lost seconds of several causes, by phase."""
    total: dict[str, float] = {}
    for phases in losses:
        for phase, seconds in phases.items():
            total[phase] = total.get(phase, 0.0) + seconds
    return total


def draw_timeline(run: PlayedRun, about: str = "") -> Figure:
    """Progress over the whole run; its most eventful half day from close; and what the job does while it stands."""
    start = _busiest(run.timeline, ZOOM_DAYS * SECONDS_A_DAY)
    end = min(run.wall_s, start + ZOOM_DAYS * SECONDS_A_DAY)
    spans = [span for span in run.timeline if span.end > start and span.start < end and span.state != "training"]
    met = {span.state for span in spans}
    states = [*(state for state in STATES if state in met), *sorted(met - STATES.keys())]
    with canvas(7.6, 5.6 + 0.24 * len(states)) as (figure, axes):
        axes.remove()
        heights = (1.0, 1.0, 0.12 + 0.13 * len(states)) if states else (1.0, 1.0)
        whole, close, *rows = figure.subplots(len(heights), 1, height_ratios=heights)
        _whole(whole, run)
        name_figure(whole, f"One played run (seed {run.seed})", about)
        _close_up(close, run, start, end)
        if states:
            _states(rows[0], spans, states, start, end)
            close.set_xticklabels([])
        last = rows[0] if states else close
        last.set_xlabel(f"hours from day {start / SECONDS_A_DAY:,.1f} on, where outages are densest")
    return figure


def _whole(axes: Axes, run: PlayedRun) -> None:
    """Work done against days, with the undisturbed run."""
    days, share = [0.0], [0.0]
    for span in run.timeline:
        days.append(span.end / SECONDS_A_DAY)
        share.append(span.work / run.work_s)
    ideal = run.work_s / SECONDS_A_DAY
    axes.plot([0.0, ideal], [0.0, 1.0], color=GREY, linestyle="--", linewidth=1.2, label="undisturbed")
    label = f"played: {counted(sum(run.interruptions.values()), 'interruption')}, goodput {percent(run.goodput)}"
    axes.plot(days, share, color=COLOURS[0], linewidth=1.4, label=label)
    axes.set_xlabel("days")
    axes.set_ylabel("tokens trained")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlim(0.0, run.wall_s / SECONDS_A_DAY)
    axes.set_ylim(0.0, 1.02)
    axes.legend(loc="lower right")


def _close_up(axes: Axes, run: PlayedRun, start: float, end: float) -> None:
    """Hours of undisturbed training done against the clock; what is lost is lost at once."""
    hours: list[float] = []
    work: list[float] = []
    for before, span in pairwise((Span(0.0, 0.0, "training", "", 0.0), *run.timeline)):
        if span.end <= start or span.start >= end:
            continue
        left, right = max(start, span.start), min(end, span.end)
        if span.state == "training":
            rise = (span.work - before.work) / (span.end - span.start)
            work += [before.work + rise * (left - span.start), before.work + rise * (right - span.start)]
        else:
            work += [span.work, span.work]
        hours += [(left - start) / SECONDS_AN_HOUR, (right - start) / SECONDS_AN_HOUR]
    axes.plot(hours, [(done - work[0]) / SECONDS_AN_HOUR for done in work], color="black", linewidth=1.5)
    axes.set_xlim(0.0, (end - start) / SECONDS_AN_HOUR)
    axes.set_ylabel("undisturbed\nhours done")


def _states(axes: Axes, spans: Sequence[Span], states: Sequence[str], start: float, end: float) -> None:
    """A row for each thing that the job does while it doesn't train; short ones wide enough to be seen."""
    for row, state in enumerate(states):
        colour = STATES.get(state, OTHER)
        own = [(max(start, span.start), min(end, span.end)) for span in spans if span.state == state]
        bars = [((left - start) / SECONDS_AN_HOUR, (right - left) / SECONDS_AN_HOUR) for left, right in own]
        axes.broken_barh(bars, (row - 0.4, 0.8), facecolors=colour, edgecolors=colour, linewidth=THINNEST)
    axes.set_yticks(range(len(states)), list(states))
    axes.set_ylim(len(states) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0.0, (end - start) / SECONDS_AN_HOUR)


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
