"""The picture of a layer's passes: kernels and collectives on their streams, so that one sees what hides what."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from clustersim.errors import InputError, Problem
from clustersim.simulation.inspect.pass_detail import PlayedPass
from clustersim.simulation.results import BREAKDOWN_PARTS
from clustersim.views.breakdown_plot import PART_COLOURS
from clustersim.views.drawing import GREY, canvas, name_figure
from clustersim.views.words import PART_NAMES, significant

WIDTH = 11.0  # inches
ROW, HEADING = 0.3, 0.34  # inches: a stream; the name of a pass
FONT_SIZE = 6.5
LETTER = 0.55  # of the font size: how wide a letter is
CENTRED: dict[str, Any] = {"ha": "center", "va": "center", "linespacing": 1.0}
DARK = ("gemm", "memory_bound", "optimizer", "tensor_comm", "pipeline_comm")  # parts with a light ink on them


class Slot(NamedTuple):
    """One operation, as it is drawn."""

    row: int
    left: float  # seconds from the start of its pass
    right: float
    part: str
    name: str


class LayerRow(NamedTuple):
    """A stream of a pass; the first of a pass has the pass's name over it."""

    label: str
    heading: str


def chosen_passes(passes: Sequence[PlayedPass], layer: str) -> list[PlayedPass]:
    """The passes over one kind of layer; raises InputError where there is none of that name."""
    chosen = [played for played in passes if played.layer == layer]
    if not chosen:
        known = ", ".join(dict.fromkeys(played.layer for played in passes))
        raise InputError("plot", [Problem(f'no layer is called "{layer}"; there are {known}', "layer")])
    return chosen


def slots_of(passes: Sequence[PlayedPass]) -> tuple[list[LayerRow], list[Slot]]:
    """Rows from top to bottom, and the operations on them that take time."""
    rows: list[LayerRow] = []
    slots = []
    for played in passes:
        first = len(rows)
        seconds = f"{played.what}, {significant(1e3 * float(played.timeline.makespan[0]))} ms"
        streams = played.streams
        rows += [LayerRow(stream, "" if index else seconds) for index, stream in enumerate(streams)]
        for task, operation in enumerate(played.work.operations):
            start, end = float(played.timeline.start[task, 0]), float(played.timeline.end[task, 0])
            if end > start:
                row = first + streams.index(played.work.streams[task])
                slots.append(Slot(row, start, end, operation.part, operation.name))
    return rows, slots


def draw_layer(passes: Sequence[PlayedPass], *, title: str = "", about: str = "") -> Figure:
    """Passes below each other, on one scale of time; `about` are lines under the title."""
    rows, slots = slots_of(passes)
    headings = np.cumsum([bool(row.heading) for row in rows])
    tops = [ROW * index + HEADING * int(headings[index]) for index in range(len(rows))]  # inches
    height = tops[-1] + ROW
    width = max(slot.right for slot in slots)
    with canvas(WIDTH, 1.35 + 0.2 * len(about.splitlines()) + height) as (figure, axes):
        axes.set_xlim(0.0, 1e3 * width)
        axes.set_ylim(height, 0.0)
        for row, top in zip(rows, tops, strict=True):
            if row.heading:
                axes.text(0.0, top - 0.08, row.heading, fontsize=8.5, fontweight="bold", va="bottom")
        for slot in slots:
            _draw_slot(axes, slot, tops[slot.row], (WIDTH - 1.0) * 72 / width)
        axes.set_yticks([top + ROW / 2 for top in tops], [row.label for row in rows])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("time in the pass (ms)")
        name_figure(axes, title, about)
        _legend(figure, slots)
    return figure


def _draw_slot(axes: Axes, slot: Slot, top: float, points: float) -> None:
    """A box, with its name if that has room; `points` of print a second."""
    left, width = 1e3 * slot.left, 1e3 * (slot.right - slot.left)
    axes.barh(
        top + ROW / 2,
        width,
        left=left,
        height=0.82 * ROW,
        color=PART_COLOURS[slot.part],
        edgecolor="white",
        linewidth=0.4,
    )
    lines = _fitting(slot.name, (slot.right - slot.left) * points - 2.0)
    if lines:
        ink = "white" if slot.part in DARK else "black"
        name = axes.text(left + width / 2, top + ROW / 2, lines, fontsize=FONT_SIZE, color=ink, **CENTRED)
        name.set_in_layout(False)


def _fitting(name: str, points: float) -> str:
    """A name on one line or two, whichever has room in so many points of print; else nothing."""
    most = int(points / (LETTER * FONT_SIZE))
    lines = wrap(name, most, break_long_words=False, break_on_hyphens=False) if most > 0 else []
    fits = 1 <= len(lines) <= 2 and all(len(line) <= most for line in lines)
    return "\n".join(lines) if fits else ""


def _legend(figure: Figure, slots: Sequence[Slot]) -> None:
    drawn = {slot.part for slot in slots}
    handles = [
        Patch(facecolor=PART_COLOURS[part], label=PART_NAMES[part].removesuffix(", exposed"))
        for part in BREAKDOWN_PARTS
        if part in drawn
    ]
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=1.4)
    legend.get_frame().set_edgecolor(GREY)
