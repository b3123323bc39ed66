"""Runs played as events: exact where nothing happens, accounts that add up, causes that don't disturb each other."""

from __future__ import annotations

import gc
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from run_plans import DAY, plan, source

from clustersim.errors import InfeasibleError
from clustersim.inputs.reliability import Maintenance, Stalls
from clustersim.simulation.run_clock.cycle import Cycle
from clustersim.simulation.run_clock.plan import JobNodes, Recovery, RunPlan
from clustersim.simulation.run_clock.play import play_run
from clustersim.simulation.run_clock.slow_nodes import SlowNodes

QUIET: dict[str, Any] = {"sources": (), "cycle": Cycle()}
EVERYTHING = plan(
    sources=(
        source(a_day=2.0, infant_count=20.0, infant_decay=5 * DAY),
        source("software", 1.0, idle=False, replaces=0.0),
        source("silent", 0.3, silent_s=7200.0, idle=False),
    ),
    cycle=Cycle(600.0, 20.0, 100.0, 4, 2.0, 0.99),
    recovery=Recovery(300.0, 60.0, 10.0, 0.5, 0.1, 3600.0),
    fleet=JobNodes(64, 16, 4.0, 3, DAY, shrink=True),
    maintenance=Maintenance(interval=3 * DAY, duration=3600.0),
    stalls=Stalls(rate=2.0 / DAY, duration=300.0),
    slow_nodes=SlowNodes(0.5 / DAY, 1.2, 0.05, 20 * DAY, 4 * DAY),
    daily_variation=0.02,
)


def test_without_failures_a_run_takes_exactly_its_work() -> None:
    run = play_run(plan(**QUIET), 0)
    assert run.wall_s == run.work_s == 10 * DAY
    assert (run.goodput, run.lost, run.interruptions, run.mtti_s) == (1.0, {}, {}, None)


def test_checkpoints_alone_cost_what_they_block() -> None:
    """288 intervals of 3,000 s: the last needs no checkpoint."""
    run = play_run(plan(sources=()), 0)
    assert run.wall_s == pytest.approx(10 * DAY + 287 * 60.0, rel=1e-12)
    assert run.lost["checkpoints"]["blocking"] == pytest.approx(287 * 60.0)


def test_a_day_that_is_slower_at_noon_costs_half_its_swing() -> None:
    run = play_run(plan(**QUIET, daily_variation=0.04), 0)
    assert run.work_s / run.wall_s == pytest.approx(0.98, abs=3e-4)
    assert run.lost["daily variation"]["slower"] == pytest.approx(run.wall_s - run.work_s, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_every_second_is_in_one_account(seed: int) -> None:
    run = play_run(EVERYTHING, seed, timeline=True)
    booked = run.work_s + sum(seconds for phases in run.lost.values() for seconds in phases.values())
    assert booked == pytest.approx(run.wall_s, rel=1e-9)
    assert all(seconds >= 0 for phases in run.lost.values() for seconds in phases.values())
    spans = run.timeline
    assert spans[0].start == 0.0
    assert spans[-1].end == run.wall_s
    assert all(one.end == pytest.approx(two.start) for one, two in pairwise(spans))
    standing = sum(span.end - span.start for span in spans if span.state != "training")
    assert standing == pytest.approx(run.standing_s)


def test_same_seed_same_run_to_the_last_bit() -> None:
    assert play_run(EVERYTHING, 3) == play_run(EVERYTHING, 3)
    assert play_run(EVERYTHING, 3).wall_s != play_run(EVERYTHING, 4).wall_s


def strikes_of(here: RunPlan, seed: int, cause: str) -> list[float]:
    """When a cause stops the job, in a run where a failure costs no time, so that nothing hides another."""
    spans = play_run(here, seed, timeline=True).timeline
    return [span.start for span in spans if span.cause == cause and span.state == "detection"]


def test_collection_is_on_again_after_a_run_and_after_a_refusal() -> None:
    play_run(plan(**QUIET), 0)
    assert gc.isenabled()
    with pytest.raises(InfeasibleError):
        play_run(plan(work_s=DAY, sources=(source(a_day=300.0),)), 0)
    assert gc.isenabled()


def test_another_cause_changes_no_draws() -> None:
    """Failures come at the same times of the wall clock, whatever else happens."""
    free = {"recovery": Recovery(), "cycle": Cycle(60.0), "work_s": 20 * DAY}
    tick = (("detection", 1e-3),)
    one = plan(sources=(source("first", 2.0, phases=tick),), **free)
    two = replace(one, sources=(source("other", 3.0, phases=tick), *one.sources), daily_variation=0.0)
    alone, together = strikes_of(one, 7, "first"), strikes_of(two, 7, "first")
    shared = min(len(alone), len(together))
    assert shared > 20
    assert alone[:shared] == pytest.approx(together[:shared], abs=1e-6)
    assert strikes_of(two, 7, "other")[:3] != pytest.approx(alone[:3])


def test_a_failure_rolls_back_to_the_last_checkpoint() -> None:
    """What is done again is less than an interval a failure, and half of one on average."""
    run = play_run(plan(work_s=100 * DAY, sources=(source(),)), 0)
    failures = run.interruptions["device"]
    assert run.lost["device"]["redone"] / failures == pytest.approx(1500.0, rel=0.15)
    assert run.lost["device"]["restart"] / failures == pytest.approx(300.0, rel=0.05)


def test_memory_saves_what_storage_loses() -> None:
    cycle = Cycle(300.0, 60.0, 0.0, 10, 1.0)
    lost = [
        play_run(plan(cycle=cycle, recovery=Recovery(300.0, 60.0, 10.0, share)), 0).lost["device"]["redone"]
        for share in (0.0, 0.9, 1.0)
    ]
    assert lost[0] > 3 * lost[1] > 3 * lost[2]


def test_silent_corruption_costs_what_was_trained_on_it() -> None:
    run = play_run(plan(work_s=300 * DAY, sources=(source("silent", 0.1, silent_s=DAY / 2, idle=False),)), 1)
    found = run.interruptions["silent"]
    assert found > 10
    assert run.lost["silent"]["redone"] / found == pytest.approx(DAY / 2 + 1500.0, rel=0.06)


def test_a_rollback_to_before_a_corruption_heals_it() -> None:
    """Where a hard failure comes before the next checkpoint most of the time, few corruptions live to be noticed."""
    silent = source("silent", 2.0, silent_s=DAY / 8, idle=False)
    here = plan(work_s=3 * DAY, cycle=Cycle(1500.0), recovery=Recovery(), sources=(silent,))
    alone = play_run(here, 0)
    often = play_run(replace(here, sources=(silent, source(a_day=100.0, phases=()))), 0)
    assert alone.interruptions["silent"] / alone.wall_s > 1.2 / DAY
    assert 0 < often.interruptions["silent"] / often.wall_s < 0.8 / DAY


def test_spares_run_out_and_the_job_waits_or_shrinks() -> None:
    few = JobNodes(64, 16, 4.0, 1, 2 * DAY)
    sources = (source(a_day=1.5),)
    waits = play_run(plan(sources=sources, fleet=few), 0)
    assert waits.lost["missing nodes"]["waiting"] > DAY / 2
    shrinks = play_run(plan(sources=sources, fleet=replace(few, shrink=True)), 0)
    assert shrinks.lost["fewer replicas"]["slower"] > DAY / 10
    assert shrinks.lost.get("missing nodes", {}).get("waiting", 0.0) == 0.0
    assert shrinks.wall_s < waits.wall_s
    many = play_run(plan(sources=sources, fleet=replace(few, spares=64)), 0)
    assert "missing nodes" not in many.lost


def test_a_node_that_is_back_before_the_job_asks_is_taken() -> None:
    """Repairs of a minute are over before detection and diagnosis are: nobody waits."""
    run = play_run(plan(sources=(source(),), fleet=JobNodes(64, 16, 4.0, 0, 10.0)), 0)
    assert run.interruptions["device"] > 20
    assert run.lost.get("missing nodes", {}).get("waiting", 0.0) < 60.0


def test_replicas_are_whole() -> None:
    fleet = JobNodes(64, 16, 4.0)
    assert [fleet.pace(missing) for missing in (0, 1, 4, 5, 63)] == [1.0, 15 / 16, 15 / 16, 14 / 16, 0.0]


def test_infants_die_early() -> None:
    young = plan(sources=(source(a_day=1.0, infant_count=100.0, infant_decay=2 * DAY),), work_s=60 * DAY)
    run = play_run(young, 0, timeline=True)
    times = [span.start for span in run.timeline if span.state == "detection"]
    assert sum(time < 5 * DAY for time in times) > 60
    assert abs(sum(time > 15 * DAY for time in times) - (run.wall_s / DAY - 15)) < 4 * (run.wall_s / DAY - 15) ** 0.5


def test_slow_nodes_hold_everybody_until_they_are_replaced() -> None:
    slow = SlowNodes(0.2 / DAY, 1.5, detection_s=DAY)
    run = play_run(plan(sources=(), slow_nodes=slow), 0)
    assert run.lost["slow nodes"]["slower"] > DAY / 10
    assert run.lost["slow nodes"]["restart"] > 0.0
    assert "redone" not in run.lost["slow nodes"], "a planned replacement saves first"
    worse = play_run(plan(sources=(), slow_nodes=replace(slow, drift=0.2, detection_s=10 * DAY)), 0)
    patient = play_run(plan(sources=(), slow_nodes=replace(slow, lasts_s=DAY, detection_s=float("inf"))), 0)
    assert worse.wall_s > run.wall_s
    assert "restart" not in patient.lost["slow nodes"]


def test_maintenance_and_stalls() -> None:
    run = play_run(plan(sources=(), maintenance=Maintenance(interval=DAY, duration=3600.0)), 0)
    assert run.lost["maintenance"]["stopped"] == pytest.approx(3600.0 * int(run.wall_s / DAY))
    assert run.lost["maintenance"]["saving"] == pytest.approx(60.0 * int(run.wall_s / DAY))
    assert run.interruptions == {}
    stalled = play_run(plan(sources=(), stalls=Stalls(rate=5.0 / DAY, duration=600.0)), 0)
    assert stalled.lost["data stalls"]["waiting"] == pytest.approx(50 * 600.0, rel=0.5)


def test_a_run_that_makes_no_headway_is_refused() -> None:
    with pytest.raises(InfeasibleError, match="makes no headway"):
        play_run(plan(work_s=DAY, sources=(source(a_day=300.0),)), 0)
