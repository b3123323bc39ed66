"""Verdicts: what a claimed figure is called, given what is attainable, bounded and published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.amounts import amount, times
from clustersim.simulation.intervals import Interval

VERDICTS = ("supported", "plausible", "untestable", "implausible", "inconsistent", "impossible")  # best to worst
PLAUSIBLE = 0.05
SUPPORTED = 0.50
EVEN = 0.50
PROBABILITY_FLOOR = 1.0 / 103.0  # 1 / (groups + 1): the packaged measured runs fall into 102 groups
KERNEL = "the chip's best measured kernel with nothing else to do"
STATES = "the model's states shared by all devices"
THE_WHOLE_TIME = "the whole time"
ROUNDING = 1e-9  # of a figure that is claimed just as it is computed


@dataclass(frozen=True, eq=False)
class Shown:
    """What a published run makes of a figure, in every draw."""

    figure: Floats
    again: Floats  # reached once more, give or take what re-measuring changes


@dataclass(frozen=True, eq=False)
class ClaimedFigure:
    """A claimed figure beside what can be had, all in one unit."""

    claimed: float
    attainable: Floats  # in every draw
    bound: float  # that no draw gets past
    unit: str
    record: float | None = None  # what somebody published
    apart: str = ""  # what sets the system of that apart from the claim's; empty where it is evidence
    shown: Shown | None = None  # the record as evidence
    lower: bool = False  # less is the greater boast: times and costs
    tolerance: float = 0.0  # of an equality
    both_ways: bool = False  # an equality that fails from above, too
    limit: str = KERNEL  # what the bound is

    @cached_property
    def within(self) -> Floats:
        """What is attainable, no draw past the bound."""
        return np.maximum(self.attainable, self.bound) if self.lower else np.minimum(self.attainable, self.bound)

    @cached_property
    def best(self) -> float:
        """The median of what is attainable."""
        return float(np.median(self.within))

    @property
    def interval_80(self) -> Interval:
        """From a tenth to nine tenths of the draws."""
        low, high = np.quantile(self.within, (0.1, 0.9))
        return float(low), float(high)

    @property
    def least(self) -> float:
        """The least that makes the assertion true: an equality's tolerance is granted."""
        return self.claimed * (1 + self.tolerance if self.lower else 1 - self.tolerance)

    def reached_by(self, figure: float) -> bool:
        """Whether a figure is as much as is claimed."""
        if self.lower:
            return figure <= self.least * (1 + ROUNDING)
        return figure >= self.least * (1 - ROUNDING)

    @cached_property
    def probability(self) -> float:
        """Share of the draws in which what is claimed is attainable, never below what the evidence supports.

        Whoever can do more can do as much, so an equality is judged by its easy end; one of `both_ways`, between two
        systems at their best, by whichever end is the less probable. A record counts as evidence of its own: where it
        reaches the figure it does so again in half of all cases at least, for errors fall on either side alike.
        """
        share = self._share(self.within)
        if self.shown is not None:
            share = max(share, self._share(self.shown.again), EVEN * self._share(self.shown.figure))
        if self.both_ways:
            share = min(share, float(np.mean(self.within <= self.claimed * (1 + self.tolerance))))
        return max(PROBABILITY_FLOOR, share)

    def _share(self, draws: Floats) -> float:
        """Share of the draws that come to what is claimed; a figure just as it was computed does."""
        if self.lower:
            return float(np.mean(draws <= self.least * (1 + ROUNDING)))
        return float(np.mean(draws >= self.least * (1 - ROUNDING)))


@dataclass(frozen=True)
class Judgement:
    """A verdict with its probability and one sentence of reason."""

    verdict: str
    probability: float
    reason: str


def judge(boast: ClaimedFigure) -> Judgement:
    """The verdict on a boast: by the bound, then by probability, of which published runs are a part."""
    if not boast.reached_by(boast.bound):
        return Judgement("impossible", 0.0, past_the_bound(boast))
    verdict = verdict_of(boast.probability)
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


def _published(boast: ClaimedFigure) -> str:
    return f"the best published run, {boast.apart}," if boast.apart else "the best published run"


def past_the_bound(boast: ClaimedFigure) -> str:
    """Why a figure is impossible, in one sentence."""
    claimed, bound = amount(boast.claimed, boast.unit), amount(boast.bound, boast.unit)
    side = "less than the" if boast.lower else "past the"
    return f"{claimed} is {side} {bound} of {boast.limit}"


def _reason(boast: ClaimedFigure, verdict: str) -> str:
    """One sentence: the best layouts and the best published run beside the claim."""
    claimed, best = amount(boast.claimed, boast.unit), amount(boast.best, boast.unit)
    record = None if boast.record is None else amount(boast.record, boast.unit)
    if verdict == "implausible":
        return _implausible(boast, claimed, best, record)
    reason = f"the best layouts {'need' if boast.lower else 'reach'} {best}"
    joint = ", " if verdict == "plausible" else " and "
    if record is not None and boast.lower:
        reason += f"{joint}at the rate of {_published(boast)} it comes to {record}"
    elif record is not None:
        reason += f"{joint}{_published(boast)} reached {record}"
    return f"{reason}, and {claimed} lies within what is not known" if verdict == "plausible" else reason


def _implausible(boast: ClaimedFigure, claimed: str, best: str, record: str | None) -> str:
    if boast.lower:
        also = "" if record is None else f", and at the rate of {_published(boast)} it comes to {record}"
        return f"the best layouts need {best}, {times(boast.best / boast.claimed)} the claim{also}"
    if boast.best == 0:
        return f"{claimed} is claimed, and the best layouts reach nothing of it"
    if boast.claimed < boast.best:
        return f"{claimed} is {times(boast.claimed / boast.best)} the {best} of the best layouts: too little"
    reason = f"{claimed} is {times(boast.claimed / boast.best)} the {best} of the best layouts"
    if record is not None and boast.record:
        reason += f" and {times(boast.claimed / boast.record)} the {record} of {_published(boast).removesuffix(',')}"
    return reason
