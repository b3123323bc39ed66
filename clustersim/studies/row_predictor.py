"""Measured rows, read once, and predicted again and again with other numbers in their stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustersim.errors import ClustersimError
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.step import play_step
from clustersim.studies.cells import Row, text
from clustersim.studies.measured import MeasuredRun, measured_run

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FitRow:
    """A measured row that can be simulated."""

    run: MeasuredRun
    scenario: Scenario
    measured_s: float


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
        return np.array([_log_seconds(row.scenario, values) for row in self.rows])

    def subset(self, chosen: Sequence[int]) -> RowPredictor:
        """Some of the rows."""
        return RowPredictor(tuple(self.rows[at] for at in chosen), {})


def _log_seconds(scenario: Scenario, values: Mapping[str, float]) -> float:
    stack = scenario.stack.model_copy(update=dict(values))
    return float(np.log(play_step(scenario.model_copy(update={"stack": stack})).seconds))


def predictor_of(rows: Iterable[Row], stack: str | None = None) -> RowPredictor:
    """Read rows, under a `stack` of the catalog if one is given, else each under its own."""
    fit, refused = [], {}
    for row in rows:
        try:
            run = measured_run(row if stack is None else {**row, "stack": stack})
            scenario = load_scenario(run.mapping)
            _log_seconds(scenario, {})
        except ClustersimError as error:
            refused[text(row, "id")] = str(error)
            continue
        if run.measured_step_time_s:
            fit.append(FitRow(run, scenario, run.measured_step_time_s))
    return RowPredictor(tuple(fit), refused)
