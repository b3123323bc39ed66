"""Measured rows, read once, and predicted again and again with other numbers in their stack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.errors import ClustersimError
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.step.step import PlayedSteps, play_steps
from clustersim.studies.calibration.observed import STEP, Observed, seconds_of
from clustersim.studies.measured.csv_cells import CsvRow, text
from clustersim.studies.measured.runs import MeasuredRun, measured_run


@dataclass(frozen=True)
class FitRow:
    """A measured row that can be simulated: seconds of a step, or of what else was timed of it."""

    run: MeasuredRun
    scenario: Scenario
    measured_s: float
    stated: Mapping[str, float] = field(default_factory=dict)  # numbers of its stack that no fit moves
    observed: Observed = STEP


@dataclass(frozen=True)
class RowPredictor:
    """Rows to be predicted together; `refused` says why others are not among them."""

    rows: tuple[FitRow, ...]
    refused: Mapping[str, str]  # id -> reason

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def groups(self) -> list[str]:
        """The group of every row."""
        return [row.run.group for row in self.rows]

    def log_measured(self) -> Floats:
        """log of the measured seconds [rows]."""
        return np.log([row.measured_s for row in self.rows])

    def log_predicted(self, values: Mapping[str, float]) -> Floats:
        """log of the predicted seconds [rows], with these values in every row's stack."""
        return np.asarray(self.log_predicted_at([values])[0], dtype=np.float64)

    def log_predicted_at(self, points: Sequence[Mapping[str, float]]) -> Floats:
        """The same [points, rows] for several sets of values, a row's points played side by side."""
        return np.array(list(self._by_row(points))).T.reshape(len(points), len(self.rows))

    def _by_row(self, points: Sequence[Mapping[str, float]]) -> Iterator[Floats]:
        """log seconds [points] of every row; rows in a row that are of one scenario are played once."""
        last: tuple[Scenario, Mapping[str, float]] | None = None
        for row in self.rows:
            if last is None or last[0] is not row.scenario or last[1] != row.stated:
                played, last = _played(row.scenario, points, row.stated), (row.scenario, row.stated)
            yield np.log(seconds_of(row.observed, played))

    def subset(self, chosen: Sequence[int]) -> RowPredictor:
        """Some of the rows."""
        return RowPredictor(tuple(self.rows[at] for at in chosen), {})


def _played(
    scenario: Scenario, points: Sequence[Mapping[str, float]], stated: Mapping[str, float] | None = None
) -> PlayedSteps:
    stacks = [scenario.stack.model_copy(update={**values, **(stated or {})}) for values in points]
    return play_steps([scenario.model_copy(update={"stack": stack}) for stack in stacks])


def predictor_of(rows: Iterable[CsvRow], stack: str | None = None) -> RowPredictor:
    """Read rows, under a `stack` of the catalog if one is given, else each under its own."""
    fit, refused = [], {}
    for row in rows:
        try:
            run = measured_run(row if stack is None else {**row, "stack": stack, "framework": ""})
            scenario = load_scenario(run.mapping)
            _played(scenario, [{}])
        except ClustersimError as error:
            refused[text(row, "id")] = str(error)
            continue
        if run.measured_step_time_s:
            fit.append(FitRow(run, scenario, run.measured_step_time_s))
    return RowPredictor(tuple(fit), refused)
