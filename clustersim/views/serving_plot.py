"""Throughput against latency: what a deployment serves at every batch size, with what was published."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clustersim.simulation.serving.serving import PHASES, PhaseResult, ServingResult
from clustersim.views.columns import Column
from clustersim.views.drawing import COLOURS, GREY, canvas, from_zero, label_axis
from clustersim.views.words import significant

WIDTH, HEIGHT = 10.4, 4.3  # inches
LABELS = {
    "prefill": Column("time to the first token (s)"),
    "decode": Column("time between tokens of one answer (ms)", 1e3),
}


def draw_serving(result: ServingResult) -> Figure:
    """A panel for each phase: the band from no overlap to full overlap, the prediction, the published point."""
    with canvas(WIDTH, HEIGHT) as (figure, whole):
        whole.remove()
        for panel, phase in zip(figure.subplots(1, 2), PHASES, strict=True):
            _draw_phase(panel, result, result.phases[phase])
        serving = result.serving
        figure.suptitle(
            f"{serving.model.name} on {serving.node.accelerator.name}",
            x=0.01,
            ha="left",
            fontsize=11,
            fontweight="bold",
        )
    return figure


def _draw_phase(axes: Axes, result: ServingResult, phase: PhaseResult) -> None:
    column, curve = LABELS[phase.phase], phase.curve
    colour = COLOURS[PHASES.index(phase.phase)]
    latency = {name: seconds * column.scale for name, seconds in curve.latency_s.items()}
    first = min(float(seconds[0]) for seconds in latency.values())
    last = max(float(seconds[-1]) for seconds in latency.values())
    shared = np.linspace(first, last, 200)
    low, high = (
        np.interp(shared, latency[name], curve.tokens_per_s[name], left=0.0) for name in ("no_overlap", "full_overlap")
    )
    axes.fill_between(shared, low, high, color=colour, alpha=0.16, linewidth=0, label="no overlap to full overlap")
    axes.plot(latency["central"], curve.tokens_per_s["central"], color=colour, label="predicted")
    point = phase.central
    axes.plot(
        [point.latency_s * column.scale],
        [point.tokens_per_s],
        marker="o",
        color=colour,
        linestyle="none",
        label=f"operating: {point.batch:,.0f} {'tokens' if phase.phase == 'prefill' else 'answers'} a device",
    )
    published = result.serving.published.prefill if phase.phase == "prefill" else result.serving.published.decode
    most = max(float(high.max()), point.tokens_per_s, published or 0.0)
    if published is not None:
        _draw_published(axes, published, column.scale, result, phase)
    from_zero(axes, most=most)
    axes.set_xlim(left=0.0, right=min(last, 2.2 * point.latency_s * column.scale))
    label_axis(axes, "x", Column(column.label))
    label_axis(axes, "y", Column("tokens/s a device"))
    axes.set_title(f"{phase.phase}, units of {phase.devices}", fontsize=10)
    axes.legend(loc="lower right")


def _draw_published(axes: Axes, rate: float, scale: float, result: ServingResult, phase: PhaseResult) -> None:
    """A point where the time between tokens goes with the rate, else a line across."""
    label = f"published: {significant(rate, 4)}"
    target = result.serving.decode.time_per_token if phase.phase == "decode" else None
    if target is not None:
        axes.plot([target * scale], [rate], marker="D", color="black", linestyle="none", label=label)
    else:
        axes.axhline(rate, color=GREY, linestyle=(0, (5, 2)), linewidth=1.2, label=label)
