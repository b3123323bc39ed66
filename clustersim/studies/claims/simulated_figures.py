"""Claimed FLOP/s, times, rates, costs and bytes: what the best layouts make of them."""

from __future__ import annotations

import numpy as np

from clustersim.inputs.amounts import amount, whole
from clustersim.inputs.claim import Assertion
from clustersim.inputs.claim_metrics import METRICS
from clustersim.inputs.kinds import unhandled
from clustersim.studies.claims.assertion_rows import AssertionRow, ClaimContext, judged_row, untestable_row
from clustersim.studies.claims.definitions import most_flops
from clustersim.studies.claims.ideal import least_state_bytes
from clustersim.studies.claims.verdicts import STATES, ClaimedFigure
from clustersim.studies.layouts.search import leanest_bytes

MEMORY_SPREAD = 0.1  # of log(measured / predicted) peak memory (assumed)


def figure_row(assertion: Assertion, context: ClaimContext) -> AssertionRow:
    """A time, a rate, a cost or energy: whatever goes as a power of the step's time.

    A figure that goes as time^power gains as speed^-power from what can be had over what is predicted, from the best
    published run, and from the chip's best kernel. Raises InputError for a figure that doesn't follow the step.
    """
    figure = METRICS[assertion.metric]
    if figure.of == "claim" or not figure.power:
        raise unhandled("assert.metric", [figure.name], [name for name, other in METRICS.items() if other.power])
    reached = context.draws.figure(figure.name)
    if reached is None:
        missing = context.points[0].result.missing.get(figure.name, "the inputs don't reach it")
        return untestable_row(assertion.id, figure.name, assertion.claimed, figure.unit, missing)
    mark, predicted = context.mark("full"), context.predicted_rate("full")
    most = context.draws.by_point([most_flops(step.scenario, "full") for step in context.steps])
    best = min if figure.lower else max
    shown = reached if mark is None else reached * (mark.run.flops / predicted) ** -figure.power
    boast = ClaimedFigure(
        assertion.claimed,
        reached * context.gain**-figure.power,
        float(best(reached * (most / predicted) ** -figure.power)),
        figure.unit,
        record=None if mark is None else float(best(shown)),
        apart="" if mark is None else mark.apart,
        shown=context.shown(mark, shown, -figure.power),
        lower=figure.lower,
        tolerance=assertion.granted,
    )
    reason = _devices_needed(boast, context) if figure.name == "achieved_flops" else ""
    return judged_row(assertion.id, figure.name, boast, mark=mark, reason=reason)


def _devices_needed(boast: ClaimedFigure, context: ClaimContext) -> str:
    """One sentence: how many devices at the best rate, and whether there are so many."""
    each = float(np.median(context.rate("full")))
    devices = context.devices
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


def memory_row(assertion: Assertion, context: ClaimContext) -> AssertionRow:
    """Peak bytes a device: of the stated layout, or of the leanest one that can run."""
    held = [
        point.result.step.memory_bytes
        if point.setting.scenario.layout != "search"
        else min(point.result.step.memory_bytes, leanest_bytes(point.setting.scenario))
        for point in context.points
    ]
    boast = ClaimedFigure(
        assertion.claimed,
        context.draws.by_point(held) * np.exp(MEMORY_SPREAD * context.draws.error),
        min(least_state_bytes(step.scenario) for step in context.steps),
        "bytes",
        lower=True,
        tolerance=assertion.granted,
        limit=STATES,
    )
    return judged_row(assertion.id, "memory_bytes", boast)
