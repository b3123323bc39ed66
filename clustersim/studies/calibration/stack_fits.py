"""Packaged stacks fitted to the measured runs, level by level; and again without the rows that are to be predicted.

All software of a vendor first, each source counting alike; then every family of it, with those numbers as prior; then
every stack that has rows. A stack without rows takes its family's numbers. Chips are not refitted. Leaving rows out
refits every level without them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.studies.calibration.lineage import levels, members, software_of
from clustersim.studies.calibration.parameters import (
    PARAMETERS,
    Parameter,
    inner_values,
    outer_values,
    parameters_named,
)
from clustersim.studies.calibration.predictor import FitRow, RowPredictor, predictor_of
from clustersim.studies.measured.csv_cells import CsvRow
from clustersim.studies.measured.software import stack_of
from clustersim.studies.robust_fit import Fit, FitPriors, LinearModel, fit, row_weights, solve

Kept = Callable[[FitRow], bool]

FROM_ABOVE = 45e-6  # seconds a launch, from where it is looked for: a host that binds nowhere has no slope
REGULAR = ("", "complete")  # qualities of the rows that stacks are fitted to; all are predicted


def problem_of(parameters: tuple[Parameter, ...], start: dict[str, float], prior: dict[str, float]) -> FitPriors:
    """Starts, priors and bounds of some parameters."""
    start = start | ({"host_launch": max(start["host_launch"], FROM_ABOVE)} if "host_launch" in start else {})
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
class LevelFit:
    """The fit of a level of software: the rows that it rests on and the linear model there."""

    parameters: tuple[Parameter, ...]
    rows: RowPredictor
    measured: Floats
    fit: Fit


@dataclass
class FamilyFit:
    """All fits. `rows`: measured rows under their own stacks."""

    rows: Iterable[CsvRow]
    predictors: dict[str, RowPredictor] = field(default_factory=dict)  # by stack: all its rows
    fits: dict[str, LevelFit] = field(default_factory=dict)  # by level

    def __post_init__(self) -> None:
        by_stack: dict[str, list[CsvRow]] = defaultdict(list)
        for row in self.rows:
            by_stack[software_of(stack_of(row, []))].append(row)
        self.predictors = {slug: predictor_of(rows) for slug, rows in by_stack.items()}

    def run(self, progress: Callable[[str], None] = lambda level: None) -> None:
        """Fit every level that has rows, wider ones first."""
        for level in levels():
            rows = self._evidence(level)
            if len(rows):
                progress(level)
                self.fits[level] = self._fit(level, rows)

    def _fit(self, level: str, rows: RowPredictor) -> LevelFit:
        parameters = parameters_named(
            {name for slug, member in members().items() if level in member.levels for name in member.fitted}
        )
        prior = self._prior(level)

        def predict(points: Sequence[Floats]) -> Floats:
            return rows.log_predicted_at([outer_values(parameters, inner) for inner in points])

        found = fit(predict, rows.log_measured(), weights_of(rows), problem_of(parameters, prior, prior))
        return LevelFit(parameters, rows, rows.log_measured(), found)

    def _evidence(self, level: str) -> RowPredictor:
        """Regular rows of a level's stacks, with the numbers that their files state."""
        found = [
            replace(row, stated=member.stated)
            for slug, member in members().items()
            if level in member.levels and slug in self.predictors
            for row in self.predictors[slug].rows
            if row.run.quality in REGULAR
        ]
        return RowPredictor(tuple(found), {})

    def _prior(self, level: str, kept: Kept | None = None) -> dict[str, float]:
        """What the next wider level says; of all software, what is usual."""
        line = next(member.levels for member in members().values() if level in member.levels)
        wider = line[: line.index(level)]
        return self._level_values(wider[-1], kept) if wider else {p.name: p.usual for p in PARAMETERS}

    def _level_values(self, level: str, kept: Kept | None) -> dict[str, float]:
        prior = self._prior(level, kept)
        if level not in self.fits:
            return prior
        known = self.fits[level]
        if kept is None:
            return prior | outer_values(known.parameters, known.fit.inner)
        chosen = [at for at, row in enumerate(known.rows.rows) if kept(row)]
        if len(chosen) == len(known.rows):
            return prior | outer_values(known.parameters, known.fit.inner)
        problem = problem_of(known.parameters, outer_values(known.parameters, known.fit.inner), prior)
        if not chosen:
            return prior | outer_values(known.parameters, problem.prior)
        whole = known.fit.model
        model = LinearModel(whole.at, whole.there[chosen], whole.slopes[chosen])
        weights = weights_of(known.rows.subset(chosen))
        return prior | outer_values(known.parameters, solve(model, known.measured[chosen], weights, problem).inner)

    def values(self, slug: str, kept: Kept | None = None) -> dict[str, float]:
        """A stack's numbers as fitted, or refitted to rows that are `kept`; others as files state them."""
        member = members()[slug]
        return {**self._level_values(slug, kept), **member.stated}


def weights_of(rows: RowPredictor) -> Floats:
    """How much each row counts in a fit."""
    return row_weights(rows.groups, [row.run.source for row in rows.rows])
