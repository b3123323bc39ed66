"""What to change about a run: how often to save, how many spares to keep, what faster recovery is worth.

Everything is judged by the closed form of the run clock, one change at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clustersim.errors import InfeasibleError
from clustersim.inputs.amounts import counted
from clustersim.inputs.reliability import Checkpoint, Reliability
from clustersim.inputs.units import SECONDS_A_DAY
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import bill_of
from clustersim.simulation.run_clock.expected import ExpectedRun, expected_run
from clustersim.simulation.run_clock.plan import plan_of
from clustersim.simulation.run_clock.slow_nodes import slow_among

NEAR_BEST = 0.995  # of the goodput with a spare always at hand: the target of spares unless one is given
LEAST_SAVED = 1e-6  # of the run: a change that does less has nothing to better
TOLERANCE = 1e-3  # of the best interval


@dataclass(frozen=True)
class Option:
    """A run with something changed."""

    change: str
    goodput: float
    days: float
    days_saved: float  # negative: it takes longer
    usd_saved: float | None  # None: nobody knows the price


@dataclass(frozen=True)
class SpareAdvice:
    """How many nodes should stand by."""

    target: float  # goodput
    best: float  # with a spare always at hand
    nodes: int | None  # None: the best is below the target
    option: Option | None


@dataclass(frozen=True)
class Advice:
    """What a run would gain, by the closed form."""

    now: Option
    interval_s: float | None  # between checkpoints; None: there are none
    best_interval_s: float | None
    best_interval: Option | None
    spares: SpareAdvice | None  # None: the time of a repair isn't known
    options: tuple[Option, ...]  # the most worthwhile first

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        spares = self.spares
        return {
            "now": vars(self.now),
            "interval_s": self.interval_s,
            "best_interval_s": self.best_interval_s,
            "best_interval": None if self.best_interval is None else vars(self.best_interval),
            "spares": None
            if spares is None
            else vars(spares) | {"option": None if spares.option is None else vars(spares.option)},
            "options": [vars(option) for option in self.options],
        }


class Adviser:
    """Judges variants of one run's failure profile."""

    def __init__(self, result: RunResult) -> None:
        scenario, ideal = result.step.scenario, result.ideal_days
        if result.plan is None or ideal is None or scenario.reliability is None:
            reason = result.missing.get("training_days", "give a failure profile: reliability, or --reliability NAME")
            raise InfeasibleError(f"there is nothing to advise on: {reason}")
        self.result, self.scenario, self.profile = result, scenario, scenario.reliability
        self.ideal_s = ideal * SECONDS_A_DAY
        self.slow_nodes = result.plan.slow_nodes
        self.now = self.expected(self.profile)
        if math.isinf(self.now.wall_s):
            raise InfeasibleError(result.missing["training_days"])

    def expected(self, profile: Reliability) -> ExpectedRun:
        """What the run is expected to take with another profile."""
        scenario = self.scenario.model_copy(update={"reliability": profile})
        slow = self.slow_nodes
        if slow is not None and profile.stragglers is not None:
            slow = slow_among(profile.stragglers, scenario.cluster.nodes, slow.slowdowns)
        return expected_run(plan_of(scenario, self.ideal_s, self.result.step.step_time_s, slow))

    def option(self, change: str, profile: Reliability) -> Option:
        """The run with another profile, beside the run as it is."""
        run = self.expected(profile)
        scenario = self.scenario.model_copy(update={"reliability": profile})
        before, after = (
            bill_of(self.scenario, self.now.wall_s, self.now.standing_s),
            bill_of(scenario, run.wall_s, run.standing_s),
        )
        saved = None if before.cost_usd is None or after.cost_usd is None else before.cost_usd - after.cost_usd
        days = run.wall_s / SECONDS_A_DAY
        return Option(change, run.goodput, days, self.now.wall_s / SECONDS_A_DAY - days, saved)

    def changed(self, **values: Any) -> Reliability:
        """The profile with other values."""
        return self.profile.model_copy(update=values)

    def with_interval(self, seconds: float) -> Reliability:
        """The profile with another time between checkpoints."""
        assert self.profile.checkpoint is not None
        return self.changed(checkpoint=self.profile.checkpoint.model_copy(update={"interval": seconds}))


def advise(result: RunResult, *, target: float | None = None) -> Advice:
    """Advice on a run with a failure profile; `target` is the goodput that spares are counted for.

    Raises InfeasibleError without a profile or tokens, and for a run that makes no headway.
    """
    adviser = Adviser(result)
    interval = adviser.now.interval_s
    best = None if adviser.profile.checkpoint is None or not adviser.profile.failures else _best_interval(adviser)
    judged = [adviser.option(change, profile) for change, profile in _changes(adviser)]
    options = [option for option in judged if abs(option.days_saved) > LEAST_SAVED * option.days]
    return Advice(
        now=adviser.option("as it is", adviser.profile),
        interval_s=interval,
        best_interval_s=best,
        best_interval=None
        if best is None
        else adviser.option("checkpoints at the best interval", adviser.with_interval(best)),
        spares=_spares(adviser, target),
        options=tuple(sorted(options, key=lambda option: -option.days_saved)),
    )


def _best_interval(adviser: Adviser) -> float:
    """Training seconds between checkpoints that make the expected run shortest, from a step to a tenth of the run."""
    from scipy.optimize import minimize_scalar

    low, high = adviser.result.step.step_time_s, adviser.ideal_s / 10.0
    found = minimize_scalar(
        lambda exponent: adviser.expected(adviser.with_interval(math.exp(exponent))).wall_s,
        bounds=(math.log(low), math.log(max(high, 2.0 * low))),
        method="bounded",
        options={"xatol": TOLERANCE},
    )
    return max(
        math.exp(float(found.x)), adviser.expected(adviser.with_interval(math.exp(float(found.x)))).interval_s or 0
    )


def _spares(adviser: Adviser, target: float | None) -> SpareAdvice | None:
    """The fewest spares that reach the target; goodput grows with their number, so halving finds them."""
    if adviser.profile.repair is None:
        return None
    best = adviser.expected(adviser.changed(spares=None)).goodput
    wanted = NEAR_BEST * best if target is None else target

    def reaches(nodes: int) -> bool:
        return adviser.expected(adviser.changed(spares=nodes)).goodput >= wanted

    if wanted >= best:
        return SpareAdvice(wanted, best, None, None)
    low, high = -1, 1
    while not reaches(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return SpareAdvice(wanted, best, high, adviser.option(_spare_words(high), adviser.changed(spares=high)))


def _spare_words(nodes: int) -> str:
    return f"{counted(nodes, 'spare node')}"


def _changes(adviser: Adviser) -> Iterator[tuple[str, Reliability]]:
    """Profiles with one thing made better, where there is something to better."""
    profile, restart, kept = adviser.profile, adviser.profile.restart, adviser.profile.checkpoint
    if profile.failures:
        yield "half the failures", adviser.changed(rate_factor=profile.rate_factor / 2.0)
        yield "detection and diagnosis twice as fast", adviser.changed(**_found_faster(profile))
    faster: dict[str, float] = {
        name: getattr(restart, name) / 2.0 for name in ("scheduling", "initialisation", "initialisation_per_device")
    }
    if any(faster.values()):
        yield "scheduling and initialisation twice as fast", adviser.changed(restart=restart.model_copy(update=faster))
    if restart.manual_share and restart.manual_time:
        yield "no waiting for a person", adviser.changed(restart=restart.model_copy(update={"manual_share": 0.0}))
    if kept is not None:
        yield "storage twice as fast", adviser.changed(**_stored_faster(adviser, kept))
        if kept.mode == "synchronous":
            background = {"mode": "asynchronous", "blocking": None}
            yield "asynchronous checkpoints", adviser.changed(checkpoint=kept.model_copy(update=background))
    if profile.stragglers is not None and profile.stragglers.detection != SECONDS_A_DAY / 24.0:
        soon = profile.stragglers.model_copy(update={"detection": SECONDS_A_DAY / 24.0})
        yield "slow nodes found and replaced within an hour", adviser.changed(stragglers=soon)


def _found_faster(profile: Reliability) -> Mapping[str, Any]:
    failures = {
        name: failure.model_copy(
            update={
                key: getattr(failure, key) / 2.0
                for key in ("detection", "diagnosis")
                if getattr(failure, key) is not None
            }
        )
        for name, failure in profile.failures.items()
    }
    return {"failures": failures, "detection": profile.detection / 2.0, "diagnosis": profile.diagnosis / 2.0}


def _stored_faster(adviser: Adviser, kept: Checkpoint) -> Mapping[str, Any]:
    """Writes and loading in half the time; what blocks stays where it is a copy to the host."""
    halves = {name: getattr(kept, name) for name in ("write", "bandwidth", "node_bandwidth")}
    faster = {
        name: value / 2.0 if name == "write" else value * 2.0 for name, value in halves.items() if value is not None
    }
    if kept.mode == "synchronous" and kept.blocking is not None:
        faster["blocking"] = kept.blocking / 2.0
    restart = adviser.profile.restart
    loading = None if restart.loading is None else restart.loading / 2.0
    return {
        "checkpoint": kept.model_copy(update=faster),
        "restart": restart.model_copy(update={"loading": loading}),
    }
