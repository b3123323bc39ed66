"""What assertions are judged by, and the row that each judgement makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clustersim.inputs.hardware import Accelerator
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.intervals import interval
from clustersim.simulation.results import Interval, RunResult, StepResult
from clustersim.studies.consistency import Devices
from clustersim.studies.records import Published, Record, best_published
from clustersim.studies.verdicts import Boast, judge


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


@dataclass(frozen=True)
class Evidence:
    """The best layout at every point of what a claim leaves open, and what others published."""

    points: tuple[RunResult, ...]  # at least one
    records: tuple[Record, ...] = ()
    open_devices: bool = False  # the claim leaves the number of devices open

    @property
    def scenario(self) -> Scenario:
        """The first point's; all points share chip, model and stack unless the claim leaves these open."""
        return self.points[0].step.scenario

    @property
    def chip(self) -> Accelerator:
        """The accelerator that the claim is about."""
        return self.scenario.cluster.accelerator

    @property
    def steps(self) -> tuple[StepResult, ...]:
        """The step of every point."""
        return tuple(point.step for point in self.points)

    @property
    def devices(self) -> Devices:
        """How many devices there are."""
        counts = [step.devices for step in self.steps]
        return Devices(min(counts), max(counts), stated=not self.open_devices)

    def best(self, figure: Callable[[StepResult], float]) -> StepResult:
        """The step with the highest figure."""
        return max(self.steps, key=figure)

    def published(self, convention: str) -> Published | None:
        """The best published run to hold against figures of a convention; one node's runs say nothing of a cluster."""
        cluster = self.best(lambda step: step.devices).scenario.cluster
        return best_published(
            self.records,
            self.chip.name,
            self.kind,
            convention,
            longest_sequence=max(step.scenario.training.sequence_length for step in self.steps),
            more_than=cluster.node.devices if cluster.nodes > 1 else 0,
        )

    @property
    def kind(self) -> str:
        """Of model, as records tell them apart."""
        return "moe" if self.scenario.model.moe else "dense"


def judged_row(
    name: str,
    definition: str,
    boast: Boast,
    *,
    base: str = "",
    published: Published | None = None,
    counts: bool = True,
    reason: str = "",
    base_name: str = "",
    follows_from: str = "",
) -> AssertionRow:
    """The row of a judged figure; `reason` stands before the judgement's own unless the bound decides."""
    judgement = judge(boast)
    low, high = interval(boast.best, boast.residual)["80"]
    return AssertionRow(
        name,
        definition,
        base,
        boast.claimed,
        boast.best,
        (low, min(high, 1.0) if boast.unit == "%" and boast.bound <= 1.0 else high),
        judgement.probability,
        None if published is None else published.described,
        judgement.verdict,
        reason if reason and judgement.verdict != "impossible" else judgement.reason,
        counts,
        boast.unit,
        base_name,
        follows_from,
    )


def untestable_row(name: str, definition: str, claimed: float, unit: str, reason: str) -> AssertionRow:
    """The row of a figure that nothing given ties to physics."""
    return AssertionRow(name, definition, "", claimed, None, None, None, None, "untestable", reason, True, unit)
