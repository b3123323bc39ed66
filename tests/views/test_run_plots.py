"""Figures and tables of played runs: what is drawn is what was played."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.colors
import numpy as np
import pytest
from run_plans import DAY, plan

from clustersim.simulation.run_clock.ledger import Span
from clustersim.simulation.run_clock.play import PlayedRun, play_run
from clustersim.simulation.run_clock.runs import PlayedRuns, quantile
from clustersim.views.console import plain_text
from clustersim.views.drawing import save
from clustersim.views.losses_table import losses_view
from clustersim.views.run_plots import STATES, draw_days, draw_losses, draw_timeline

RUNS = PlayedRuns(tuple(play_run(plan(work_s=5 * DAY), seed) for seed in range(6)))
TOLD = play_run(plan(work_s=5 * DAY), 0, timeline=True)


def test_bars_of_the_distribution_count_every_run() -> None:
    (axes,) = draw_days(RUNS).axes
    heights = [patch.get_height() for patch in axes.patches]  # type: ignore[attr-defined]
    assert sum(heights) == 6
    lines = [float(np.asarray(line.get_xdata())[0]) for line in axes.lines]
    assert lines == pytest.approx([RUNS.wall_s / DAY, 5.0])


def test_the_waterfall_ends_at_the_training_time() -> None:
    (axes,) = draw_losses(RUNS).axes
    bars = [(patch.get_x(), patch.get_width()) for patch in axes.patches]  # type: ignore[attr-defined]
    (_, undisturbed), *lost, (_, total) = bars
    assert undisturbed == pytest.approx(5.0)
    assert total == pytest.approx(RUNS.wall_s / DAY)
    ends = [undisturbed, *(start + width for start, width in lost)]
    assert [start for start, _ in lost] == pytest.approx(ends[:-1])
    assert ends[-1] == pytest.approx(total, rel=1e-9)


def test_many_causes_are_drawn_as_other() -> None:
    lost = {f"cause {number}": {"redone": float(number + 1)} for number in range(15)}
    run = replace(RUNS.runs[0], lost=lost)
    (axes,) = draw_losses(PlayedRuns((run,))).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == 12
    assert names[-2] == "other"


def test_a_timeline_shows_progress_rollbacks_and_outages() -> None:
    above, below = draw_timeline(TOLD).axes
    days, share = (np.asarray(data) for data in above.lines[1].get_data())
    assert days[-1] == pytest.approx(TOLD.wall_s / DAY)
    assert share[-1] == pytest.approx(1.0)
    hours, work = (np.asarray(data) for data in below.lines[0].get_data())
    assert (np.diff(hours) >= -1e-9).all()
    assert (np.diff(work) <= np.diff(hours) + 1e-6).all(), "never faster than undisturbed"
    assert np.diff(work).min() < 0.0, "something is lost"
    colours = {matplotlib.colors.to_hex(patch.get_facecolor()).upper() for patch in below.patches}
    assert colours <= {colour.upper() for colour in STATES.values()}
    assert len(colours) >= 3


def test_a_timeline_without_outages() -> None:
    quiet = PlayedRun(0, 10.0, 10.0, 0.0, {}, {}, (Span(0.0, 10.0, "training", "", 10.0),))
    above, _ = draw_timeline(quiet).axes
    assert np.asarray(above.lines[1].get_ydata()).tolist() == [0.0, 1.0]


def test_same_bytes(tmp_path: Path) -> None:
    one, two = (save(draw_losses(RUNS), tmp_path / name)[0].read_bytes() for name in ("one", "two"))
    assert one == two


def test_the_table_of_losses() -> None:
    text = plain_text(losses_view(RUNS))
    lines = text.splitlines()
    assert lines[0] == "what the run loses"
    shares = [float(line.split(" %")[0].split()[-1]) for line in lines[1:]]
    assert shares == sorted(shares, reverse=True)
    assert "times" in text
    assert "redone" in text


def test_statistics_of_runs() -> None:
    assert quantile([1.0, 2.0, 4.0], 0.5) == 2.0
    assert quantile([1.0, 2.0, 4.0], 0.75) == 3.0
    assert quantile([5.0], 0.1) == 5.0
    told = RUNS.to_dict()
    assert told["training_days"]["mean"] == pytest.approx(RUNS.wall_s / DAY)
    low, high = told["training_days"]["intervals"]["80"]
    assert min(told["training_days"]["values"]) <= low < high <= max(told["training_days"]["values"])
    one = PlayedRuns(RUNS.runs[:1])
    assert (one.spread, one.standard_error_s, one.to_dict()["goodput"]["sd"]) == (0.0, 0.0, None)
