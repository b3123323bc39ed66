"""Verdicts: what a claimed figure is called, given what is attainable, bounded and published."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from clustersim.inputs.stack import Residual
from clustersim.studies.amounts import amount, times

VERDICTS = ("supported", "plausible", "untestable", "implausible", "inconsistent", "impossible")  # best to worst
PLAUSIBLE = 0.05
SUPPORTED = 0.50
PROBABILITY_FLOOR = 1.0 / 103.0  # 1 / (groups + 1): the packaged measured runs fall into 102 groups


@dataclass(frozen=True)
class Boast:
    """A claimed figure beside what can be had, all in one unit."""

    claimed: float
    best: float  # of the best layouts
    bound: float  # that no layout gets past
    residual: Residual  # how far predictions lie from measurement
    unit: str
    record: float | None = None  # what somebody published
    record_supports: bool = True  # whether it is of the same kind of model
    lower: bool = False  # less is the greater boast: times and costs
    tolerance: float = 0.0  # of an equality
    both_ways: bool = False  # an equality that fails from above, too

    @property
    def least(self) -> float:
        """The least that makes the assertion true: an equality's tolerance is granted."""
        return self.claimed * (1 + self.tolerance if self.lower else 1 - self.tolerance)

    def reached_by(self, figure: float) -> bool:
        """Whether a figure is as much as is claimed."""
        return figure <= self.least if self.lower else figure >= self.least

    @property
    def probability(self) -> float:
        """Probability that what is claimed is attainable: log-normal model error around the best layouts.

        Whoever can do more can do as much, so an equality is judged by its easy end; one of `both_ways`, between two
        systems at their best, by whichever end is the less probable. Never below what the evidence supports.
        """
        excess = math.log(self.least / self.best if self.lower else self.best / self.least)
        if self.both_ways:
            excess = min(excess, math.log(self.claimed * (1 + self.tolerance) / self.best))
        return max(PROBABILITY_FLOOR, NormalDist().cdf(excess / self.residual.spread))


@dataclass(frozen=True)
class Judgement:
    """A verdict with its probability and one sentence of reason."""

    verdict: str
    probability: float
    reason: str


def judge(boast: Boast) -> Judgement:
    """The verdict on a boast: by the bound, by a published record, then by probability."""
    if not boast.reached_by(boast.bound):
        return Judgement("impossible", 0.0, _past_the_bound(boast))
    verdict = verdict_of(boast.probability)
    if boast.record is not None and boast.record_supports and boast.reached_by(boast.record) and not boast.both_ways:
        verdict = "supported"
    return Judgement(verdict, boast.probability, _reason(boast, verdict))


def verdict_of(probability: float) -> str:
    """What a probability within the bound is called."""
    return "supported" if probability >= SUPPORTED else "plausible" if probability >= PLAUSIBLE else "implausible"


def best_of(verdicts: Iterable[str]) -> str:
    """The best of several verdicts, at least one."""
    return min(verdicts, key=VERDICTS.index)


def worst(verdicts: Iterable[str]) -> str:
    """The worst of several verdicts; `untestable` alone stays untestable and never makes a claim worse."""
    testable = [verdict for verdict in verdicts if verdict != "untestable"]
    return max(testable, key=VERDICTS.index) if testable else "untestable"


def _published(boast: Boast) -> str:
    return "the best published run" if boast.record_supports else "the best published run, of another kind of model,"


def _past_the_bound(boast: Boast) -> str:
    claimed, bound = amount(boast.claimed, boast.unit), amount(boast.bound, boast.unit)
    side = "less than the" if boast.lower else "past the"
    return f"{claimed} is {side} {bound} of the chip's best measured kernel with nothing else to do"


def _reason(boast: Boast, verdict: str) -> str:
    """One sentence: the best layout and the best published run beside the claim."""
    claimed, best = amount(boast.claimed, boast.unit), amount(boast.best, boast.unit)
    record = None if boast.record is None else amount(boast.record, boast.unit)
    if verdict == "implausible":
        return _implausible(boast, claimed, best, record)
    reason = f"the best layout found {'needs' if boast.lower else 'reaches'} {best}"
    joint = ", " if verdict == "plausible" else " and "
    if record is not None and boast.lower:
        reason += f"{joint}at the rate of {_published(boast)} it comes to {record}"
    elif record is not None:
        reason += f"{joint}{_published(boast)} reached {record}"
    return f"{reason}, and {claimed} lies within the model's error" if verdict == "plausible" else reason


def _implausible(boast: Boast, claimed: str, best: str, record: str | None) -> str:
    if boast.lower:
        also = "" if record is None else f", and at the rate of {_published(boast)} it comes to {record}"
        return f"the best layout found needs {best}, {times(boast.best / boast.claimed)} the claim{also}"
    reason = f"{claimed} is {times(boast.claimed / boast.best)} the {best} of the best layout found"
    if record is not None and boast.record:
        reason += f" and {times(boast.claimed / boast.record)} the {record} of {_published(boast).removesuffix(',')}"
    return reason
