"""Claimed FLOP/s, times, rates, costs and bytes: what the best layouts make of them."""

from __future__ import annotations

import numpy as np

from clustersim.inputs.claim import Assertion
from clustersim.inputs.claim_metrics import FIGURES
from clustersim.studies.amounts import amount, whole
from clustersim.studies.claims.assertion_rows import AssertionRow, ClaimContext, judged_row, untestable_row
from clustersim.studies.claims.definitions import most_flops
from clustersim.studies.claims.draws import Floats
from clustersim.studies.claims.ideal import least_state_bytes
from clustersim.studies.claims.verdicts import STATES, ClaimedFigure
from clustersim.studies.layouts.search import leanest_bytes

MEMORY_SPREAD = 0.1  # of log(measured / predicted) peak memory (assumed)
OF_A_STEP = ("step_time_s", "tokens_per_s", "tokens_per_s_per_device")


def flops_row(assertion: Assertion, evidence: ClaimContext) -> AssertionRow:
    """Total model FLOP/s, with the number of devices that it takes; or those of one device."""
    each = assertion.metric == "achieved_flops_per_device"
    mark = evidence.mark("full")
    sizes = [1 if each else step.devices for step in evidence.steps]
    shown = evidence.draws.by_point([0.0 if mark is None else size * mark.run.flops for size in sizes])
    boast = ClaimedFigure(
        assertion.claimed,
        evidence.rate("full") * evidence.draws.by_point(sizes),
        max(size * most_flops(step.scenario, "full") for size, step in zip(sizes, evidence.steps, strict=True)),
        "FLOP/s",
        record=None if mark is None else float(shown.max()),
        apart="" if mark is None else mark.apart,
        shown=evidence.shown(mark, shown),
        tolerance=assertion.granted,
    )
    reason = "" if each else _devices_needed(boast, evidence)
    return judged_row(assertion.id, assertion.metric, boast, mark=mark, reason=reason)


def _devices_needed(boast: ClaimedFigure, evidence: ClaimContext) -> str:
    """One sentence: how many devices at the best rate, and whether there are so many."""
    each = float(np.median(evidence.rate("full")))
    devices = evidence.devices
    if devices.stated:
        needed = amount(boast.claimed / devices.most, "FLOP/s")
        return (
            f"it takes {needed} on each of the {devices.words} devices, and the best layouts reach "
            f"{amount(each, 'FLOP/s')}"
        )
    needs = f"it takes about {whole(boast.claimed / each)} devices at the {amount(each, 'FLOP/s')} of the best layouts"
    if boast.least <= each * devices.most:
        return f"{needs}, and {devices.words} were tried"
    return f"{needs}, more than the {devices.most:,} of the largest cluster left open"


def figure_row(assertion: Assertion, evidence: ClaimContext) -> AssertionRow:
    """A time, a rate, a cost or energy."""
    metric, figure = assertion.metric, FIGURES[assertion.metric]
    reached = _reached(metric, evidence)
    if reached is None:
        missing = evidence.points[0].result.missing.get(metric, "the inputs don't reach it")
        return untestable_row(assertion.id, metric, assertion.claimed, figure.unit, missing)
    mark = evidence.mark("full")
    power = -1.0 if figure.at_most else 1.0
    predicted = evidence.predicted_rate("full")
    most = evidence.draws.by_point([most_flops(step.scenario, "full") for step in evidence.steps])
    best = min if figure.at_most else max
    shown = reached if mark is None else reached * (mark.run.flops / predicted) ** power
    boast = ClaimedFigure(
        assertion.claimed,
        reached * evidence.gain**power,
        float(best(reached * (most / predicted) ** power)),
        figure.unit,
        record=None if mark is None else float(best(shown)),
        apart="" if mark is None else mark.apart,
        shown=evidence.shown(mark, shown, power),
        lower=figure.at_most,
        tolerance=assertion.granted,
    )
    return judged_row(assertion.id, metric, boast, mark=mark)


def _reached(metric: str, evidence: ClaimContext) -> Floats | None:
    """The figure as predicted in every draw."""
    if not metric.startswith("tokens_per_s"):
        return evidence.draws.figure(metric)
    seconds = evidence.draws.figure("step_time_s")
    assert seconds is not None
    sizes = [step.devices if metric.endswith("device") else 1 for step in evidence.steps]
    tokens = [step.scenario.training.tokens_per_step for step in evidence.steps]
    return evidence.draws.by_point(tokens) / seconds / evidence.draws.by_point(sizes)


def memory_row(assertion: Assertion, evidence: ClaimContext) -> AssertionRow:
    """Peak bytes a device: of the stated layout, or of the leanest one that can run."""
    held = [
        point.result.step.memory_bytes
        if point.setting.scenario.layout != "search"
        else min(point.result.step.memory_bytes, leanest_bytes(point.setting.scenario))
        for point in evidence.points
    ]
    boast = ClaimedFigure(
        assertion.claimed,
        evidence.draws.by_point(held) * np.exp(MEMORY_SPREAD * evidence.draws.error),
        min(least_state_bytes(step.scenario) for step in evidence.steps),
        "bytes",
        lower=True,
        tolerance=assertion.granted,
        limit=STATES,
    )
    return judged_row(assertion.id, "memory_bytes", boast)
