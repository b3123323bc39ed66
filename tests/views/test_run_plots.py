"""Figures and tables of played runs: what is drawn is what was played."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.colors
import numpy as np
import pytest
from readable import assert_readable
from run_plans import DAY, plan

from clustersim.simulation.run_clock.ledger import Span
from clustersim.simulation.run_clock.play import PlayedRun, play_run
from clustersim.simulation.run_clock.runs import PlayedRuns, quantile
from clustersim.views.console import plain_text
from clustersim.views.drawing import save
from clustersim.views.losses_table import losses_view
from clustersim.views.run_plots import STATES, WORDS, draw_days, draw_losses, draw_timeline

RUNS = PlayedRuns(tuple(play_run(plan(work_s=5 * DAY), seed) for seed in range(6)))
TOLD = play_run(plan(work_s=5 * DAY), 0, timeline=True)


def test_bars_of_the_distribution_count_every_run_and_each_has_a_tick() -> None:
    (axes,) = draw_days(RUNS).axes
    heights = [patch.get_height() for patch in axes.containers[0]]
    assert sum(heights) == 6
    ticks, mean = axes.lines[:2]
    assert np.asarray(ticks.get_xdata()).tolist() == sorted(run.wall_s / DAY for run in RUNS.runs)
    assert float(np.asarray(mean.get_xdata())[0]) == pytest.approx(RUNS.wall_s / DAY)
    assert "undisturbed: 5.000 days" in axes.lines[2].get_label()


def test_losses_begin_at_zero_and_sum_to_what_is_lost() -> None:
    figure = draw_losses(RUNS)
    (axes,) = figure.axes
    assert axes.get_xlim()[0] == 0.0
    widths = sum(patch.get_width() for patch in axes.patches)  # type: ignore[attr-defined]
    assert widths == pytest.approx(RUNS.wall_s / DAY - 5.0, rel=1e-9)
    shown = {text.get_text() for text in figure.legends[0].get_texts()}
    phases = {phase for phases in RUNS.lost().values() for phase in phases}
    assert shown == {WORDS.get(phase, phase) for phase in phases}
    colours = {matplotlib.colors.to_hex(STATES[phase]) for phase in phases}
    assert len(colours) == len(phases), "a colour a phase, the same in every picture"


def test_many_causes_are_drawn_as_other_and_unknown_phases_too() -> None:
    lost = {f"cause {number}": {"redone": float(number + 1), "a new phase": 1.0} for number in range(15)}
    run = replace(RUNS.runs[0], lost=lost)
    figure = draw_losses(PlayedRuns((run,)))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(names) == 10
    assert names[-1] == "other causes"
    assert "a new phase" in {text.get_text() for text in figure.legends[0].get_texts()}


def test_a_timeline_shows_progress_rollbacks_and_every_state_of_its_outages() -> None:
    whole, close, rows = draw_timeline(TOLD).axes
    days, share = (np.asarray(data) for data in whole.lines[1].get_data())
    assert days[-1] == pytest.approx(TOLD.wall_s / DAY)
    assert share[-1] == pytest.approx(1.0)
    hours, work = (np.asarray(data) for data in close.lines[0].get_data())
    assert (np.diff(hours) >= -1e-9).all()
    assert (np.diff(work) <= np.diff(hours) + 1e-6).all(), "never faster than undisturbed"
    assert np.diff(work).min() < 0.0, "something is lost"
    states = [label.get_text() for label in rows.get_yticklabels()]
    assert len(states) == len(rows.collections) >= 3
    assert set(states) <= set(STATES)
    assert all(float(np.asarray(bars.get_linewidth())[0]) >= 1.5 for bars in rows.collections), "short ones are seen"


def test_a_timeline_without_outages() -> None:
    quiet = PlayedRun(0, 10.0, 10.0, 0.0, {}, {}, (Span(0.0, 10.0, "training", "", 10.0),))
    above, _ = draw_timeline(quiet).axes
    assert np.asarray(above.lines[1].get_ydata()).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("kind", ["days", "losses", "timeline"])
def test_nothing_is_cut_off_or_covered(kind: str) -> None:
    about = "A Model of 405B on 16,384 Some Accelerators"
    drawn = {"days": draw_days, "losses": draw_losses}
    figure = draw_timeline(TOLD, about) if kind == "timeline" else drawn[kind](RUNS, about)
    assert_readable(figure)


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
