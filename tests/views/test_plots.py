"""Figures: the data that they show, what is refused, and bytes that do not depend on the day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from readable import assert_readable

from clustersim.errors import InputError
from clustersim.inputs.sweep import FigureSpec
from clustersim.simulation.results import BREAKDOWN_PARTS
from clustersim.views.breakdown_plot import draw_breakdown
from clustersim.views.curves import curves_of
from clustersim.views.drawing import looks, save, write
from clustersim.views.plots import draw

CHIPS = ("Ascend 910B2", "NVIDIA A100 SXM4 80GB")


def row(chip: str, devices: int, mfu: float, **more: Any) -> dict[str, Any]:
    parts = dict.fromkeys((f"breakdown_{part}" for part in BREAKDOWN_PARTS), 0.0)
    parts |= {"breakdown_gemm": 0.6, "breakdown_bubble": 0.397, "breakdown_host": 0.003}
    bounds = {"mfu_low_80": 0.9 * mfu, "mfu_high_80": 1.1 * mfu}
    return {
        "accelerator": chip, "devices": devices, "mfu": mfu, "memory_bytes": 2.0**30 * devices, "step_time_s": 1.0,
        "status": "done", "model": "m",
    } | bounds | parts | more  # fmt: skip


ROWS = [
    row(chip, devices, 0.5 - 0.01 * at - 0.00001 * devices)
    for at, chip in enumerate(CHIPS)
    for devices in (256, 64, 1024)
]


def spec(**values: Any) -> FigureSpec:
    return FigureSpec(**({"x": "devices", "y": "mfu"} | values))


def test_lines_hold_the_points_by_x_with_their_intervals() -> None:
    curves = curves_of(ROWS, ["cluster.nodes"], spec(by="accelerator"))
    assert [line.label for line in curves.lines] == list(CHIPS)
    first = curves.lines[0]
    assert first.x == (64.0, 256.0, 1024.0)
    assert first.y == tuple(sorted((item["mfu"] for item in ROWS[:3]), reverse=True))
    assert first.low is not None
    assert first.low[0] == pytest.approx(0.9 * first.y[0])


def test_the_columns_that_tell_points_apart_are_found() -> None:
    assert curves_of(ROWS, [], spec()).by == ("accelerator",)
    assert curves_of(ROWS[:3], [], spec()).by == ()
    both = [item | {"layout.tensor": size} for item in ROWS for size in (4, 8)]
    found = curves_of(both, ["layout.tensor"], spec())
    assert found.by == ("accelerator", "layout.tensor")
    assert "Ascend 910B2, tensor-parallel ranks 4" in [line.label for line in found.lines]
    mode = [item | {"layout.sequence_parallel": word} for item in ROWS[:3] for word in ("true", "false")]
    labels = [line.label for line in curves_of(mode, ["layout.sequence_parallel"], spec()).lines]
    assert labels == ["sequence parallel true", "sequence parallel false"]


def test_points_that_are_not_done_or_not_asked_for_are_left_out() -> None:
    rows = [*ROWS, row(CHIPS[0], 2048, 0.9, status="infeasible"), row(CHIPS[0], 4096, 0.9) | {"mfu": ""}]
    assert curves_of(rows, [], spec()).lines == curves_of(ROWS, [], spec()).lines
    only = curves_of(ROWS, [], spec(where={"accelerator": "ascend 910B2", "devices": "64"}))
    assert [line.x for line in only.lines] == [(64.0,)]


def test_words_along_x_are_categories() -> None:
    curves = curves_of(ROWS[::3], [], spec(x="accelerator"))
    assert curves.categories == CHIPS
    assert [line.x for line in curves.lines] == [(0.0, 1.0)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"x": "device"}, "Did you mean devices"),
        ({"where": {"colour": "blue"}}, 'no column "colour"'),
        ({"y": "model"}, "words, not numbers"),
        ({"by": "model"}, "several points share devices"),
        ({"where": {"devices": 3}}, "no finished point"),
        ({"published": ("x",)}, 'no published series "x"'),
        ({"published": ("megascale-175b",), "y": "hfu"}, "no column"),
        ({"published": ("megascale-175b",), "y": "memory_bytes"}, "published MFU goes with"),
    ],
)
def test_what_cannot_be_drawn_is_said(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw(ROWS, ["cluster.nodes"], spec(**values))


def test_too_many_lines_are_refused() -> None:
    rows = [row(f"chip {number}", 64, 0.4) for number in range(9)]
    with pytest.raises(InputError, match="9 lines are too many"):
        draw(rows, [], spec())
    with pytest.raises(InputError, match="41 bars"):
        draw([row("chip", number, 0.4) for number in range(41)], [], spec(y="breakdown"))


def texts(figure: Figure) -> str:
    legends = [text.get_text() for legend in figure.legends for text in (*legend.get_texts(), legend.get_title())]
    axes = figure.axes[0]
    ticks = [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return "\n".join([axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel(), *ticks, *legends])


def test_axes_have_labels_units_and_plain_numbers() -> None:
    figure = draw(
        ROWS, [], spec(title="A title", published=("mindspeed-gpt3-175b", "megascale-175b", "pangu-ultra-135b"))
    )
    figure.canvas.draw()
    said = texts(figure)
    label = "MFU, full attention (% of 16-bit matrix peak)"
    for word in ("A title", "devices", label, "1,024", "40 %", "80 % interval", "(published)"):
        assert word in said
    assert "Ascend 910B2 (simulated)" in said
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_ylim()[0] == 0.0
    colours = {line.get_label(): line.get_color() for line in axes.get_lines()}
    assert colours["MindSpeed-LLM, GPT-3 175B (published)"] == colours["Ascend 910B2 (simulated)"]
    assert colours["MegaScale, GPT 175B (published)"] == colours["NVIDIA A100 SXM4 80GB (simulated)"]


def test_values_are_drawn_in_the_unit_of_the_label() -> None:
    figure = draw(ROWS, [], spec(y="memory_bytes", log_x=False))
    lines = figure.axes[0].get_lines()
    assert list(lines[0].get_ydata()) == [64.0, 256.0, 1024.0]
    assert "GiB" in figure.axes[0].get_ylabel()
    assert figure.axes[0].get_xscale() == "linear"


def test_logarithmic_axes_begin_where_the_points_do() -> None:
    figure = draw(ROWS, [], spec(log_y=True))
    assert figure.axes[0].get_yscale() == "log"
    assert figure.axes[0].get_ylim()[0] > 0
    wide = [row("chip", 2**power, 0.4) for power in range(14)]
    figure = draw(wide, [], spec(by="accelerator"))
    ticks = figure.axes[0].get_xticks()
    assert list(ticks) == [4.0**power for power in range(7)]
    figure = draw([item | {"parameters": 1e9 * item["devices"]} for item in ROWS], [], spec(x="parameters", log_x=True))
    assert {100.0, 200.0, 500.0} <= set(figure.axes[0].get_xticks())


def test_one_line_needs_no_legend() -> None:
    assert draw(ROWS[:3], [], spec()).legends == []


def test_categories_stand_side_by_side() -> None:
    rows = [row(chip, 64, 0.4) | {"model": model} for chip in CHIPS for model in ("a", "b")]
    axes = draw(rows, [], spec(x="model", by="accelerator")).axes[0]
    first, second = (line.get_xdata() for line in axes.get_lines() if line.get_label() in CHIPS)
    assert all(left < right for left, right in zip(first, second, strict=True))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    plain = [{key: value for key, value in item.items() if "_80" not in key} for item in rows]
    assert draw(plain, [], spec(x="model", by="accelerator")).axes[0].containers == []


def test_breakdown_bars_sum_to_the_step() -> None:
    figure = draw_breakdown(ROWS, [], spec(y="breakdown", title="T"))
    axes = figure.axes[0]
    ends: dict[int, float] = {}
    for bar in axes.patches:
        ends[round(bar.get_y(), 3)] = ends.get(round(bar.get_y(), 3), 0.0) + bar.get_width()  # type: ignore[attr-defined]
    assert len(ends) == len(ROWS)
    assert list(ends.values()) == pytest.approx([1.0] * len(ROWS))
    said = texts(figure)
    assert "Ascend 910B2, devices 64" in said
    assert "matrix kernels" in said
    assert "host" not in said  # too small: added to other
    assert "other" in said


def test_files_are_the_same_every_time(tmp_path: Path) -> None:
    style = dict(mpl.rcParams)
    for folder in ("a", "b"):
        figure = draw(ROWS, [], spec())
        paths = save(figure, tmp_path / folder / "curve")
        assert [path.suffix for path in paths] == [".svg", ".png"]
        write(figure, tmp_path / folder / "curve.pdf")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert "<dc:date>" not in (tmp_path / "a" / "curve.svg").read_text()
    assert dict(mpl.rcParams) == style


def test_no_series_vanishes() -> None:
    """What doesn't fit is a cross where it is predicted; what has no value at all stands in the legend."""
    rows = [*ROWS, row(CHIPS[0], 2048, 0.9, status="infeasible"), row("a chip without MFU", 64, 0.9) | {"mfu": ""}]
    curves = curves_of(rows, [], spec(by="accelerator"))
    assert [(line.label, line.x, line.y) for line in curves.misfits] == [(CHIPS[0], (2048.0,), (0.9,))]
    assert curves.absent == ("a chip without MFU",)
    figure = draw(rows, [], spec(by="accelerator"))
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert f"{CHIPS[0]}: doesn't fit in memory" in words
    assert "a chip without MFU: no MFU, full attention" in words
    assert_readable(figure)


def test_colours_go_with_names() -> None:
    names = [f"chip {number}" for number in range(30)]
    many, few = looks(names[:8]), looks(names[:2])
    assert len({look.colour for look in many.values()}) == 8
    assert len({(look.colour, look.marker) for look in looks(names).values()}) == 30
    assert looks(names[::-1]) == looks(names)
    alone = {name: looks([name])[name] for name in names}
    kept = sum(many[name] == alone[name] for name in names[:8])
    assert kept == len({alone[name].colour for name in names[:8]}), "one of each colour keeps it beside others"
    assert sum(few[name] == alone[name] for name in names[:2]) == len({alone[name].colour for name in names[:2]})


def test_every_figure_has_a_title() -> None:
    (axes,) = draw(ROWS, [], spec()).axes
    assert axes.get_title(loc="left") == "MFU, full attention against devices"
    assert draw(ROWS, [], spec(title="mine")).axes[0].get_title(loc="left") == "mine"
