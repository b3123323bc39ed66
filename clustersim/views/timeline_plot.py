"""The picture of a pipeline's timeline: a row a stage, a box a pass, what is left white and hatched is waiting."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from clustersim.engines.graph import Timeline
from clustersim.schedules.program import BACKWARDS, FORWARDS, Program, TaskType
from clustersim.views.drawing import GREY, canvas, name_figure
from clustersim.views.timeline_boxes import Box, Excerpt, Lane, boxes_of, excerpt_of

Bar = tuple[int, float, float]  # row, left, right
Band = tuple[float, float]  # of a row, from its top

WIDTH = 11.0  # inches
ROW = 0.34  # inches
# Light, middle and dark, so that forward, backward and weight gradient are told apart in grey print too.
FORWARD, BACKWARD, WEIGHT, COMMUNICATION, OPTIMIZER, WAITING = (
    "#ADD5F4", "#C85A08", "#00402F", "#CC79A7", "#F2E394", "#FCFCFC",
)  # fmt: skip
COLOURS = {
    **dict.fromkeys(FORWARDS, FORWARD),
    **dict.fromkeys(BACKWARDS, BACKWARD),
    TaskType.WEIGHT_GRADIENT: WEIGHT,
    TaskType.OPTIMIZER: OPTIMIZER,
}
HATCHES = {COMMUNICATION: "////", OPTIMIZER: "xxxx", WAITING: "//"}
PALER = {FORWARD: 0.5, BACKWARD: 0.3, WEIGHT: 0.25}  # how far the last chunk goes towards white
COMPUTE_BAND, ALONE_BAND, BESIDE_BAND = (0.07, 0.75), (0.07, 0.93), (0.78, 0.93)  # under compute; without it
NARROW = 1.5  # points of print: a box of which edges would be a third
FONT_SIZES = (7.5, 6.5, 5.5, 4.5)
DIGIT = 0.64  # of the font size: how wide a digit is
MOST_FIT = 0.85  # of passes that have room for a number of the size that is chosen
SOME_FIT = 0.3  # at least, even of the smallest: a few numbers here and there say nothing
CENTRED: dict[str, Any] = {"ha": "center", "va": "center_baseline"}


def draw_timeline(
    program: Program, timeline: Timeline, *, title: str = "", about: str = "", excerpt: Excerpt | None = None
) -> Figure:
    """Stages as rows, passes with the numbers of their micro-batches; `about` are lines under the title.

    Without an excerpt: the whole step, or its beginning and end where the whole is too long to read.
    """
    excerpt = excerpt or excerpt_of(program, timeline)
    boxes = boxes_of(program, timeline, excerpt)
    height = 1.35 + 0.2 * len(about.splitlines()) + ROW * len(excerpt.stages)
    with canvas(WIDTH, height) as (figure, axes):
        bands = _bands(beside=any(box.lane == "beside" for box in boxes))
        axes.set_xlim(0.0, excerpt.width)
        _draw_boxes(axes, _rows(excerpt), WAITING, bands["compute"])
        for (colour, lane), group in _by_look(boxes, program.virtual_stages).items():
            _draw_boxes(axes, group, colour, bands[lane])
        _number(axes, boxes, excerpt, bands)
        _draw_cuts(axes, excerpt)
        _scale(axes, excerpt, float(timeline.makespan[0]))
        name_figure(axes, title, about)
        _legend(figure, boxes, program)
    return figure


def _bands(*, beside: bool) -> dict[Lane, Band]:
    """Where each lane lies in a row."""
    top, bottom = COMPUTE_BAND if beside else ALONE_BAND
    middle = (top + bottom) / 2
    return {"compute": (top, bottom), "upper": (top, middle), "lower": (middle, bottom), "beside": BESIDE_BAND}


def _by_look(boxes: Iterable[Box], chunks: int) -> dict[tuple[str, Lane], list[Bar]]:
    """Boxes of one colour and lane."""
    groups = defaultdict(list)
    for box in boxes:
        groups[_colour(box, chunks), box.lane].append((box.row, box.left, box.right))
    return dict(groups)


def _colour(box: Box, chunks: int) -> str:
    """The operation's colour, paler for later chunks."""
    colour = COLOURS.get(box.operation, COMMUNICATION)
    if chunks == 1 or colour not in PALER:
        return colour
    return _mixed(colour, PALER[colour] * box.chunk / (chunks - 1))


def _mixed(colour: str, white: float) -> str:
    mixed = [round(255 * (part + (1.0 - part) * white)) for part in to_rgb(colour)]
    return "#" + "".join(f"{part:02X}" for part in mixed)


def _rows(excerpt: Excerpt) -> list[Bar]:
    """What lies under the boxes: all the time that is shown."""
    return [
        (row, offset, offset + end - start)
        for row in range(len(excerpt.stages))
        for (start, end), offset in zip(excerpt.spans, excerpt.offsets(), strict=True)
    ]


def _draw_boxes(axes: Axes, boxes: Sequence[Bar], colour: str, band: Band) -> None:
    """Boxes of one colour, with edges where they are wide enough to have any."""
    bars = np.array(boxes)  # [boxes, row, left and right]
    narrow = (bars[:, 2] - bars[:, 1]) * (WIDTH - 1.0) * 72 / axes.get_xlim()[1] < NARROW
    edge = "#D4D4D4" if colour == WAITING else "#6B6B6B" if colour in HATCHES else "white"
    for some, width in ((bars[narrow], 0.0), (bars[~narrow], 0.0 if colour in HATCHES else 0.45)):
        if len(some):
            patch = PathPatch(_path(some, band), facecolor=colour, edgecolor=edge, linewidth=width)
            if colour in HATCHES:
                patch.set_hatch(HATCHES[colour])
            patch.set_in_layout(False)
            axes.add_artist(patch)


def _path(bars: NDArray[np.float64], band: Band) -> Path:
    """Rectangles as one path, so that a file holds thousands of them in little space."""
    rows, left, right = bars.T
    top, bottom = rows + band[0], rows + band[1]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]])  # [5, 2, bars]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(corners.transpose(2, 0, 1).reshape(-1, 2), codes * len(bars))


def _number(axes: Axes, boxes: Sequence[Box], excerpt: Excerpt, bands: Mapping[Lane, Band]) -> None:
    """Micro-batch numbers in the passes that have room for theirs, of one size for each kind of pass."""
    points = (WIDTH - 1.0) * 72 / excerpt.width  # of print, a second

    def fits(box: Box, size: float) -> bool:
        high = (bands[box.lane][1] - bands[box.lane][0]) * ROW * 72
        wide = (box.right - box.left) * points
        return wide > DIGIT * size * len(str(box.micro_batch)) + 0.5 and high > size

    for colour, ink in ((FORWARD, "black"), (BACKWARD, "white"), (WEIGHT, "white")):
        passes = [box for box in boxes if COLOURS.get(box.operation) == colour]
        shares = {size: sum(fits(box, size) for box in passes) / max(1, len(passes)) for size in FONT_SIZES}
        size = next((size for size, share in shares.items() if share >= MOST_FIT), FONT_SIZES[-1])
        for box in passes if shares[size] >= SOME_FIT else ():
            if fits(box, size):
                middle = (box.left + box.right) / 2, box.row + sum(bands[box.lane]) / 2
                number = axes.text(*middle, str(box.micro_batch), fontsize=size, color=ink, **CENTRED)
                number.set_in_layout(False)  # it lies in its box, and measuring a thousand of them takes seconds


def _draw_cuts(axes: Axes, excerpt: Excerpt) -> None:
    """Where time was left out: how much of it."""
    rows = len(excerpt.stages)
    for (_, end), (start, _), offset in zip(excerpt.spans, excerpt.spans[1:], excerpt.offsets()[1:], strict=False):
        middle = offset - excerpt.cut / 2
        words = f"{_seconds(start - end)} more of the same" if rows > 4 else _seconds(start - end)
        axes.text(middle, rows / 2, words, rotation=90, ha="center", va="center", fontsize=7, color=GREY)


def _scale(axes: Axes, excerpt: Excerpt, whole: float) -> None:
    """Rows from the top, seconds of the step along the bottom."""
    rows = len(excerpt.stages)
    axes.set_ylim(rows, 0.0)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([row + 0.5 for row in range(rows)], [f"stage {stage}" for stage in excerpt.stages])
    unit, scale = ("s", 1.0) if whole >= 2.0 else ("ms", 1e3)
    ticks = _ticks(excerpt)
    axes.set_xticks(
        [place for tick in ticks if (place := excerpt.place(tick)) is not None],
        [f"{tick * scale:,.6g}" for tick in ticks],
    )
    axes.set_xlabel(f"time in the step ({unit})")


def _ticks(excerpt: Excerpt) -> list[float]:
    """Round moments that are shown, about ten."""
    rough = excerpt.width / 10
    ten = 10.0 ** math.floor(math.log10(rough))
    step = next(size * ten for size in (1, 2, 5, 10) if size * ten >= rough)
    whole = [
        number * step
        for start, end in excerpt.spans
        for number in range(math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9) + 1)
    ]
    return [tick for tick in dict.fromkeys(whole) if excerpt.place(tick) is not None]


def _legend(figure: Figure, boxes: Sequence[Box], program: Program) -> None:
    """What colours mean, of those that are drawn."""
    drawn = {box.operation for box in boxes}
    apart, whole = TaskType.INPUT_GRADIENT in drawn, drawn & {TaskType.BACKWARD, TaskType.BACKWARD_BESIDE}
    names = {
        FORWARD: "forward",
        BACKWARD: "backward" if not apart else "backward, some of inputs alone" if whole else "backward of inputs",
        WEIGHT: "gradients of weights",
        COMMUNICATION: "communication",
        OPTIMIZER: "optimizer",
        WAITING: "waiting (bubble)",
    }
    seen = {COLOURS.get(operation, COMMUNICATION) for operation in drawn} | {WAITING}
    handles = [
        Patch(facecolor=colour, hatch=HATCHES.get(colour), edgecolor="#8A8A8A", linewidth=0.4, label=name)
        for colour, name in names.items()
        if colour in seen
    ]
    chunks = program.virtual_stages
    if chunks > 1:
        paler = "paler: the other way" if program.placement.copies > 1 else f"paler: later of {chunks} chunks a stage"
        handles.append(Patch(facecolor="none", edgecolor="none", label=paler))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=1.6, columnspacing=1.4)


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1.0 else f"{1e3 * value:.3g} ms"
