"""The traps of SimPy that the run clock steps around: each shown in SimPy itself, then absent from a run."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest
import simpy
from run_plans import DAY, plan, source

from clustersim.errors import InfeasibleError
from clustersim.simulation.run_clock.causes import start
from clustersim.simulation.run_clock.cycle import Cycle
from clustersim.simulation.run_clock.job import Job
from clustersim.simulation.run_clock.ledger import Ledger
from clustersim.simulation.run_clock.nodes import NodePool
from clustersim.simulation.run_clock.outages import Outage, PaceChange
from clustersim.simulation.run_clock.plan import JobNodes, Recovery
from clustersim.simulation.run_clock.play import play_run

Events = Generator[simpy.Event, object, None]


def test_an_interrupt_leaves_its_timeout_in_the_queue() -> None:
    """So the clock says nothing about when a job ended: a run's length is read when its process ends."""
    env = simpy.Environment()

    def sleeper() -> Events:
        try:
            yield env.timeout(100.0)
        except simpy.Interrupt:
            return

    sleeping = env.process(sleeper())

    def waker() -> Events:
        yield env.timeout(1.0)
        sleeping.interrupt()

    env.process(waker())
    env.run()
    assert env.now == 100.0

    env = simpy.Environment()
    job = Job(env, plan(sources=(), cycle=Cycle(), work_s=100.0), 0, Ledger())
    ended: list[float] = []
    assert job.process.callbacks is not None
    job.process.callbacks.append(lambda _: ended.append(env.now))
    start(job)

    def failure() -> Events:
        yield env.timeout(50.0)
        job.interrupt(Outage("device", (("detection", 5.0),)))

    env.process(failure())
    env.run()
    assert ended == [155.0 + 360.0]  # 50 lost, 5 + 300 + 60 to come back, 100 again


def test_run_until_a_time_skips_what_happens_then() -> None:
    """So a run is played until its process ends, and one that ends at the very limit of patience is still told."""
    env = simpy.Environment()
    seen: list[float] = []

    def clock() -> Events:
        yield env.timeout(10.0)
        seen.append(env.now)

    env.process(clock())
    env.run(until=10.0)
    assert seen == []
    assert play_run(plan(sources=(), cycle=Cycle(), work_s=10.0), 0).wall_s == 10.0


def test_a_deadlock_is_silent() -> None:
    """A job that waits for nodes that never come back would wait for ever; it is refused."""
    env = simpy.Environment()
    never = env.event()

    def waits() -> Events:
        yield never

    env.process(waits())
    env.run()
    assert not never.triggered
    stuck = plan(sources=(source(a_day=2.0),), fleet=JobNodes(64, 16, 4.0, 0, 1e15))
    with pytest.raises(InfeasibleError, match=r"reliability\.spares or repair"):
        play_run(stuck, 0)


def test_an_abandoned_request_keeps_its_place() -> None:
    """A waiting job that is struck again doesn't swallow the node that comes back for it."""
    env = simpy.Environment()
    pool = simpy.Container(env, init=0)
    got: list[str] = []

    def asks(name: str) -> Events:
        try:
            yield pool.get(1)
            got.append(name)
        except simpy.Interrupt:
            return

    first = env.process(asks("first"))
    env.process(asks("second"))

    def story() -> Events:
        yield env.timeout(1.0)
        first.interrupt()
        yield env.timeout(1.0)
        yield pool.put(1)

    env.process(story())
    env.run()
    assert got == []

    env = simpy.Environment()
    nodes = NodePool(env, JobNodes(4, 4, 1.0, 0, 10.0))
    struck: list[float] = []

    def job() -> Events:
        nodes.take_out(10.0)
        while nodes.short:
            try:
                yield from nodes.wait()
            except simpy.Interrupt:
                struck.append(env.now)

    waiting = env.process(job())

    def strikes() -> Events:
        for _ in range(3):
            yield env.timeout(2.0)
            waiting.interrupt()

    env.process(strikes())
    env.run(until=waiting)
    assert (struck, env.now, nodes.missing, nodes.spares) == ([2.0, 4.0, 6.0], 10.0, 0, 0)


def test_ties_follow_the_order_of_creation() -> None:
    """So a job takes interrupts of the same moment in any order with the same outcome."""
    ends = []
    for reasons in (("outage", "pace"), ("pace", "outage")):
        env = simpy.Environment()
        job = Job(env, plan(sources=(), work_s=5000.0, recovery=Recovery(300.0)), 0, Ledger())

        def both(job: Job = job, reasons: tuple[str, str] = reasons) -> Events:
            yield job.env.timeout(4000.0)
            for reason in reasons:
                job.interrupt(Outage("device", ()) if reason == "outage" else PaceChange())

        env.process(both())
        env.run(until=job.process)
        ends.append(env.now)
    assert ends[0] == ends[1] == 4000.0 + 300.0 + 2000.0


def test_an_interrupt_of_a_job_that_has_ended_is_no_error() -> None:
    env = simpy.Environment()
    job = Job(env, plan(sources=(), cycle=Cycle(), work_s=10.0), 0, Ledger())

    def late() -> Events:
        yield env.timeout(10.0)
        job.interrupt(PaceChange())
        yield env.timeout(1.0)
        job.interrupt(PaceChange())

    env.process(late())
    env.run()
    assert not job.process.is_alive


def test_an_interrupt_reaches_a_job_in_every_phase() -> None:
    """Failures that are as frequent as a recovery is long strike it at all times, and every second stays booked."""
    here = replace(plan(work_s=DAY / 2), sources=(source(a_day=60.0),), cycle=Cycle(200.0, 10.0, 30.0))
    run = play_run(here, 0, timeline=True)
    states = {span.state for span in run.timeline}
    assert {"training", "detection", "diagnosis", "restart", "loading"} <= states
    assert sum(span.end - span.start for span in run.timeline) == pytest.approx(run.wall_s)
