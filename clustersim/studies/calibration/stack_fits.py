"""Packaged stacks fitted to the measured runs, parents first; and again without the rows that are to be predicted.

A stack is fitted to its own rows, or to those of its children where it has none; its parent's numbers are the prior.
Chips are not refitted. Leaving rows out refits the stack and everything that it inherits from without them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from clustersim.inputs.catalog import load
from clustersim.studies.calibration.lineage import Member, children, family, family_of
from clustersim.studies.calibration.parameters import (
    NAMES,
    PARAMETERS,
    Parameter,
    inner_values,
    outer_values,
    parameters_named,
)
from clustersim.studies.calibration.predictor import FitRow, RowPredictor, predictor_of
from clustersim.studies.measured.csv_cells import CsvRow
from clustersim.studies.measured.software import stack_of
from clustersim.studies.robust_fit import Fit, FitPriors, Floats, LinearModel, fit, solve

Kept = Callable[[FitRow], bool]

REGULAR = ("", "complete")  # qualities of the rows that stacks are fitted to; all are predicted


def problem_of(parameters: tuple[Parameter, ...], start: dict[str, float], prior: dict[str, float]) -> FitPriors:
    """Starts, priors and bounds of some parameters."""
    bounded = {p.name: min(p.high, max(p.low, prior[p.name])) for p in parameters}
    return FitPriors(
        start=inner_values(parameters, start),
        prior=inner_values(parameters, bounded),
        prior_spread=np.array([parameter.spread for parameter in parameters]),
        low=np.array([parameter.inner(parameter.low) for parameter in parameters]),
        high=np.array([parameter.inner(parameter.high) for parameter in parameters]),
        steps=np.array([parameter.step for parameter in parameters]),
    )


@dataclass(frozen=True)
class StackFit:
    """One stack's fit: the rows that it rests on and the linear model there."""

    parameters: tuple[Parameter, ...]
    rows: RowPredictor
    measured: Floats
    fit: Fit


@dataclass
class FamilyFit:
    """All fits. `rows`: measured rows under their own stacks."""

    rows: Iterable[CsvRow]
    predictors: dict[str, RowPredictor] = field(default_factory=dict)  # by stack: all its rows
    fits: dict[str, StackFit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        by_stack: dict[str, list[CsvRow]] = defaultdict(list)
        for row in self.rows:
            by_stack[family_of(stack_of(row, []))].append(row)
        self.predictors = {slug: predictor_of(rows) for slug, rows in by_stack.items()}

    def run(self, progress: Callable[[str], None] = lambda slug: None) -> None:
        """Fit every stack that has numbers to fit and rows to fit them to, parents first."""
        for member in family().values():
            if member.fitted and len(self._evidence(member.slug)):
                progress(member.slug)
                self.fits[member.slug] = self._fit(member)

    def _fit(self, member: Member) -> StackFit:
        parameters = parameters_named(member.fitted)
        rows = self._evidence(member.slug)
        base = self.values(member.slug)

        def predict(points: Sequence[Floats]) -> Floats:
            return rows.log_predicted_at([{**base, **outer_values(parameters, inner)} for inner in points])

        problem = problem_of(parameters, base, self._prior(member))
        found = fit(predict, rows.log_measured(), rows.groups, problem)
        return StackFit(parameters, rows, rows.log_measured(), found)

    def _evidence(self, slug: str) -> RowPredictor:
        """Regular rows of a stack, or of its children under this stack's numbers."""
        own = [self.predictors[slug]] if slug in self.predictors else []
        found = own or [self.predictors[child] for child in children(slug) if child in self.predictors]
        return RowPredictor(tuple(row for each in found for row in each.rows if row.run.quality in REGULAR), {})

    def _prior(self, member: Member, kept: Kept | None = None) -> dict[str, float]:
        if member.parent is None:
            return {parameter.name: parameter.usual for parameter in PARAMETERS}
        return self.values(member.parent, kept)

    def values(self, slug: str, kept: Kept | None = None) -> dict[str, float]:
        """A stack's numbers as fitted, or refitted to rows that are `kept`; others as its file or its line says."""
        member = family()[slug]
        above = self.values(member.parent, kept) if member.parent else _own_values(slug)
        values = {**above, **member.stated}
        if slug not in self.fits:
            own = _own_values(slug)
            return values | {name: own[name] for name in member.fitted}
        known = self.fits[slug]
        if kept is None:
            return values | outer_values(known.parameters, known.fit.inner)
        chosen = [at for at, row in enumerate(known.rows.rows) if kept(row)]
        prior = self._prior(member, kept)
        problem = problem_of(known.parameters, outer_values(known.parameters, known.fit.inner), prior)
        if not chosen:
            return values | outer_values(known.parameters, problem.prior)
        whole = known.fit.model
        model = LinearModel(whole.at, whole.there[chosen], whole.slopes[chosen])
        groups = [known.rows.groups[at] for at in chosen]
        return values | outer_values(known.parameters, solve(model, known.measured[chosen], groups, problem).inner)


def _own_values(slug: str) -> dict[str, float]:
    stack = load("stacks", slug)
    return {name: float(getattr(stack, name)) for name in NAMES}
