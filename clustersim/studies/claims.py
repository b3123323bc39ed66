"""Judge a claim: search what it leaves open, read its figures every way, compare with bounds and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from clustersim.inputs.claim import Assertion, Claim, Relation
from clustersim.inputs.load import load_claim
from clustersim.simulation.results import RunResult
from clustersim.studies.claim_rows import AssertionRow, Evidence, untestable_row
from clustersim.studies.consistency import Equation, chips_of
from clustersim.studies.figures import figure_row, flops_row
from clustersim.studies.open_points import (
    Outcome,
    Progress,
    best_layouts,
    feasible,
    open_settings,
    other_settings,
)
from clustersim.studies.records import training_records
from clustersim.studies.relations import consequences, ratio_row, untestable_ratio
from clustersim.studies.utilization import counting_bases, utilization_rows
from clustersim.studies.verdicts import best_of, worst

__all__ = ["AssertionRow", "ClaimReport", "Equation", "check_claims", "verdicts_by_figure"]

UNTESTABLE = {
    "token_price_saving": "a price of tokens follows from serving, which is not simulated",
    "achieved_flops_ratio": "a ratio needs the other system: state it under relations",
}


@dataclass(frozen=True)
class ClaimReport:
    """Everything that `check` shows."""

    claim: Claim
    assertions: tuple[AssertionRow, ...]
    contradictions: tuple[Equation, ...]
    verdict: str
    points: tuple[RunResult, ...]  # the best layout at every point of what was left open
    seed: int
    figures: Mapping[str, str]  # the verdict on each assertion and relation, by id
    infeasible: tuple[str, ...] = ()  # why points of what was left open have no layout

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim check --json` prints."""
        from clustersim import __version__

        return {
            "name": self.claim.name,
            "assertions": [asdict(row) for row in self.assertions],
            "contradictions": [equation.to_dict() for equation in self.contradictions],
            "figures": dict(self.figures),
            "verdict": self.verdict,
            "assumptions": list(self.claim.assumptions),
            "points": [point.to_dict() for point in self.points],
            "infeasible": list(self.infeasible),
            "version": __version__,
            "seed": self.seed,
        }


def check_claims(
    source: str | Path | Mapping[str, Any],
    *,
    seed: int = 0,
    workers: int | None = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> ClaimReport:
    """Judge a claim file (or a name in configs/claims); the same report for any number of workers.

    The searches run here, or in `executor`, or in `workers` processes (None: one a processor), which a script may only
    ask for under `if __name__ == "__main__"`. Raises InputError for a malformed claim and InfeasibleError when no
    layout of any open point can run.
    """
    claim = load_claim(source)
    settings = open_settings(claim, seed)
    systems = [settings, *(other_settings(claim, relation.change, settings) for relation in claim.relations)]
    everything = [setting for system in systems for setting in system]
    outcomes = best_layouts(everything, workers=workers, executor=executor, progress=progress)
    split = [outcomes[at : at + len(settings)] for at in range(0, len(outcomes), len(settings))]
    return _report(claim, split[0], split[1:], seed)


def _report(claim: Claim, mine: Sequence[Outcome], others: Sequence[Sequence[Outcome]], seed: int) -> ClaimReport:
    evidence = Evidence(feasible(mine), training_records(), any(key.startswith("cluster") for key in claim.open))
    rows = [row for assertion in claim.assertions for row in assertion_rows(assertion, evidence)]
    equations = _device_equations(claim, evidence)
    for relation, theirs in zip(claim.relations, others, strict=True):
        more_rows, more_equations = _compare(claim, relation, evidence, list(zip(mine, theirs, strict=True)))
        rows += more_rows
        equations += more_equations
    figures = verdicts_by_figure(rows, equations)
    return ClaimReport(
        claim,
        tuple(rows),
        tuple(equations),
        worst(figures.values()),
        evidence.points,
        seed,
        figures,
        tuple(dict.fromkeys(outcome for outcome in mine if isinstance(outcome, str))),
    )


def _compare(
    claim: Claim, relation: Relation, evidence: Evidence, both: Sequence[tuple[Outcome, Outcome]]
) -> tuple[list[AssertionRow], list[Equation]]:
    """The claimed ratio where both systems run, and what each stated utilization then asks of the other system."""
    pairs = [(one, other) for one, other in both if isinstance(one, RunResult) and isinstance(other, RunResult)]
    if not pairs:
        reason = next(outcome for pair in both for outcome in pair if isinstance(outcome, str))
        return [untestable_ratio(relation, reason)], []
    rows = [ratio_row(relation, pairs)]
    equations: list[Equation] = []
    theirs = replace(evidence, points=tuple(other for _, other in pairs))
    for assertion in _utilizations(claim):
        for equation, row in consequences(relation, assertion, evidence, theirs):
            equations.append(equation)
            rows += [] if row is None else [row]
    return rows, equations


def assertion_rows(assertion: Assertion, evidence: Evidence) -> list[AssertionRow]:
    """The rows of one assertion: one a meaning for a utilization, else one."""
    if assertion.metric == "utilization":
        return utilization_rows(assertion, evidence)
    if assertion.metric == "achieved_flops":
        return [flops_row(assertion, evidence)]
    if assertion.metric in UNTESTABLE:
        reason = UNTESTABLE[assertion.metric]
        return [untestable_row(assertion.id, assertion.metric, assertion.claimed, "%", reason)]
    return [figure_row(assertion, evidence)]


def verdicts_by_figure(rows: Sequence[AssertionRow], equations: Sequence[Equation]) -> dict[str, str]:
    """The verdict on each figure: that of its best reading, together with what its base makes of the other figures."""
    own = [row for row in rows if row.counts and not row.follows_from]
    return {
        name: best_of(_joint(row, rows, equations) for row in own if row.id == name)
        for name in dict.fromkeys(row.id for row in own)
    }


def _joint(row: AssertionRow, rows: Sequence[AssertionRow], equations: Sequence[Equation]) -> str:
    """A row's verdict, unless the equations on its base, or what follows from them, are worse."""
    tied = [equation for equation in equations if equation.base == row.base_name and row.id in equation.ties]
    implied = [other for other in rows if other.follows_from == row.id and other.base_name == row.base_name]
    contradicted = ["inconsistent" for equation in tied if equation.verdict == "inconsistent"]
    return worst([row.verdict, *contradicted, *(other.verdict for other in implied)])


def _utilizations(claim: Claim) -> list[Assertion]:
    return [assertion for assertion in claim.assertions if assertion.metric == "utilization"]


def _device_equations(claim: Claim, evidence: Evidence) -> list[Equation]:
    """How many devices the stated FLOP/s and utilizations make together, base by base."""
    totals = [assertion for assertion in claim.assertions if assertion.metric == "achieved_flops"]
    return [
        chips_of(
            total.claimed,
            utilization.claimed,
            name,
            peak,
            evidence.devices,
            total.tolerance,
            ties=(utilization.id, total.id),
        )
        for total in totals
        for utilization in _utilizations(claim)
        for name, peak in counting_bases(utilization, evidence).items()
    ]
