"""The closed form against runs that are played, and the optimal interval against Young and Daly."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from run_plans import DAY, plan, source, walls

from clustersim.inputs.reliability import Maintenance, Stalls
from clustersim.simulation.run_clock.checkpoint_interval import best_interval, daly_interval, young_interval
from clustersim.simulation.run_clock.cycle import Cycle
from clustersim.simulation.run_clock.expected import expected_run, renewal_seconds
from clustersim.simulation.run_clock.plan import JobNodes, Recovery
from clustersim.simulation.run_clock.play import play_run
from clustersim.simulation.run_clock.slow_nodes import SlowNodes

RENEWALS: dict[str, dict[str, Any]] = {
    "synchronous": {},
    "asynchronous": {"cycle": Cycle(3000.0, 10.0, 1200.0)},
    "one cause": {"sources": (source(a_day=12.0),)},
    "a person now and then": {"recovery": Recovery(300.0, 60.0, 60.0, 0.0, 0.3, 7200.0)},
    "no checkpoints": {"work_s": 12 * 3600.0, "cycle": Cycle()},
    "no failures": {"sources": ()},
    "daily": {"daily_variation": 0.05},
}
FIRST_ORDER: dict[str, dict[str, Any]] = {
    "memory": {"cycle": Cycle(300.0, 60.0, 0.0, 12, 2.0), "recovery": Recovery(300.0, 60.0, 10.0, 0.7)},
    "silent": {"sources": (source(), source("silent", 0.3, silent_s=7200.0, idle=False))},
    "infant": {"sources": (source(infant_count=60.0, infant_decay=5 * DAY),)},
    "maintenance": {"maintenance": Maintenance(interval=DAY, duration=3600.0)},
    "stalls": {"stalls": Stalls(rate=5.0 / DAY, duration=600.0)},
    "slow": {"slow_nodes": SlowNodes(0.5 / DAY, 1.2, detection_s=2 * DAY)},
    "slow and never found": {"slow_nodes": SlowNodes(0.05 / DAY, 1.2)},
    "slow and slower": {"slow_nodes": SlowNodes(0.1 / DAY, 1.2, 0.05, detection_s=10 * DAY)},
    "shrink": {"fleet": JobNodes(64, 16, 4.0, 3, DAY, shrink=True)},
    "wait": {"fleet": JobNodes(64, 16, 4.0, 8, DAY)},
    "wait long": {"fleet": JobNodes(64, 16, 4.0, 2, DAY / 2), "work_s": 40 * DAY},
}


@pytest.mark.parametrize("name", RENEWALS)
def test_runs_agree_with_the_renewal_form(name: str) -> None:
    here = plan(**RENEWALS[name])
    mean, error = walls(here, 100)
    assert abs(mean - expected_run(here).wall_s) <= 4 * error + 1e-9 * mean


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_what_is_of_first_order_is_near(name: str) -> None:
    here = plan(**FIRST_ORDER[name])
    mean, error = walls(here, 60)
    assert abs(mean - expected_run(here).wall_s) <= 4 * error + 0.015 * mean


@pytest.mark.parametrize("name", ["synchronous", "a person now and then", "maintenance", "silent"])
def test_interruptions_and_idle_time_agree_too(name: str) -> None:
    here = plan(**(RENEWALS | FIRST_ORDER)[name])
    expected = expected_run(here)
    runs = [play_run(here, seed) for seed in range(40)]
    counts = [sum(run.interruptions.values()) / run.wall_s for run in runs]
    assert expected.mtti_s is not None
    error = float(np.std(counts, ddof=1)) / len(runs) ** 0.5
    assert abs(float(np.mean(counts)) - 1 / expected.mtti_s) < 4 * error + 0.01 / expected.mtti_s
    standing = float(np.mean([run.standing_s / run.wall_s for run in runs]))
    assert standing == pytest.approx(expected.standing_s / expected.wall_s, rel=0.05)


def test_the_form_is_arrays() -> None:
    """Goodput of a week by cluster size and interval in one call, each as alone."""
    nodes, intervals = np.array([[64.0], [1024.0]]), np.array([600.0, 3600.0, 14400.0])
    rates = nodes * 6.5e-3 / DAY
    table = renewal_seconds(7 * DAY, intervals, 60.0, rates, 600.0)
    assert table.shape == (2, 3)
    assert table[1, 2] == renewal_seconds(7 * DAY, 14400.0, 60.0, rates[1, 0], 600.0)
    assert (table[1] > table[0]).all()
    assert renewal_seconds(DAY, math.inf, 0.0, 0.0, 0.0) == DAY


@pytest.mark.parametrize("blocking", [5.0, 60.0, 300.0])
@pytest.mark.parametrize("hours", [1.0, 8.0, 72.0])
def test_the_best_interval_of_a_sweep_is_dalys(blocking: float, hours: float) -> None:
    swept = np.geomspace(20.0, 40 * 3600.0, 4000)
    days = renewal_seconds(1e12, swept, blocking, 1 / (3600 * hours), 600.0)
    best = float(swept[days.argmin()])
    assert best == pytest.approx(float(best_interval(blocking, 3600 * hours)), rel=0.01)
    assert best == pytest.approx(float(daly_interval(blocking, 3600 * hours)), rel=0.05)
    if blocking < 36 * hours:
        assert best == pytest.approx(float(young_interval(blocking, 3600 * hours)), rel=0.2)


def test_daly_past_his_range() -> None:
    assert daly_interval(3.0, 1.0) == 1.0


@pytest.mark.slow
def test_the_best_interval_of_played_runs_is_dalys() -> None:
    """The same seeds at every interval, so that chance cancels; a parabola through log(interval) finds the minimum."""
    here = plan(sources=(source(a_day=8.0),), cycle=Cycle(3000.0, 120.0), work_s=5 * DAY)
    daly = float(daly_interval(120.0, DAY / 8))
    factors = np.geomspace(0.55, 1.8, 7)
    days = [walls(replace(here, cycle=Cycle(daly * factor, 120.0)), 120)[0] for factor in factors]
    curve = np.polynomial.Polynomial.fit(np.log(factors), days, 3).deriv()
    roots = [root.real for root in curve.roots() if abs(root.imag) < 1e-9 and abs(root.real) < 0.5]
    assert math.exp(min(roots, key=abs)) == pytest.approx(1.0, abs=0.05)


def test_no_headway_is_infinite() -> None:
    never = expected_run(plan(sources=(source(a_day=500.0),)))
    assert (never.wall_s, never.goodput) == (math.inf, 0.0)
    stuck = expected_run(plan(sources=(source(a_day=1e6),)))
    assert stuck.goodput == 0.0
