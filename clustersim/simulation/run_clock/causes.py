"""What interrupts the job: one SimPy process a cause, each with random streams of its own.

The draws of a cause depend on the seed and its name alone, so that another cause, or another answer of the job, changes
none of them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, NamedTuple

import simpy

from clustersim.inputs.units import SECONDS_A_DAY
from clustersim.randomness import rng
from clustersim.simulation.run_clock.nodes import Events
from clustersim.simulation.run_clock.outages import Outage, SlowNode, Stall, planned
from clustersim.simulation.run_clock.plan import InterruptionCause

if TYPE_CHECKING:
    from clustersim.simulation.run_clock.job import Job

BLOCK = 256  # draws at a time


class Strike(NamedTuple):
    """What chance says of one failure."""

    gap: float  # in mean times between failures
    node: float  # which, as a share of all
    out: float  # below the share that takes a node out: this one does
    person: float
    memory: float
    patience: float  # of a person, in means
    repair: float  # in mean times


def strikes(seed: int, *names: str) -> Iterator[Strike]:
    """Endless draws of one cause."""
    stream = rng(seed, *names)
    while True:
        means = stream.standard_exponential((BLOCK, 3)).tolist()
        shares = stream.random((BLOCK, 4)).tolist()
        for (gap, patience, repair), (node, out, person, memory) in zip(means, shares, strict=True):
            yield Strike(gap, node, out, person, memory, patience, repair)


def start(job: Job) -> None:
    """Start every process that can interrupt the job."""
    plan, env = job.plan, job.env
    for source in plan.sources:
        if source.rate > 0:
            env.process(steady(job, source))
        if source.infant_count > 0:
            env.process(infant(job, source))
    if plan.maintenance is not None:
        env.process(maintenance(job))
    if plan.stalls is not None and plan.stalls.rate > 0:
        env.process(stalls(job))
    if plan.slow_nodes is not None and plan.slow_nodes.rate > 0:
        env.process(slow_nodes(job))


def steady(job: Job, source: InterruptionCause) -> Events:
    """A Poisson process at the steady rate."""
    for strike in strikes(job.seed, "failures", source.name):
        yield job.env.timeout(strike.gap / source.rate)
        fail(job, source, strike)


def infant(job: Job, source: InterruptionCause) -> Events:
    """Failures of young machines beyond the steady rate: a Poisson number, at times that are exponential."""
    stream = rng(job.seed, "infant failures", source.name)
    ages = stream.exponential(source.infant_decay, stream.poisson(source.infant_count))
    ages.sort()
    for age, strike in zip(ages.tolist(), strikes(job.seed, "infant strikes", source.name), strict=False):
        yield job.env.timeout(max(0.0, age - job.env.now))
        fail(job, source, strike)


def fail(job: Job, source: InterruptionCause, strike: Strike) -> None:
    """Something fails; it matters if it is part of the job, and if the job runs where only that counts."""
    index = int(strike.node * job.plan.fleet.nodes)
    if source.on_a_node and index < job.nodes.missing:
        return
    if source.silent_s is not None:
        if job.training:
            job.env.process(corruption(job, source, strike))
    elif job.training or source.idle:
        job.interrupt(_outage(job, source, strike))


def corruption(job: Job, source: InterruptionCause, strike: Strike) -> Events:
    """Results are wrong from here on, until somebody notices; a rollback to before it has healed it."""
    assert source.silent_s is not None
    stain = job.stain()
    yield job.env.timeout(source.silent_s)
    if stain in job.stains:
        job.interrupt(_outage(job, source, strike, stain.clean_work))


def _outage(job: Job, source: InterruptionCause, strike: Strike, clean_work: float | None = None) -> Outage:
    recovery, fleet = job.plan.recovery, job.plan.fleet
    waits = strike.person < recovery.manual_share
    manual = (("manual", recovery.manual_s * strike.patience),) if waits else ()
    return Outage(
        cause=source.name,
        phases=(*source.phases, *manual),
        from_memory=clean_work is None and strike.memory < recovery.memory_share,
        clean_work=clean_work,
        node=int(strike.node * fleet.nodes) if strike.out < source.replaces else None,
        repair_s=strike.repair * fleet.repair_s,
    )


def maintenance(job: Job) -> Events:
    """Planned stops; one that falls into an outage is done in it."""
    assert job.plan.maintenance is not None
    while True:
        yield job.env.timeout(job.plan.maintenance.interval)
        if job.training:
            job.interrupt(planned("maintenance", job.plan.saving_s, job.plan.maintenance.duration))


def stalls(job: Job) -> Events:
    """Data that comes late."""
    assert job.plan.stalls is not None
    stream = rng(job.seed, "data stalls")
    while True:
        for gap, length in stream.standard_exponential((BLOCK, 2)).tolist():
            yield job.env.timeout(gap / job.plan.stalls.rate)
            if job.training:
                job.interrupt(Stall(length * job.plan.stalls.duration))


def slow_nodes(job: Job) -> Events:
    """Nodes become slow, one after the other."""
    assert job.plan.slow_nodes is not None
    stream = rng(job.seed, "slow nodes of the run")
    while True:
        means = stream.standard_exponential((BLOCK, 4)).tolist()
        places = stream.random((BLOCK, 2)).tolist()
        for (gap, recovers, noticed, repair), (stage, node) in zip(means, places, strict=True):
            yield job.env.timeout(gap / job.plan.slow_nodes.rate)
            job.env.process(slow_node(job, (recovers, noticed, repair), stage, node))


def slow_node(job: Job, means: tuple[float, float, float], stage: float, node: float) -> Events:
    """One slow node, until it recovers, is replaced, or fails."""
    slow = job.plan.slow_nodes
    assert slow is not None
    recovers, noticed = means[0] * slow.lasts_s, means[1] * slow.detection_s
    one = SlowNode(int(node * job.plan.fleet.nodes), int(stage * slow.slowdowns.stages), slow.factor)
    job.slow.append(one)
    job.pace_changed()
    yield from ageing(job, one, min(recovers, noticed))
    if one not in job.slow:
        return
    if recovers <= noticed:
        job.slow.remove(one)
        job.pace_changed()
        return
    while not (job.training and job.nodes.at_hand):
        yield job.env.timeout(SECONDS_A_DAY / 24)
        if one not in job.slow:
            return
    job.interrupt(
        planned("slow nodes", job.plan.saving_s, 0.0, node=one.node, repair_s=means[2] * job.plan.fleet.repair_s)
    )


def ageing(job: Job, one: SlowNode, seconds: float) -> Generator[simpy.Event, object, None]:
    """Time passes; where slow nodes drift, this one becomes slower day by day."""
    assert job.plan.slow_nodes is not None
    drift = job.plan.slow_nodes.drift
    while drift and seconds > SECONDS_A_DAY and one in job.slow:
        yield job.env.timeout(SECONDS_A_DAY)
        seconds -= SECONDS_A_DAY
        one.factor += drift
        job.pace_changed()
    if seconds < float("inf"):
        yield job.env.timeout(seconds)
    else:
        yield job.env.event()
