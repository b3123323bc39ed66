"""A result as one flat row: a sweep's columns and a data frame's. SI units, fractions as fractions, lists as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clustersim.inputs.figures import shown
from clustersim.inputs.layout import ResolvedLayout
from clustersim.inputs.model import Model
from clustersim.inputs.per_object import PerObject
from clustersim.inputs.scenario import Scenario
from clustersim.workload.parameters import total_parameters

if TYPE_CHECKING:
    from clustersim.simulation.intervals import Intervals
    from clustersim.simulation.results import RunResult, StepResult

Cell = str | float | int | bool | None
ResultRow = dict[str, Cell]

LAYOUT = tuple(name for name in ResolvedLayout.model_fields if name != "where")


def step_row(step: StepResult) -> ResultRow:
    """What is simulated, its layout, and the figures of a step with their intervals and its parts as shares."""
    row = system_cells(step.scenario) | layout_cells(step.scenario)
    row |= {figure.name: getattr(step, figure.name) for figure in shown("column", ("step",))}
    row |= {"fits": step.fits}
    row |= {f"breakdown_{part}": seconds / step.step_time_s for part, seconds in step.breakdown.items()}
    row |= _bounds(step.intervals)
    return row | {"warnings": "; ".join(step.warnings), "engine": step.engine}


def run_row(result: RunResult) -> ResultRow:
    """A step's row with the figures of the whole run."""
    row = step_row(result.step)
    row |= {figure.name: getattr(result, figure.name) for figure in shown("column", ("run",))}
    return row | _bounds(result.intervals)


def system_cells(scenario: Scenario) -> ResultRow:
    """What is simulated, whatever its layout."""
    return {
        "devices": scenario.cluster.devices,
        "accelerator": scenario.cluster.accelerator.name,
        "model": scenario.model.name,
        "model_kind": kind_of(scenario.model),
        "parameters": _parameters_of(scenario.model),
        "precision": scenario.training.precision,
        "stack": scenario.stack.name,
    }


_parameters_of = PerObject(total_parameters)


def kind_of(model: Model) -> str:
    """dense, or moe for a mixture of experts: what published runs are told apart by."""
    return "dense" if model.moe is None else "moe"


def layout_cells(scenario: Scenario) -> ResultRow:
    """Sizes of the groups and the choices that go with them; lists as JSON."""
    described = scenario.resolved_layout.model_dump(mode="json")
    return {name: _layout_cell(described[name]) for name in LAYOUT}


def _layout_cell(value: Any) -> Cell:
    if isinstance(value, Mapping):
        return f"{value['layers']} layers"
    return json.dumps(value, separators=(",", ":")) if isinstance(value, list) else value


def _bounds(intervals: Intervals) -> ResultRow:
    return {
        f"{figure}_{side}_{level}": bound
        for figure, levels in intervals.items()
        for level, bounds in levels.items()
        for side, bound in zip(("low", "high"), bounds, strict=True)
    }
