"""The picture of where the peak went: its bars, their words, and how it looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from pictures import assert_looks_like

from clustersim.simulation.inspect.waterfall import Waterfall, WaterfallStep
from clustersim.views.drawing import svg
from clustersim.views.waterfall_plot import draw_waterfall, rungs_of

FALLS = Waterfall(
    base_flops=989e12,
    falls=(
        WaterfallStep("precision", 0.1),
        WaterfallStep("gemm", -0.2),
        WaterfallStep("attention", -0.05),
        WaterfallStep("memory_bound", -0.1),
        WaterfallStep("expert_comm", -0.15),
        WaterfallStep("data_comm", -0.0005),
        WaterfallStep("bubble", -0.1),
        WaterfallStep("stage_wait", -0.02),
        WaterfallStep("optimizer", -0.0005),
        WaterfallStep("host", 0.0),
        WaterfallStep("masked_attention", 0.03),
        WaterfallStep("uncounted", 0.00001),
    ),
    mfu=0.50901,
)


def test_bars_lead_from_the_peak_to_the_mfu() -> None:
    rungs = rungs_of(FALLS)
    assert [rung.label for rung in rungs if rung.is_total] == [
        "peak",
        "executed, mean device",
        "MFU, full attention",
    ]
    assert (rungs[0].end, rungs[0].words) == (1.0, "989 TFLOP/s")
    assert rungs[-1].end == pytest.approx(0.50901)
    assert rungs[-1].words.startswith("50.9 %, ")
    at = 1.0
    for rung in rungs:
        if rung.is_total:
            assert rung.start == 0.0
            assert rung.end == pytest.approx(at, abs=1e-4)
        else:
            assert rung.start == pytest.approx(at, abs=1e-4)
        at = rung.end


def test_bars_are_named_by_which_way_they_go() -> None:
    words = {rung.label: rung.words for rung in rungs_of(FALLS)}
    assert words["precision with a higher peak"] == "+10.0 %"
    assert words["matrix kernels below the peak"] == "−20.0 %"
    assert words["waiting for slower stages"] == "−2.0 %"
    assert words["masked attention, counted"] == "+3.0 %"
    assert words["2 smaller ones"] == "−0.1 %"
    assert not any("counted, not executed" in label or "host" in label for label in words)


def test_the_picture(tmp_path: Path) -> None:
    assert_looks_like(draw_waterfall(FALLS, title="A scenario", about="TP8 PP4"), "waterfall", tmp_path)


def test_the_same_falls_give_the_same_page() -> None:
    pages = {svg(draw_waterfall(FALLS, title="twice")) for _ in range(2)}
    assert len(pages) == 1
    assert pages.pop().startswith("<?xml")
