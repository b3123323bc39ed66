"""What the plot of a deployment shows."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from serving_scenarios import serving

from clustersim.simulation.serving.serving import PHASES, simulate_serving
from clustersim.views.serving_plot import draw_serving


def labelled(axes: Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {str(line.get_label()): line.get_data() for line in axes.get_lines()}  # type: ignore[misc]


def test_a_panel_a_phase_with_curve_operating_point_and_published_rate() -> None:
    rates = {"prefill": 2e5, "decode": 5e3}
    result = simulate_serving(serving(decode={"time_per_token": 0.1}, published=rates))
    panels = draw_serving(result).axes
    assert [panel.get_title(loc="left") for panel in panels] == ["prefill, units of 16", "decode, units of 16"]
    for panel, phase, scale in zip(panels, PHASES, (1.0, 1e3), strict=True):
        lines, found = labelled(panel), result.phases[phase]
        x, y = lines["predicted"]
        assert y == pytest.approx(found.curve.tokens_per_s["central"])
        assert x == pytest.approx(found.curve.latency_s["central"] * scale)
        (name,) = (label for label in lines if label.startswith("operating"))
        assert lines[name] == (
            pytest.approx([found.central.latency_s * scale]),
            pytest.approx([found.central.tokens_per_s]),
        )
    assert labelled(panels[0])["published: 200,000"][1][0] == 2e5
    assert labelled(panels[1])["published: 5,000"] == ([100.0], [5e3])


def test_without_published_rates_there_is_no_such_line() -> None:
    for panel in draw_serving(simulate_serving(serving())).axes:
        assert not any(name.startswith("published") for name in labelled(panel))
