"""The picture of a search: every layout of the front is a point, the ends of the front are written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from clustersim.inputs.load import load_scenario
from clustersim.studies.layouts.candidates import USUAL
from clustersim.studies.layouts.search import search_layouts
from clustersim.views.search_plot import NAMED, draw_search
from clustersim.views.words import GIB, percent


def test_the_front_and_what_is_written_of_it() -> None:
    scenario = load_scenario("gpt3_175b_a100_1024", {"layout": "search"})
    found = search_layouts(scenario, top=1, front=True, space=replace(USUAL, where="tensor == 8"))
    figure = draw_search(found)
    axes = figure.axes[0]
    front = sorted((result.step.memory_bytes / GIB, result.step.mfu) for result in found.front)
    points = next(line for line in axes.lines if line.get_label() == "Pareto front")
    assert np.array(points.get_xydata()) == pytest.approx(np.array(front))
    assert (np.diff(points.get_xydata(), axis=0) > 0.0).all()  # more memory is worth it, or it is no front
    lines = next(text.get_text() for text in axes.texts if "\n" in text.get_text()).splitlines()
    assert len(lines) == min(NAMED, len(front))
    assert lines[0].startswith(f"1   {percent(front[-1][1])}")
    assert percent(front[0][1]) in lines[-1]
    FigureCanvasAgg(figure).draw()
    title = axes._left_title.get_window_extent()  # type: ignore[attr-defined]
    assert 0.0 <= title.x0 < title.x1 <= figure.bbox.x1, "the title isn't clipped"
