"""The columns of a sweep's results: one flat row a point, SI units, fractions as fractions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clustersim.inputs.layout import PartialRecompute
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import BREAKDOWN_PARTS, RunResult, StepResult
from clustersim.workload.parameters import total_parameters

Cell = str | float | int | bool | None
ResultRow = dict[str, Cell]

STATUSES = ("done", "infeasible", "failed")
SYSTEM = ("devices", "accelerator", "model", "parameters", "stack")
LAYOUT = (
    "tensor",
    "pipeline",
    "virtual_stages",
    "data",
    "context",
    "expert",
    "micro_batch",
    "schedule",
    "recompute",
    "sharding",
)
STEP = (
    "step_time_s",
    "mfu",
    "mfu_causal",
    "hfu",
    "busy_any",
    "busy_compute",
    "gemm_efficiency",
    "achieved_flops",
    "tokens_per_s",
    "tokens_per_s_per_device",
    "memory_bytes",
    "fits",
)
RUN = ("training_days", "device_hours", "cost_usd", "energy_kwh", "ideal_days", "goodput", "mtti_s")
WITH_INTERVALS = ("step_time_s", "mfu", "mfu_causal", "training_days", "cost_usd")
BOUNDS = tuple(
    f"{figure}_{side}_{level}" for figure in WITH_INTERVALS for level in (80, 95) for side in ("low", "high")
)
COLUMNS = (
    *SYSTEM,
    *LAYOUT,
    *STEP,
    *RUN,
    *(f"breakdown_{part}" for part in BREAKDOWN_PARTS),
    *BOUNDS,
    "engine",
    "status",
    "reason",
)


def result_row(result: RunResult) -> ResultRow:
    """Every column of a point that was simulated. One that doesn't fit in memory is infeasible, its figures kept."""
    step = result.step
    row = system_cells(step.scenario) | layout_cells(step.scenario)
    row |= {name: getattr(step, name) for name in STEP} | {name: getattr(result, name) for name in RUN}
    row |= {f"breakdown_{part}": step.breakdown.get(part, 0.0) / step.step_time_s for part in BREAKDOWN_PARTS}
    row |= _bounds(result)
    row |= {"engine": step.engine, "status": "done" if step.fits else "infeasible"}
    return row | {"reason": "" if step.fits else _too_much(step)}


def refused_row(status: str, reason: str, scenario: Scenario | None = None) -> ResultRow:
    """The columns that are known of a point that was not simulated."""
    row = {} if scenario is None else system_cells(scenario)
    return row | {"status": status, "reason": "; ".join(reason.split("\n"))}


def system_cells(scenario: Scenario) -> ResultRow:
    """What is simulated, whatever its layout."""
    return {
        "devices": scenario.cluster.devices,
        "accelerator": scenario.cluster.accelerator.name,
        "model": scenario.model.name,
        "parameters": total_parameters(scenario.model),
        "stack": scenario.stack.name,
    }


def layout_cells(scenario: Scenario) -> ResultRow:
    """Sizes of the groups and the choices that go with them."""
    layout = scenario.resolved_layout
    cells: dict[str, Any] = {name: getattr(layout, name) for name in LAYOUT}
    if isinstance(layout.recompute, PartialRecompute):
        cells["recompute"] = f"{layout.recompute.layers} layers"
    return cells


def _bounds(result: RunResult) -> ResultRow:
    intervals: Mapping[str, Any] = dict(result.step.intervals) | dict(result.intervals)
    return {
        f"{figure}_{side}_{level}": intervals[figure][level][position]
        for figure in WITH_INTERVALS
        if figure in intervals
        for level in intervals[figure]
        for position, side in enumerate(("low", "high"))
    }


def _too_much(step: StepResult) -> str:
    held, usable = step.memory.peak_bytes / 2**30, step.memory.usable_bytes / 2**30
    return f"needs {held:.1f} GiB a device on stage {step.memory.stage}, {usable:.1f} GiB are usable"
