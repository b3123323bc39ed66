"""Measured rows, read once, and predicted again and again with other numbers in their stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.errors import ClustersimError
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.step.step import play_steps
from clustersim.simulation.step.windows import step_windows
from clustersim.studies.measured.csv_cells import CsvRow, text
from clustersim.studies.measured.runs import MeasuredRun, measured_run


@dataclass(frozen=True)
class FitRow:
    """A measured row that can be simulated."""

    run: MeasuredRun
    scenario: Scenario
    measured_s: float
    stated: Mapping[str, float] = field(default_factory=dict)  # numbers of its stack that no fit moves


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
        return np.array([_log_seconds(row.scenario, points, row.stated) for row in self.rows]).T.reshape(
            len(points), len(self.rows)
        )

    def subset(self, chosen: Sequence[int]) -> RowPredictor:
        """Some of the rows."""
        return RowPredictor(tuple(self.rows[at] for at in chosen), {})


def _log_seconds(
    scenario: Scenario, points: Sequence[Mapping[str, float]], stated: Mapping[str, float] | None = None
) -> Floats:
    stacks = [scenario.stack.model_copy(update={**values, **(stated or {})}) for values in points]
    played = play_steps([scenario.model_copy(update={"stack": stack}) for stack in stacks])
    seconds = step_windows(played.program, played.timeline).seconds + played.imbalance_s
    return np.asarray(np.log(seconds), dtype=np.float64)


def predictor_of(rows: Iterable[CsvRow], stack: str | None = None) -> RowPredictor:
    """Read rows, under a `stack` of the catalog if one is given, else each under its own."""
    fit, refused = [], {}
    for row in rows:
        try:
            run = measured_run(row if stack is None else {**row, "stack": stack, "framework": ""})
            scenario = load_scenario(run.mapping)
            _log_seconds(scenario, [{}])
        except ClustersimError as error:
            refused[text(row, "id")] = str(error)
            continue
        if run.measured_step_time_s:
            fit.append(FitRow(run, scenario, run.measured_step_time_s))
    return RowPredictor(tuple(fit), refused)
