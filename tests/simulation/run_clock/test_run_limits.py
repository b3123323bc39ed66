"""Runs with more events than are played are refused before the first, with what would be played."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from run_plans import DAY, plan, source

from clustersim.errors import InfeasibleError
from clustersim.inputs.reliability import Maintenance, Stalls
from clustersim.simulation.run_clock import limits
from clustersim.simulation.run_clock.expected import expected_run
from clustersim.simulation.run_clock.limits import check_events, expected_events
from clustersim.simulation.run_clock.plan import JobNodes
from clustersim.simulation.run_clock.play import PATIENCE, play_run
from clustersim.simulation.run_clock.slow_nodes import SlowNodes


def test_the_estimate_is_about_twice_what_comes() -> None:
    here = plan()
    interruptions = sum(sum(play_run(here, seed).interruptions.values()) for seed in range(20)) / 20
    assert 1.6 < expected_events(here, PATIENCE) / interruptions < 2.6


@pytest.mark.parametrize(
    "changes",
    [
        {"work_s": 1e20},
        {"sources": (source(a_day=1e8),)},
        {"stalls": Stalls(rate=10.0, duration=1e-3)},
        {"maintenance": Maintenance(interval=1.0, duration=1e-6)},
        {"slow_nodes": SlowNodes(rate=10.0, factor=1.1, lasts_s=1.0)},
        {"slow_nodes": SlowNodes(rate=1.0, factor=1.1, drift=0.01)},
        {"sources": (source(infant_count=1e9, infant_decay=DAY),)},
    ],
    ids=str,
)
def test_each_kind_of_event_is_counted(changes: dict[str, Any]) -> None:
    with pytest.raises(InfeasibleError, match=r"at most 60,000 are played. With training.tokens, or"):
        play_run(plan(**changes), 0)


def test_young_failures_are_drawn_for_an_endless_run_and_limited_for_it() -> None:
    slow = source(infant_count=1e9, infant_decay=1e15)  # a handful within this run
    with pytest.raises(InfeasibleError, match=r"failures.device.infant: 1e\+09 failures of young machines"):
        play_run(plan(sources=(slow,)), 0)


def test_what_would_be_played_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_EVENTS", 40)
    with pytest.raises(InfeasibleError, match=r"of 0\.2 times as much it would be"):
        check_events(plan(), PATIENCE)
    check_events(plan(work_s=0.2 * 10 * DAY), PATIENCE)


def test_many_nodes_at_once_need_no_distribution() -> None:
    """By 20,000 slow or missing nodes the closed form takes their mean, and meets what it took before."""
    shrinking = JobNodes(200_000, 100, 2000.0, spares=0, repair_s=5 * DAY, shrink=True)
    few, many = (
        expected_run(plan(fleet=shrinking, sources=(replace(source(a_day=a_day), idle=False, phases=()),)))
        for a_day in (3_990.0, 4_010.0)
    )
    assert many.goodput == pytest.approx(few.goodput, rel=0.02)
    slow = [expected_run(plan(slow_nodes=SlowNodes(rate=rate, factor=1.5, lasts_s=1.0))) for rate in (19_000.0, 1e25)]
    assert slow[0].goodput == pytest.approx(slow[1].goodput, rel=1e-6)
