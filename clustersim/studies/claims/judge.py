"""Judge a claim: search what it leaves open, draw what nobody knows, compare with bounds, records and itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from clustersim.answer import Answer
from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.claim import Assertion, Claim, Relation
from clustersim.inputs.claim_metrics import METRICS
from clustersim.inputs.load import load_claim
from clustersim.simulation.results import RunResult
from clustersim.studies.claims.alternatives import AlternativeSettings, longer_sequences, smaller_cluster
from clustersim.studies.claims.assertion_rows import AssertionRow, ClaimContext, counting, untestable_row
from clustersim.studies.claims.cross_checks import savings, stated_figures, tied
from clustersim.studies.claims.draws import DRAWS
from clustersim.studies.claims.equations import Equation
from clustersim.studies.claims.insights import Insight, insights
from clustersim.studies.claims.outcomes import UNSEARCHED, BestLayout, Outcome, best_points
from clustersim.studies.claims.relations import consequences, ratio_row, untestable_ratio
from clustersim.studies.claims.scenarios import Possible, Setting, changed_settings, possible_settings
from clustersim.studies.claims.simulated_figures import figure_row, memory_row
from clustersim.studies.claims.static_figures import data_equations, data_rows, parameters_row, price_row, saving_row
from clustersim.studies.claims.utilization import utilization_rows
from clustersim.studies.claims.variants import VariantRow, variant_rows
from clustersim.studies.claims.verdicts import best_of, worst
from clustersim.studies.claims.without_layout import rows_without_layout
from clustersim.studies.measured.records import measured_records
from clustersim.studies.progress import Progress
from clustersim.studies.published import training_records

__all__ = ["AssertionRow", "ClaimReport", "Equation", "check_claim", "verdicts_by_figure"]


@dataclass(frozen=True, repr=False)
class ClaimReport(Answer):
    """Everything that `check` shows."""

    claim: Claim
    assertions: tuple[AssertionRow, ...]
    contradictions: tuple[Equation, ...]
    verdict: str
    points: tuple[RunResult, ...]  # the best layout at every point of what was left open
    seed: int
    figures: Mapping[str, str]  # the verdict on each assertion and relation, by id
    infeasible: tuple[str, ...] = ()  # why points of what was left open have no layout
    assumptions: tuple[str, ...] = ()  # the claim's own, and what was filled in
    insights: tuple[Insight, ...] = ()  # what moves each figure most, and what would have to be true
    variants: tuple[VariantRow, ...] = ()  # what else a word of the claim may mean of its model
    complete: bool = True  # False where it was interrupted: the verdict is on what was searched

    def headline(self) -> tuple[str, dict[str, str]]:
        """The claim, its verdict, and that on each of its figures."""
        return self.claim.name, {"verdict": self.verdict, **self.figures}

    def table(self) -> list[dict[str, Any]]:
        """A row for every reading of every figure."""
        return [_as_dict(row) for row in self.assertions]

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim check --json` prints."""
        from clustersim.version import __version__

        return {
            "name": self.claim.name,
            "assertions": [_as_dict(row) for row in self.assertions],
            "contradictions": [equation.to_dict() for equation in self.contradictions],
            "figures": dict(self.figures),
            "verdict": self.verdict,
            "insights": [insight.to_dict() for insight in self.insights],
            "assumptions": list(self.assumptions),
            "points": [point.to_dict() for point in self.points],
            "infeasible": list(self.infeasible),
            "draws": DRAWS,
            "version": __version__,
            "seed": self.seed,
            **({"variants": [row.to_dict() for row in self.variants]} if self.variants else {}),
        } | ({} if self.complete else {"complete": False})


def _as_dict(row: AssertionRow) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row) if field.name != "boast"}


def check_claim(
    source: str | Path | Mapping[str, Any],
    *,
    seed: int = 0,
    workers: int | None = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> ClaimReport:
    """Judge a claim file (or a name in configs/claims); the same report for any number of workers.

    The searches run here, or in `executor`, or in `workers` processes (None: one a processor), which a script may only
    ask for under `if __name__ == "__main__"`. Ctrl-C ends them with the verdict on what was searched, once that is
    something. Raises InputError for a malformed claim and InfeasibleError when no layout divides what it describes.
    """
    claim = load_claim(source)
    possible = possible_settings(claim, seed)
    mine = list(possible.settings)
    compared = [relation for relation in claim.relations if relation.list_price is None]
    systems: list[AlternativeSettings] = [mine, smaller_cluster(claim, mine), longer_sequences(claim, mine)]
    for relation in compared:
        same = relation.same == "devices"
        systems.append(changed_settings(claim, relation.change, mine, same_devices=same))
    everything = [setting for system in systems for setting in system]
    tried = best_points(everything, workers=workers, executor=executor, progress=progress)
    complete = UNSEARCHED not in tried
    outcomes = iter(tried)
    found = [[next(outcomes) for _ in system] for system in systems]
    if not complete and not any(isinstance(outcome, BestLayout) for outcome in found[0]):
        raise KeyboardInterrupt  # there is nothing to judge the claim by
    others = dict(zip((relation.id for relation in compared), found[3:], strict=True))
    judge = Judge(claim, seed, found[0], found[1], found[2], others)
    variants = variant_rows(claim, [*found[0], *found[2]])
    return replace(judge.report(possible), complete=complete, variants=variants)


@dataclass(frozen=True)
class Judge:
    """A claim with the outcomes of every system that it speaks of."""

    claim: Claim
    seed: int
    mine: Sequence[Outcome]
    smaller: Sequence[Outcome]
    longer: Sequence[Outcome]
    others: Mapping[str, Sequence[Outcome]]  # by relation

    def report(self, possible: Possible) -> ClaimReport:
        """Everything judged."""
        points = tuple(outcome for outcome in self.mine if isinstance(outcome, BestLayout))
        reasons = tuple(dict.fromkeys(outcome for outcome in self.mine if isinstance(outcome, str)))
        equations: list[Equation] = []
        context = None
        if points:
            context = self._context(points, possible.open_devices)
            rows, equations = self._judged(context)
        else:
            rows = self._without_layout(possible, reasons)
        figures = verdicts_by_figure(rows, equations)
        return ClaimReport(
            self.claim,
            tuple(rows),
            tuple(equations),
            worst(figures.values()),
            tuple(point.result for point in points),
            self.seed,
            figures,
            reasons,
            tuple(dict.fromkeys((*self.claim.assumptions, *possible.assumed))),
            insights(rows, context) if context is not None else (),
        )

    def _without_layout(self, possible: Possible, reasons: Sequence[str]) -> list[AssertionRow]:
        """The rows where no layout runs. Raises the error that says why where neither peaks nor memory decide."""
        scenarios = [setting.scenario for setting in possible.settings if isinstance(setting, Setting)]
        unlaid = scenarios or possible.unlaid
        rows = rows_without_layout(self.claim, unlaid, reasons, tried=bool(scenarios))
        if rows:
            return rows
        if not scenarios:
            raise next(setting for setting in possible.settings if isinstance(setting, InputError))
        raise InfeasibleError(f"no layout can run what the claim describes: {'; '.join(reasons)}")

    def _context(self, points: tuple[BestLayout, ...], open_devices: bool) -> ClaimContext:
        chips = {point.result.step.scenario.cluster.accelerator.name for point in points}
        measured = [record for chip in sorted(chips) for record in measured_records(chip)]
        return ClaimContext(points, (*training_records(), *measured), open_devices, self.seed)

    def _judged(self, context: ClaimContext) -> tuple[list[AssertionRow], list[Equation]]:
        pairs = {name: self._pair(context, outcomes) for name, outcomes in self.others.items()}
        same = [pairs[relation.id] for relation in self.claim.relations if relation.same]
        compared = [pair for pair in same if not isinstance(pair, str)]
        rows = [
            row for assertion in self.claim.assertions for row in self._assertion_rows(assertion, context, compared)
        ]
        said = stated_figures(self.claim)
        equations = [*tied(self.claim, context), *data_equations(self.claim, said, context)]
        for relation in self.claim.relations:
            if relation.list_price is not None:
                rows.append(saving_row(relation, context))
                equations += savings(relation, said)
            else:
                more_rows, more_equations = self._compared(relation, pairs[relation.id])
                rows += more_rows
                equations += more_equations
        return rows, equations

    def _assertion_rows(
        self, assertion: Assertion, context: ClaimContext, compared: Sequence[tuple[ClaimContext, ClaimContext]]
    ) -> list[AssertionRow]:
        """The rows of one assertion: one a meaning for a utilization, else one."""
        metric = assertion.metric
        if assertion.meaning:
            return utilization_rows(assertion, context, self._scaling(context), self._longer(context), compared)
        match metric:
            case "memory_bytes":
                return [memory_row(assertion, context)]
            case "parameters" | "active_parameters":
                return [parameters_row(assertion, context)]
            case "data_bytes":
                return data_rows(assertion, context)
            case "input_token_price" | "output_token_price":
                return [price_row(assertion, self.claim, context)]
            case "achieved_flops_ratio" | "token_price_saving":
                reason = "a ratio needs what it is compared with: state it under relations"
                return [untestable_row(assertion.id, metric, assertion.claimed, METRICS[metric].unit, reason)]
        return [figure_row(assertion, context)]

    def _scaling(self, context: ClaimContext) -> tuple[ClaimContext, ClaimContext] | None:
        """The largest cluster and the smaller one that its scaling is measured from."""
        smaller = tuple(outcome for outcome in self.smaller if isinstance(outcome, BestLayout))
        if not smaller:
            return None
        largest = max(context.points, key=lambda point: point.result.step.devices)
        return replace(context, points=(largest,)), replace(context, points=smaller)

    def _longer(self, context: ClaimContext) -> ClaimContext | None:
        """The largest cluster with long sequences."""
        points = tuple(outcome for outcome in self.longer if isinstance(outcome, BestLayout))
        return replace(context, points=points) if points else None

    def _pair(self, context: ClaimContext, outcomes: Sequence[Outcome]) -> tuple[ClaimContext, ClaimContext] | str:
        """The claim's system and another at the points where both run, or why there are none."""
        both = list(zip(self.mine, outcomes, strict=True))
        pairs = [(one, other) for one, other in both if isinstance(one, BestLayout) and isinstance(other, BestLayout)]
        if not pairs:
            return next(outcome for pair in both for outcome in pair if isinstance(outcome, str))
        theirs = self._context(tuple(other for _, other in pairs), context.open_devices)
        return replace(context, points=tuple(one for one, _ in pairs)), theirs

    def _compared(
        self, relation: Relation, pair: tuple[ClaimContext, ClaimContext] | str
    ) -> tuple[list[AssertionRow], list[Equation]]:
        """The claimed ratio where both systems run, and what each stated utilization then asks of the other system."""
        if isinstance(pair, str):
            return [untestable_ratio(relation, pair)], []
        mine, theirs = pair
        rows = [ratio_row(relation, mine, theirs)]
        equations: list[Equation] = []
        if relation.same is None:
            return rows, equations
        for assertion in (found for found in self.claim.assertions if found.is_mfu):
            for equation, row in consequences(relation, assertion, mine, theirs):
                equations.append(equation)
                rows += [] if row is None else [row]
        return rows, equations


def verdicts_by_figure(rows: Sequence[AssertionRow], equations: Sequence[Equation]) -> dict[str, str]:
    """The verdict on each figure: that of its best reading, together with what its base makes of the other figures."""
    own = counting(rows)
    return {
        name: best_of(_joint(row, rows, equations) for row in own if row.id == name)
        for name in dict.fromkeys(row.id for row in own)
    }


def _joint(row: AssertionRow, rows: Sequence[AssertionRow], equations: Sequence[Equation]) -> str:
    """A row's verdict, unless the equations on its base, or what follows from them, are worse."""
    tied_to = [
        equation
        for equation in equations
        if equation.base == row.base_name and row.id in equation.ties and equation.definition in ("", row.definition)
    ]
    implied = [other for other in rows if other.follows_from == row.id and other.base_name == row.base_name]
    contradicted = ["inconsistent" for equation in tied_to if equation.verdict == "inconsistent"]
    return worst([row.verdict, *contradicted, *(other.verdict for other in implied)])
