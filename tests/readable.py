"""What every figure must be, by the artists that it is drawn of: titled, nothing cut off, no text on text."""

from __future__ import annotations

from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SLACK = 1.5  # pixels


def assert_readable(figure: Figure, *, titled: bool = True) -> None:
    """Titles, legends and labels lie inside the page; texts and legends of a figure lie apart from each other."""
    FigureCanvasAgg(figure).draw()
    if titled:
        assert any(axes.get_title(loc="left") for axes in figure.axes), "a figure has a title"
    boxes = [found for axes in figure.axes for found in _texts(axes)]
    boxes += [("legend", legend.get_window_extent()) for legend in figure.legends]
    boxes += [("legend", legend.get_window_extent()) for axes in figure.axes if (legend := axes.get_legend())]
    page = figure.bbox
    for words, box in boxes:
        inside = box.x0 >= page.x0 - SLACK and box.x1 <= page.x1 + SLACK
        assert inside and box.y0 >= page.y0 - SLACK and box.y1 <= page.y1 + SLACK, f"cut off: {words}"  # noqa: PT018
    for (one, first), (other, second) in combinations(boxes, 2):
        assert not _overlap(first, second), f'"{one}" lies on "{other}"'


def _texts(axes: Axes) -> list[tuple[str, Bbox]]:
    """Every text of a small figure that is drawn: its title, labels, ticks and annotations."""
    titles: list[Text] = [axes.title, axes._left_title, axes._right_title]  # type: ignore[attr-defined]
    labels = [axes.xaxis.label, axes.yaxis.label]
    ticks = [label for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels() if _is_on(label, axes)]
    shown = [text for text in (*titles, *labels, *ticks, *axes.texts) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in shown]


def _is_on(label: Text, axes: Axes) -> bool:
    """Whether a tick's label is of a tick inside the axis: matplotlib keeps some beyond it, undrawn."""
    x, y = label.get_position()
    (left, right), (low, high) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    along = left <= x <= right if label in axes.get_xticklabels() else True
    up = low <= y <= high if label in axes.get_yticklabels() else True
    return along and up


def _overlap(one: Bbox, other: Bbox) -> bool:
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    tall = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide > SLACK and tall > SLACK
