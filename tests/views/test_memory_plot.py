"""The picture of what stages hold: its bars are the report's bytes."""

from __future__ import annotations

import pytest
from readable import assert_readable

from clustersim.simulation.results import MemoryReport
from clustersim.views.drawing import svg
from clustersim.views.memory_plot import GROUPS, LIMIT, bars_of, draw_memory

GIB = 2.0**30
INNER = {"parameters": 10.0, "gradients": 20.0, "optimizer": 5.0, "activations": 30.0, "buffers": 2.0}
LAST = INNER | {"activations": 8.0, "logits": 12.0, "working": 1.0, "gathered_parameters": 3.0}


def report(*stages: dict[str, float], usable: float = 80.0) -> MemoryReport:
    names = tuple(dict.fromkeys(name for parts in stages for name in parts))
    return MemoryReport(names, [[parts.get(name, 0.0) * GIB for name in names] for parts in stages], usable * GIB)


def test_neighbours_that_hold_the_same_share_a_bar() -> None:
    bars = bars_of(report(INNER, INNER, INNER, LAST))
    assert [bar.label for bar in bars] == ["stages 0 to 2", "stage 3"]
    assert [bar.total / GIB for bar in bars] == pytest.approx([67.0, 61.0])
    assert bars[1].sizes[0] / GIB == pytest.approx(13.0)  # gathered parameters are parameters


def test_every_part_of_a_step_belongs_to_a_group() -> None:
    from builders import scenario

    from clustersim.simulation.step.step import simulate_step

    memory = simulate_step(scenario(pipeline=4, tensor=2)).memory
    grouped = [part for _, parts, _ in GROUPS for part in parts]
    assert sorted(grouped) == sorted(memory.parts)
    assert bars_of(memory)[0].total == pytest.approx(memory.stages[0].peak_bytes)


def test_the_picture_says_what_is_held_and_what_can_be() -> None:
    axes = draw_memory(report(INNER, LAST, usable=65.0), title="mine", about="TP8").axes[0]
    words = [text.get_text().strip() for text in axes.texts]
    assert {"67.0 GiB", "61.0 GiB", "usable: 65.0 GiB", "TP8"} <= set(words)
    bold = [text.get_text().strip() for text in axes.texts if text.get_fontweight() == "bold"]
    assert bold == ["67.0 GiB"]  # more than there is
    assert sum(patch.get_width() for patch in axes.patches) == pytest.approx(67.0 + 61.0)


def test_the_same_report_gives_the_same_picture() -> None:
    assert svg(draw_memory(report(INNER))) == svg(draw_memory(report(INNER)))


def test_totals_stand_clear_of_the_limit() -> None:
    """A bar that ends just before what can be used has its total behind that line, and nothing is cut off."""
    held = [[40.0 * GIB, 38.5 * GIB], [30.0 * GIB, 30.0 * GIB], [60.0 * GIB, 40.0 * GIB]]
    report = MemoryReport(("parameters", "activations"), held, 79.1 * GIB)
    figure = draw_memory(report, title="Memory", about="three stages")
    assert_readable(figure)
    (axes,) = figure.axes
    (limit,) = (line for line in axes.lines if line.get_color() == LIMIT)
    at = axes.transData.transform((float(limit.get_xdata()[0]), 0.0))[0]  # type: ignore[index]
    for text in axes.texts:
        if text.get_text().endswith("GiB"):
            box = text.get_window_extent()
            assert box.x0 >= at - 1 or box.x1 <= at + 1, text.get_text()
