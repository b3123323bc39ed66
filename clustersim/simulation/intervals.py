"""Intervals around a prediction, from residuals against measured runs that were held out.

Every stack carries the spread of log(measured / predicted) step time over runs whose group its fit hadn't seen. A
scenario that leaves the evidence (another chip, many more devices, a kind of model or layout that was never met) widens
it. Intervals are conformal: their half-widths are quantiles of |residual| / spread over all held-out runs, every group
of runs counted alike, so that they cover what they say whatever the distribution. Source: Lei, G'Sell, Rinaldo,
Tibshirani and Wasserman 2018, "Distribution-free predictive inference for regression" (locally weighted); Dunn,
Wasserman and Ramdas 2022, "Distribution-free prediction sets for two-layer hierarchical models" (pooling groups).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from clustersim.inputs.figures import Of, shown
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Residual
from clustersim.schedules.program import TaskType
from clustersim.schedules.registry import passes_of
from clustersim.simulation.evidence import StackEvidence, evidence

Interval = tuple[float, float]
Intervals = Mapping[str, Mapping[str, Interval]]  # figure -> {"80": (low, high), "95": (low, high)}

NORMAL_PER_ABSOLUTE = math.sqrt(math.pi / 2.0)  # sd of a normal distribution over its mean absolute deviation

# What leaving the evidence adds to log(measured / predicted), in quadrature, is measured by holding out whole chips,
# kinds of models and layouts, and large runs (`Evidence.departures`). A chip that no stack was measured on can't be
# held out, for chips aren't refitted. Assumed: training reaches 0.45 to 0.87 of a chip's peak, an sd of 0.29 of the
# logarithm, of which its kernels' sheet and its kin tell more than half.
UNKNOWN_CHIP = 0.12


def interval(value: float, residual: Residual, power: float = 1.0) -> dict[str, Interval]:
    """80 % and 95 % intervals of a figure that goes as the `power` of the step time.

    The residual is that of log(measured / predicted) step time; throughput and MFU go as its power -1.
    """
    return {
        level: (
            value * math.exp(-abs(power) * width * residual.spread),
            value * math.exp(abs(power) * width * residual.spread),
        )
        for level, width in evidence().quantiles.items()
    }


def intervals_of(result: object, of: Of, residual: Residual | None) -> Intervals:
    """Intervals of the figures that have one, of a step or of a run; none without a residual."""
    if residual is None:
        return {}
    return {
        figure.name: interval(value, residual, figure.power)
        for figure in shown("interval", (of,))
        if (value := getattr(result, figure.name)) is not None
    }


def model_error(scenario: Scenario) -> Residual:
    """How far a prediction of this scenario may lie from a measurement, and what that rests on.

    The stack's own residual, wider by what the scenario leaves of its evidence.
    """
    residual = scenario.stack.residual
    known = evidence().stacks.get(scenario.stack.name)
    if known is None:
        return residual
    added = [_chip(scenario, known), _scale(scenario, known), _kinds(scenario, known)]
    reasons = [reason for _, reason in added if reason]
    spread = math.hypot(residual.spread, *(amount for amount, _ in added))
    words = f"{residual.evidence}; wider: {'; '.join(reasons)}" if reasons else residual.evidence
    return Residual(spread=spread, evidence=words)


def layout_kinds(scenario: Scenario) -> frozenset[str]:
    """What sets a scenario's model and layout apart from plain data, tensor and pipeline parallelism."""
    layout = scenario.resolved_layout
    kinds = {
        "experts": scenario.model.moe is not None,
        "context parallelism": layout.context > 1,
        "fully sharded parameters": layout.sharding in ("zero2", "zero3", "fsdp", "hybrid"),
        "passes over weights apart": TaskType.WEIGHT_GRADIENT in passes_of(layout.schedule),
        "offloading": layout.offload != "none",
    }
    return frozenset(name for name, met in kinds.items() if met)


def spread_of(groups: Sequence[tuple[str, Sequence[float]]]) -> float:
    """One sd of log(measured / predicted): its mean absolute value, every group counted alike, as of a normal one."""
    means = [sum(abs(error) for error in errors) / len(errors) for _, errors in groups]
    return NORMAL_PER_ABSOLUTE * sum(means) / len(means)


def _chip(scenario: Scenario, known: StackEvidence) -> tuple[float, str]:
    name = scenario.cluster.accelerator.name
    if name in known.accelerators:
        return 0.0, ""
    if name in evidence().accelerators:
        return evidence().departures["another_chip"], f"not measured on {name}"
    return UNKNOWN_CHIP, f"nothing was measured on {name}"


def _scale(scenario: Scenario, known: StackEvidence) -> tuple[float, str]:
    doublings = math.log2(max(1.0, scenario.cluster.devices / known.devices))
    return evidence().departures[
        "a_doubling"
    ] * doublings, f"measured on {known.devices:,} devices at most" if doublings > 1.0 else ""


def _kinds(scenario: Scenario, known: StackEvidence) -> tuple[float, str]:
    unmet = sorted(layout_kinds(scenario) - known.kinds)
    return evidence().departures["another_kind"] * math.sqrt(
        len(unmet)
    ), f"not measured with {', '.join(unmet)}" if unmet else ""
