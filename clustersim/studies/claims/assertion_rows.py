"""What assertions are judged by, and the row that each judgement makes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.hardware import Accelerator
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.intervals import Interval
from clustersim.simulation.results import StepResult
from clustersim.studies.claims.definitions import flops_a_token, most_flops
from clustersim.studies.claims.draws import Draws, attainable, reached_again, within_reach
from clustersim.studies.claims.equations import Devices
from clustersim.studies.claims.outcomes import BestLayout
from clustersim.studies.claims.verdicts import ClaimedFigure, Shown, judge
from clustersim.studies.published import PublishedRun, Record, best_published

HALF = ("bf16", "fp16", "unstated")  # records that a training in 16 bits compares with


@dataclass(frozen=True)
class AssertionRow:
    """One assertion under one definition and base."""

    id: str
    definition: str
    base: str
    claimed: float
    best_attainable: float | None
    interval_80: Interval | None
    probability: float | None
    record: str | None
    verdict: str
    reason: str
    counts: bool  # whether the claim's verdict rests on it
    unit: str
    base_name: str = ""  # the peak of the claim's chip that it hangs on, as equations name it
    follows_from: str = ""  # id of the utilization that asks this of another system
    boast: ClaimedFigure | None = field(default=None, compare=False, repr=False)  # with its draws, for plots


@dataclass(frozen=True)
class Mark:
    """A published run beside a figure, and what sets its system apart from the claim's; empty where it is evidence."""

    run: PublishedRun
    apart: str = ""


@dataclass(frozen=True, eq=False)
class ClaimContext:
    """The best layout at every point of what a claim leaves open, what was drawn, and what others published."""

    points: tuple[BestLayout, ...]  # at least one
    records: tuple[Record, ...] = ()
    open_devices: bool = False  # the claim leaves the number of devices open
    seed: int = 0

    @property
    def scenario(self) -> Scenario:
        """The first point's; all points share chip, model and stack unless the claim leaves these open."""
        return self.points[0].result.step.scenario

    @property
    def chip(self) -> Accelerator:
        """The accelerator that the claim is about."""
        return self.scenario.cluster.accelerator

    @property
    def steps(self) -> tuple[StepResult, ...]:
        """The step of every point."""
        return tuple(point.result.step for point in self.points)

    @property
    def devices(self) -> Devices:
        """How many devices there are."""
        counts = [step.devices for step in self.steps]
        return Devices(min(counts), max(counts), stated=not self.open_devices)

    @property
    def kind(self) -> str:
        """Of model, as records tell them apart."""
        return "moe" if self.scenario.model.moe else "dense"

    @cached_property
    def draws(self) -> Draws:
        """The draws over the points."""
        return Draws(self.points, self.seed)

    def predicted_rate(self, convention: str) -> Floats:
        """Model FLOP/s a device by a convention, as predicted in every draw."""
        seconds = self.draws.figure("step_time_s")
        assert seconds is not None
        work = [
            flops_a_token(step, convention) * step.scenario.training.tokens_per_step / step.devices
            for step in self.steps
        ]
        return self.draws.by_point(work) / seconds

    def rate(self, convention: str) -> Floats:
        """Model FLOP/s a device that can be had in every draw: predictions, weighed against the best published run.

        A mixture is held against dense runs where nobody published one, for routing, exchanges and narrower products
        come on top of what a dense model does; a dense model isn't held against mixtures.
        """
        published = self.published(convention)
        if published is None or not (published.same_kind or self.kind == "moe"):
            reached = attainable(self.predicted_rate(convention), self.draws)
        else:
            reached = attainable(self.predicted_rate(convention), self.draws, published.flops, published.groups)
        return np.minimum(reached, self.draws.by_point([most_flops(step.scenario, convention) for step in self.steps]))

    @cached_property
    def gain(self) -> Floats:
        """What can be had over what is predicted, in throughput: times and costs shrink by as much."""
        return self.rate("full") / self.predicted_rate("full")

    def mark(self, convention: str) -> Mark | None:
        """What has been published to hold against figures of a convention.

        It is evidence where the claim's system may be as fast, and so is the fastest such run of the very model; else
        it shows what the chip can do.
        """
        best = self.published(convention)
        if best is None:
            return None
        if not best.same_kind:
            return Mark(best, "of another kind of model")
        reach = within_reach(self.predicted_rate(convention), self.draws)
        if best.flops <= reach:
            return Mark(best)
        slower = self.published(convention, reach)
        return Mark(slower) if slower is not None and slower.same_model else Mark(best, "of a faster system")

    def shown(self, mark: Mark | None, figure: Floats, power: float = 1.0) -> Shown | None:
        """A figure that a published run makes in every draw, as evidence; None where its system is another."""
        return None if mark is None or mark.apart else Shown(figure, reached_again(figure, self.draws, power))

    def published(self, convention: str, at_most: float = math.inf) -> PublishedRun | None:
        """The best published run, of the very model if there is one; one node's runs say nothing of a cluster."""
        largest = max(self.steps, key=lambda step: step.devices)
        smallest = min(self.steps, key=lambda step: step.devices)
        cluster = largest.scenario.cluster
        half = self.scenario.training.precision in HALF
        return best_published(
            [record for record in self.records if not half or record.precision in HALF],
            self.chip.name,
            self.kind,
            convention,
            longest_sequence=max(step.scenario.training.sequence_length for step in self.steps),
            devices=smallest.devices,
            more_than=cluster.node.devices if cluster.nodes > 1 else 0,
            model=self.scenario.model.name,
            at_most=at_most,
        )


def judged_row(
    name: str,
    definition: str,
    boast: ClaimedFigure,
    *,
    base: str = "",
    mark: Mark | None = None,
    counts: bool = True,
    reason: str = "",
    base_name: str = "",
    follows_from: str = "",
) -> AssertionRow:
    """The row of a judged figure; `reason` stands before the judgement's own unless the bound decides."""
    judgement = judge(boast)
    return AssertionRow(
        name,
        definition,
        base,
        boast.claimed,
        boast.best,
        boast.interval_80,
        judgement.probability,
        None if mark is None else mark.run.described,
        judgement.verdict,
        reason if reason and judgement.verdict != "impossible" else judgement.reason,
        counts,
        boast.unit,
        base_name,
        follows_from,
        boast,
    )


def untestable_row(
    name: str, definition: str, claimed: float, unit: str, reason: str, *, base: str = "", counts: bool = True
) -> AssertionRow:
    """The row of a figure that nothing given ties to physics."""
    return AssertionRow(name, definition, base, claimed, None, None, None, None, "untestable", reason, counts, unit)


def reasoned_row(
    name: str,
    definition: str,
    claimed: float,
    unit: str,
    verdict: str,
    reason: str,
    *,
    base: str = "",
    best: float | None = None,
    interval_80: tuple[float, float] | None = None,
    probability: float | None = None,
    counts: bool = True,
) -> AssertionRow:
    """The row of a figure that no step is played for."""
    return AssertionRow(
        name, definition, base, claimed, best, interval_80, probability, None, verdict, reason, counts, unit
    )


def counting(rows: Sequence[AssertionRow]) -> list[AssertionRow]:
    """The rows that the claim's own figures are judged by."""
    return [row for row in rows if row.counts and not row.follows_from]
