"""A calibration judged on runs that it did not see: those of more devices than any that it was fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Residual
from clustersim.simulation.intervals import interval, model_error
from clustersim.studies.calibration.predictor import RowPredictor


@dataclass(frozen=True)
class ScaleJudgement:
    """Errors of runs beyond, predicted / measured - 1, beside those of the stack that was calibrated."""

    devices: int  # of the largest run that was fitted, at most
    rows: int
    mean_absolute: float
    bias: float
    before: float  # mean absolute error with the numbers of the stack that it extends
    dense: float | None  # mean absolute error of those
    experts: float | None
    covered_80: float
    covered_95: float
    width_80: float  # half of the 80 % interval's width, of the logarithm: mean
    stranger_width_80: float  # the same of a stranger's


def judged(
    rows: RowPredictor, devices: int, values: Mapping[str, float], before: Mapping[str, float], residual: Residual
) -> ScaleJudgement:
    """Predict runs with the calibrated `values` and its residual."""
    measured = np.exp(rows.log_measured())
    errors = np.exp(rows.log_predicted(values)) / measured - 1.0
    old = np.exp(rows.log_predicted(before)) / measured - 1.0
    own = [model_error(_calibrated(row.scenario, values, residual)) for row in rows.rows]
    stranger = [model_error(_calibrated(row.scenario, values, None)) for row in rows.rows]
    experts = np.array([row.scenario.model.moe is not None for row in rows.rows])
    bounds = [interval(float(1.0 + error), found) for error, found in zip(errors, own, strict=True)]
    wide = interval(1.0, own[0])["80"][1]
    per_spread = float(np.log(wide)) / own[0].spread
    return ScaleJudgement(
        devices,
        len(rows),
        float(np.mean(np.abs(errors))),
        float(np.mean(errors)),
        float(np.mean(np.abs(old))),
        _mean(errors[~experts]),
        _mean(errors[experts]),
        _covered(bounds, "80"),
        _covered(bounds, "95"),
        per_spread * mean(found.spread for found in own),
        per_spread * mean(found.spread for found in stranger),
    )


def _calibrated(scenario: Scenario, values: Mapping[str, float], residual: Residual | None) -> Scenario:
    stack = scenario.stack.model_copy(update={**values, "residual": residual})
    return scenario.model_copy(update={"stack": stack})


def _covered(bounds: Sequence[Mapping[str, tuple[float, float]]], level: str) -> float:
    return mean(float(bound[level][0] <= 1.0 <= bound[level][1]) for bound in bounds)


def _mean(errors: Floats) -> float | None:
    return float(np.mean(np.abs(errors))) if len(errors) else None
