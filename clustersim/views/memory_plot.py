"""The picture of what every pipeline stage holds when it holds most, against what a device can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from clustersim.inputs.units import GIB
from clustersim.simulation.results import MemoryReport, StagePeak
from clustersim.views.drawing import COLOURS, GREY, canvas, name_figure
from clustersim.views.words import gib

HEIGHT = 0.27  # inches a bar
ALIKE = 1e-6  # of the peak: stages that differ by less share a bar
TOTAL_WIDTH = 0.1  # of the axis: room that a total takes
NARROW = 0.035  # of the axis: no room for a number
LIMIT = "#B00020"
NUMBER: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7.5, "zorder": 3}
# What is drawn together, from the ground up: words, parts of the report, colour.
GROUPS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("parameters", ("parameters", "gathered_parameters"), COLOURS[0]),
    ("gradients", ("gradients", "gradient_buffers"), COLOURS[4]),
    ("optimizer", ("optimizer",), "#9DB4C0"),
    ("activations", ("activations", "embedding"), COLOURS[5]),
    ("kept for gradients of weights", ("weight_gradient_inputs",), COLOURS[2]),
    ("logits", ("logits",), COLOURS[3]),
    ("while a layer runs backward", ("working",), COLOURS[1]),
    ("buffers and fragmentation", ("buffers", "fragmentation"), "#C8C8C8"),
)


class Bar(NamedTuple):
    """Stages that hold the same, and bytes of each of GROUPS."""

    first: int
    last: int
    sizes: tuple[float, ...]

    @property
    def label(self) -> str:
        """stage 3, or stages 2 to 13."""
        return f"stage {self.first}" if self.first == self.last else f"stages {self.first} to {self.last}"

    @property
    def total(self) -> float:
        """Bytes."""
        return sum(self.sizes)


def draw_memory(memory: MemoryReport, *, title: str = "", about: str = "") -> Figure:
    """A bar a stage, cut by what it holds at its peak, and a line at what can be used."""
    bars = bars_of(memory)
    right = 1.22 * max(memory.usable_bytes, *(bar.total for bar in bars)) / GIB
    usable = memory.usable_bytes / GIB
    with canvas(9.2, 1.5 + 0.2 * bool(about) + HEIGHT * len(bars)) as (figure, axes):
        for number, (name, _, colour) in enumerate(GROUPS):
            widths = [bar.sizes[number] / GIB for bar in bars]
            if not any(widths):
                continue
            lefts = [sum(bar.sizes[:number]) / GIB for bar in bars]
            axes.barh(range(len(bars)), widths, left=lefts, color=colour, height=0.74, label=name, zorder=2)
            for row, (left, width) in enumerate(zip(lefts, widths, strict=True)):
                if width > NARROW * right:
                    ink = "white" if colour == COLOURS[0] else "black"
                    axes.text(left + width / 2, row, f"{width:.3g}", color=ink, **NUMBER)
        for row, bar in enumerate(bars):
            weight = "bold" if bar.total > memory.usable_bytes else "normal"
            end = bar.total / GIB  # a total that would stand on the limit stands behind it
            place = usable if end <= usable < end + TOTAL_WIDTH * right else end
            axes.text(place, row, f"  {gib(bar.total)}", va="center", fontsize=8.5, fontweight=weight)
        axes.axvline(usable, color=LIMIT, linewidth=1.2, zorder=4)
        axes.text(usable, -0.62, f"usable: {gib(memory.usable_bytes)} ", color=LIMIT, fontsize=8.5,
                  ha="right", va="bottom")  # fmt: skip
        axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
        axes.set_ylim(len(bars) - 0.4, -1.3)
        axes.set_xlim(0.0, right)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("GiB a device, when it holds most", color=GREY)
        name_figure(axes, title, about)
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def bars_of(memory: MemoryReport) -> list[Bar]:
    """A bar for every run of neighbouring stages that hold the same."""
    bars: list[Bar] = []
    for stage in memory.stages:
        sizes = _sizes(stage.parts)
        if bars and all(
            abs(one - other) <= ALIKE * memory.peak_bytes for one, other in zip(bars[-1].sizes, sizes, strict=True)
        ):
            bars[-1] = bars[-1]._replace(last=stage.stage)
        else:
            bars.append(Bar(stage.stage, stage.stage, sizes))
    return bars


def stage_document(stage: StagePeak) -> dict[str, Any]:
    """What --json says of a stage: bytes at its peak, and by part."""
    return {"stage": stage.stage, "bytes": stage.peak_bytes, "parts": dict(stage.parts)}


def _sizes(parts: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(sum(parts.get(name, 0.0) for name in names) for _, names, _ in GROUPS)
