"""How every figure looks, and how it is written: the same bytes for the same figure, on screen and on paper."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from clustersim.inert import inert
from clustersim.views.columns import Column

# Okabe and Ito 2008, "Color universal design": apart for every kind of colour vision. Yellow is left out: too pale.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
BRIGHT = 6  # the first of them; black and grey are the last resort
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), *["-"] * 4)
GREY = "#555555"
SIZE = (7.2, 4.3)  # inches
DOTS_PER_INCH = 200
LONGEST_NAME = 60  # characters
# What is written about a file in it, by its form: no date, no version of a library.
UNDATED: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": "clustersim"},
    "png": {"Software": "clustersim"},
    "pdf": {"CreationDate": None, "Creator": "clustersim", "Producer": "clustersim"},
}

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 9.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.hashsalt": "clustersim",
    "svg.fonttype": "path",
    "path.simplify": False,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}


class Look(NamedTuple):
    """How what has a name is drawn."""

    colour: str
    marker: str
    dashes: Any


@contextmanager
def canvas(width: float = SIZE[0], height: float = SIZE[1]) -> Iterator[tuple[Figure, Axes]]:
    """An empty figure in our style; no state of matplotlib is touched."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.add_subplot()


@contextmanager
def panels(width: float, height: float, rows: int, columns: int) -> Iterator[tuple[Figure, list[Axes]]]:
    """An empty figure in our style with small figures in rows and columns, left to right and down."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, columns, squeeze=False)
        yield figure, list(grid.ravel())


def save(figure: Figure, stem: Path) -> tuple[Path, ...]:
    """Write a figure as SVG and PNG; the paths."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = tuple(stem.with_name(f"{stem.name}.{kind}") for kind in ("svg", "png"))
    for path in paths:
        write(figure, path)
    return paths


def write(figure: Figure, path: Path) -> None:
    """Write a figure in the form that the path's suffix names, without date."""
    kind = path.suffix.removeprefix(".").lower()
    with _as_written(figure):
        figure.savefig(path, format=kind, dpi=DOTS_PER_INCH, metadata=UNDATED.get(kind))


@contextmanager
def _as_written(figure: Figure) -> Iterator[None]:
    """Our style; no text holds what SVG may not hold, nor warns where the font lacks a sign or there is no room."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(inert(text.get_text(), lines=True))
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        yield


def tick_name(words: str) -> str:
    """A name along an axis, which stays readable beside others: inert, and cut where it is very long."""
    return inert(words if len(words) <= LONGEST_NAME else f"{words[: LONGEST_NAME - 3]}...")


def looks(names: Collection[str]) -> dict[str, Look]:
    """Colour, marker and dashes of each name: the same whatever else is drawn, but where two of a picture would clash.

    As many names as there are colours differ in colour; more of them in the pair of colour and marker.
    """
    places: dict[str, tuple[int, int]] = {}
    for name in sorted(set(names)):  # first come, first served; who comes late takes what is left
        wanted = (crc32(name.encode()) % BRIGHT, 0)
        if wanted not in places.values():
            places[name] = wanted
    for name in sorted(set(names) - places.keys()):
        first = crc32(name.encode())
        colours = [*((first + at) % BRIGHT for at in range(BRIGHT)), *range(BRIGHT, len(COLOURS))]
        free = ((colour, turn) for turn in range(len(MARKERS)) for colour in colours)
        taken = set(places.values())
        places[name] = next((place for place in free if place not in taken), (first % BRIGHT, 0))
    return {
        name: Look(COLOURS[colour], MARKERS[(colour + turn) % len(MARKERS)], DASHES[colour])
        for name, (colour, turn) in places.items()
    }


def svg(figure: Figure) -> str:
    """A figure as an SVG document, the same for the same figure: to stand in a page."""
    file = io.StringIO()
    with _as_written(figure):
        figure.savefig(file, format="svg", metadata=UNDATED["svg"])
    return file.getvalue()


def name_figure(axes: Axes, title: str, about: str) -> None:
    """A title, and lines under it that say what is drawn."""
    if about:
        axes.annotate(
            about, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", fontsize=8.5, color=GREY
        )
    if title:
        axes.set_title(title, pad=8 + 14 * len(about.splitlines()))


def label_axis(axes: Axes, side: str, column: Column) -> None:
    """The label with its unit; percent where the column is a fraction."""
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_label_text(column.label)
    if column.percent:
        axis.set_major_formatter(PercentFormatter(xmax=1.0, decimals=0, symbol=" %"))
    elif axis.get_scale() == "linear":
        plain_numbers(axis)


def logarithmic(axes: Axes, side: str, values: Sequence[float], *, doubling: bool = False) -> None:
    """A logarithmic axis with plain numbers: at powers of two where sizes double, else at 1, 2 and 5 of each ten."""
    low, high = min(values), max(values)
    if doubling:
        first, last = math.floor(math.log2(low)), math.ceil(math.log2(high))
        ticks = [2.0**power for power in range(first, last + 1, 1 if last - first <= 10 else 2)]
    else:
        tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [digit * 10.0**ten for ten in tens for digit in (1, 2, 5)]
    axes.set(**{f"{side}scale": "log"})
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low / 1.05 <= tick <= high * 1.05]))
    axis.set_minor_locator(NullLocator())
    plain_numbers(axis)


def plain_numbers(axis: Axis) -> None:
    """Numbers without powers of ten, thousands separated."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def from_zero(axes: Axes, *, most: float) -> None:
    """A y axis that begins at zero, so that heights can be compared."""
    axes.set_ylim(0.0, most * 1.08)
