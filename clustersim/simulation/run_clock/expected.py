"""The run in closed form: what it is expected to take. Exact for renewal processes, first order for the rest.

Exact (Daly 2006 with detection, diagnosis and restart by cause, and failures of the recovery itself): Poisson failures
that roll back to the last checkpoint in storage, fixed recovery times or exponential waits for a person, asynchronous
writes. To first order: a tier in memory, silent corruption, waiting for spares, fewer replicas, slow nodes, planned
stops, infant mortality.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats
from clustersim.inputs.units import SECONDS_A_DAY
from clustersim.simulation.run_clock.plan import InterruptionCause, JobNodes, RunPlan
from clustersim.simulation.run_clock.slow_nodes import SlowNodes

ROUNDS = 4  # of the run's length, on which infant mortality and slow nodes depend
LEAST_GOODPUT = 0.02  # a run that is expected to stay below makes no headway
MANY = 20_000  # nodes at once: by so many, chance hardly moves their number, nor one more the slowest of them
SAMPLES = 65  # of the run's length, over which slow nodes gather


@dataclass(frozen=True)
class ExpectedRun:
    """What a run is expected to take."""

    wall_s: float
    goodput: float  # undisturbed over wall time
    standing_s: float  # of the wall time, in which nothing is trained, checkpoints apart
    mtti_s: float | None  # mean wall time to an unexpected interruption; None: nothing fails
    interval_s: float | None  # training between checkpoints in storage; None: there are none


def renewal_seconds(
    work: ArrayLike,
    interval: ArrayLike,
    blocking: ArrayLike,
    rate: ArrayLike,
    recovery: ArrayLike,
    write: ArrayLike = 0.0,
) -> Floats:
    """Expected wall seconds of `work` training seconds with a checkpoint every `interval`, all as arrays.

    (1 / rate + recovery) (n (exp(rate (interval + blocking)) - 1) exp(rate write) + exp(rate rest) - 1), where n
    checkpoints are taken before the end and `rest` is trained after the last; without failures n blocking + work.
    Source: Daly 2006, "A higher order estimate of the optimum checkpoint interval for restart dumps", eq. 13, with the
    expected recovery in place of his restart; exp(rate write): a stretch of length L saves floor((L - write) / length).
    """
    done, every, stop, often, back, later = np.broadcast_arrays(
        *(np.asarray(value, dtype=float) for value in (work, interval, blocking, rate, recovery, write))
    )
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        saves = np.where(np.isfinite(every), np.maximum(0.0, np.ceil(done / every) - 1.0), 0.0)
        rest = done - np.where(saves > 0, saves * every, 0.0)
        length = np.where(saves > 0, every + stop, 0.0)
        failing = (1.0 / often + back) * (
            saves * np.expm1(often * length) * np.exp(often * later) + np.expm1(often * rest)
        )
    return np.asarray(np.where(often > 0, failing, saves * stop + done))


def recovery_seconds(plan: RunPlan, rates: dict[str, float]) -> tuple[float, float]:
    """Expected seconds from a failure to training again, and from a planned stop's end, failures in it included.

    A recovery of R that is struck begins again as the striking cause's: x_c = (1 - E exp(-r R_c)) (1 / r + x), with x
    the mean of x_c over the causes that strike at rest, and r their rate.
    """
    recovery = plan.recovery
    loading = recovery.memory_share * recovery.memory_loading_s + (1.0 - recovery.memory_share) * recovery.loading_s
    restart = recovery.restart_s + loading
    resting = sum(rates[source.name] for source in plan.sources if source.idle)
    everything = sum(rates.values())
    if everything == 0.0:
        return 0.0, recovery.restart_s + recovery.loading_s
    again = 0.0
    if resting:
        struck = sum(rates[s.name] * _struck(plan, s, restart, resting) for s in plan.sources if s.idle) / resting
        again = struck / resting / (1.0 - struck) if struck < 1.0 else math.inf

    def lasts(source: InterruptionCause) -> float:
        if not resting:
            manual = recovery.manual_share * recovery.manual_s
            return sum(seconds for _, seconds in source.phases) + manual + restart
        return _struck(plan, source, restart, resting) * (1.0 / resting + again)

    mean = sum(rates[source.name] * lasts(source) for source in plan.sources) / everything
    stop = recovery.restart_s + recovery.loading_s
    planned = -math.expm1(-resting * stop) * (1.0 / resting + again) if resting else stop
    return mean, planned


def _struck(plan: RunPlan, source: InterruptionCause, restart: float, resting: float) -> float:
    """Chance that a recovery is struck: 1 - E exp(-r R), with an exponential wait for a person in some."""
    manual, fixed = plan.recovery, sum(seconds for _, seconds in source.phases) + restart
    waits = 1.0 - manual.manual_share * (1.0 - 1.0 / (1.0 + resting * manual.manual_s))
    return 1.0 - math.exp(-resting * fixed) * waits


def expected_run(plan: RunPlan) -> ExpectedRun:
    """What a plan is expected to take. A run that makes no headway has a goodput of 0 and an infinite time."""
    wall = plan.work_s
    rates: dict[str, float] = {}
    trains = 1.0
    for _ in range(ROUNDS):
        rates = {source.name: source.rate + source.excess(wall) / wall for source in plan.sources}
        wall, trains = _wall_seconds(plan, rates, wall)
        if not plan.work_s / wall >= LEAST_GOODPUT:
            return ExpectedRun(math.inf, 0.0, math.inf, None, None)
    failures = sum(rates.values())
    cycle = plan.cycle
    return ExpectedRun(
        wall_s=wall,
        goodput=plan.work_s / wall,
        standing_s=wall * (1.0 - trains),
        mtti_s=1.0 / _counted(plan, rates) if failures else None,
        interval_s=cycle.trained_a_cycle if cycle.saves else None,
    )


def _counted(plan: RunPlan, rates: dict[str, float]) -> float:
    """Unexpected interruptions a second of wall time: some causes strike in training only."""
    back, _ = recovery_seconds(plan, rates)
    everything = sum(rates.values())
    trains = 1.0 / (1.0 + everything * back)
    return sum(rates[source.name] * (1.0 if source.idle else trains) for source in plan.sources)


def _wall_seconds(plan: RunPlan, rates: dict[str, float], wall: float) -> tuple[float, float]:
    """Expected wall seconds, given the rates and about how long it takes; and the share of them that trains."""
    rate = sum(rates.values())
    back, after_stop = recovery_seconds(plan, rates)
    trains = 1.0 / (1.0 + rate * back)  # share of the wall time, stops that come on top apart
    waits, away = 0.0, 0.0
    for _ in range(ROUNDS):  # what fails in training only fails less where the job waits
        out = sum(rates[s.name] * s.replaces * (1.0 if s.idle else trains * (1.0 - waits)) for s in plan.sources)
        slow = None if plan.slow_nodes is None else plan.slow_nodes.among(out / plan.fleet.nodes)
        away = (out + (slow.rate * slow.evicted if slow else 0.0)) * plan.fleet.repair_s
        waits = _waits(plan.fleet, away, 1)
    pace = plan.cycle.pace * (1.0 - plan.daily_variation / 2.0) * _slow_pace(slow, wall) * _fleet_pace(plan.fleet, away)
    stalled = 1.0 + plan.stalls.rate * plan.stalls.duration if plan.stalls else 1.0
    base = _renewal(plan, rate, back, plan.work_s / pace * stalled, stalled)
    base *= 1.0 - (1.0 - trains) * _waits(plan.fleet, away, 0) * _before_nodes(plan, rates, back)
    wasted = sum(rates[s.name] * s.silent_s for s in plan.sources if s.silent_s is not None)
    stops = 0.0
    if plan.maintenance is not None:
        stops += (plan.saving_s + plan.maintenance.duration + after_stop) / plan.maintenance.interval
    if slow is not None:
        stops += slow.rate * slow.evicted * (plan.saving_s + after_stop)
    left = (1.0 - waits) * (1.0 - trains * (stops + wasted))
    return base / left if left > 0.0 else math.inf, trains * (1.0 - waits) * (1.0 - trains * stops)


def _renewal(plan: RunPlan, rate: float, back: float, trained: float, stalled: float) -> float:
    """The renewal form; with a tier in memory, failures that it survives are an inner renewal of the outer one's."""
    cycle, memory = plan.cycle, plan.recovery.memory_share
    every = cycle.trained_a_cycle * stalled
    if memory == 0.0 or cycle.snapshots == 1:
        length = cycle.blocking + (cycle.snapshots - 1) * cycle.pause
        return float(renewal_seconds(trained, every, length, rate, back, cycle.write))
    inner = cycle.interval * stalled
    soft = float(renewal_seconds(every, inner, cycle.pause, rate * memory, back)) / every
    hard = rate * (1.0 - memory)
    return float(renewal_seconds(trained * soft, every * soft, cycle.blocking, hard, back, cycle.write))


def _waits(fleet: JobNodes, away: float, more: int) -> float:
    """Share of time in which at least `more` nodes beyond the spares are in repair, where the job waits for them.

    `away`: the mean number in repair; it is Poisson, as in an M/G/infinity queue. The job trains at other times only.
    """
    if fleet.spares is None or fleet.shrink or away == 0.0:
        return 0.0
    from scipy.special import gammainc

    return float(gammainc(fleet.spares + more, away)) if fleet.spares + more else 1.0


def _before_nodes(plan: RunPlan, rates: dict[str, float], back: float) -> float:
    """Share of a recovery that comes before nodes are replaced: who waits for them has it behind."""
    rate = sum(rates.values())
    if not rate or not back:
        return 0.0
    manual = plan.recovery.manual_share * plan.recovery.manual_s
    first = sum(rates[s.name] * (sum(seconds for _, seconds in s.phases) + manual) for s in plan.sources) / rate
    return min(1.0, first / back)


def _fleet_pace(fleet: JobNodes, away: float) -> float:
    """Expected throughput with the nodes that are there, where the job goes on with fewer."""
    if fleet.spares is None or not fleet.shrink or away == 0.0:
        return 1.0
    if away > MANY:
        return fleet.pace(max(0, min(math.ceil(away) - fleet.spares, fleet.nodes)))
    return sum(chance * fleet.pace(max(0, out - fleet.spares)) for out, chance in enumerate(_poisson(away)))


def _slow_pace(slow: SlowNodes | None, wall: float) -> float:
    """Expected throughput with slow nodes, whose number grows until as many leave as come; Poisson at every moment."""
    if slow is None or slow.rate == 0.0:
        return 1.0
    paces = []
    for share in np.linspace(0.0, 1.0, SAMPLES):
        time = float(share) * wall
        number = slow.rate * (slow.stay_s * -math.expm1(-time / slow.stay_s) if slow.stay_s < math.inf else time)
        factor = slow.factor + slow.drift * min(time / 2.0, slow.stay_s) / SECONDS_A_DAY
        if number > MANY:
            paces.append(slow.slowdowns.pace(factor, MANY))
            continue
        paces.append(sum(chance * slow.slowdowns.pace(factor, nodes) for nodes, chance in enumerate(_poisson(number))))
    return float(np.trapezoid(paces, dx=1.0 / (SAMPLES - 1)))


def _poisson(mean: float) -> list[float]:
    """Chances of 0, 1, 2, ... as far as they matter."""
    numbers = np.arange(math.ceil(mean + 10.0 * math.sqrt(mean) + 10.0))
    logs = np.cumsum(np.log(np.maximum(1, numbers)))
    chances: list[float] = np.exp(numbers * math.log(mean) - mean - logs).tolist() if mean > 0 else [1.0]
    return chances
