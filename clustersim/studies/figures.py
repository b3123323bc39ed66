"""Claimed FLOP/s, times, rates and costs: what the best layouts make of them."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.inputs.claim import Assertion
from clustersim.simulation.results import RunResult
from clustersim.studies.amounts import amount, whole
from clustersim.studies.claim_rows import AssertionRow, Evidence, judged_row, untestable_row
from clustersim.studies.readings import most_model_flops
from clustersim.studies.verdicts import Boast

UNITS = {
    "step_time_s": "s",
    "tokens_per_s": "tokens/s",
    "training_days": "days",
    "device_hours": "device-hours",
    "cost_usd": "USD",
}


def flops_row(assertion: Assertion, evidence: Evidence) -> AssertionRow:
    """Total model FLOP/s: on the largest cluster in question, with the number of devices that it takes."""
    best = evidence.best(lambda step: step.achieved_flops)
    published = evidence.published("full")
    boast = Boast(
        assertion.claimed,
        best.achieved_flops,
        max(step.devices * most_model_flops(step) for step in evidence.steps),
        best.scenario.stack.residual,
        "FLOP/s",
        record=None if published is None else published.flops * evidence.devices.most,
        record_supports=published is not None and published.same_kind,
        tolerance=assertion.tolerance if assertion.comparison == "==" else 0.0,
    )
    reason = _devices_needed(boast, evidence)
    return judged_row(assertion.id, "achieved_flops", boast, published=published, reason=reason)


def _devices_needed(boast: Boast, evidence: Evidence) -> str:
    """One sentence: how many devices at the best rate, and whether there are so many."""
    fastest = evidence.best(lambda step: step.achieved_flops / step.devices)
    each = fastest.achieved_flops / fastest.devices
    devices = evidence.devices
    if devices.stated:
        needed = amount(boast.claimed / devices.most, "FLOP/s")
        return (
            f"it takes {needed} on each of the {devices.words} devices, and the best layout found reaches "
            f"{amount(each, 'FLOP/s')}"
        )
    needs = f"it takes about {whole(boast.claimed / each)} devices at the {amount(each, 'FLOP/s')} of the best layout"
    if boast.reached_by(boast.best):
        return f"{needs}, and {devices.words} were tried"
    return f"{needs}, more than the {devices.most:,} of the largest cluster left open"


@dataclass(frozen=True)
class _Reached:
    """A figure at one open point, beside what the kernel bound makes of it."""

    value: float
    bound: float
    point: RunResult


def figure_row(assertion: Assertion, evidence: Evidence) -> AssertionRow:
    """A time, rate or cost at the open point where it is best."""
    metric, unit = assertion.metric, UNITS[assertion.metric]
    lower = assertion.comparison == "<=" or metric != "tokens_per_s"
    reached = [found for found in (_reached(point, metric, lower) for point in evidence.points) if found is not None]
    if not reached:
        missing = evidence.points[0].missing.get(metric, "the inputs don't reach it")
        return untestable_row(assertion.id, metric, assertion.claimed, unit, missing)
    best = (min if lower else max)(reached, key=lambda found: found.value)
    bound = (min if lower else max)(found.bound for found in reached)
    step = best.point.step
    published = evidence.published("full")
    gain = None if published is None else published.flops * step.devices / step.achieved_flops
    boast = Boast(
        assertion.claimed,
        best.value,
        bound,
        step.scenario.stack.residual,
        unit,
        record=None if gain is None else best.value * gain ** (-1 if lower else 1),
        record_supports=published is not None and published.same_kind,
        lower=lower,
        tolerance=assertion.tolerance if assertion.comparison == "==" else 0.0,
    )
    return judged_row(assertion.id, metric, boast, published=published)


def _reached(point: RunResult, metric: str, lower: bool) -> _Reached | None:
    """None where the inputs don't reach the figure: no tokens, no price."""
    value = getattr(point.step if hasattr(point.step, metric) else point, metric)
    if value is None:
        return None
    most = most_model_flops(point.step) * point.step.devices / point.step.achieved_flops
    return _Reached(value, value * most ** (-1 if lower else 1), point)
