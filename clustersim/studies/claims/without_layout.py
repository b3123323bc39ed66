"""Claims that no layout can run: what peaks and memory say all the same.

A figure past what all of the chips' best kernels give together is impossible however the work is laid out; so is a
model whose states are more than all devices hold. Where neither says anything the claim can't be judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from clustersim.inputs.amounts import counted
from clustersim.inputs.claim import Assertion, Claim
from clustersim.inputs.claim_metrics import METRICS
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import value_of
from clustersim.studies.claims.assertion_rows import AssertionRow, reasoned_row, untestable_row
from clustersim.studies.claims.definitions import readings
from clustersim.studies.claims.ideal import ideal_run, state_bytes
from clustersim.studies.claims.utilization import check_base, counts, limit_of
from clustersim.studies.claims.verdicts import KERNEL, STATES, THE_WHOLE_TIME, ClaimedFigure, past_the_bound
from clustersim.studies.layouts.search import leanest_bytes


def rows_without_layout(
    claim: Claim, scenarios: Sequence[Scenario], reasons: Sequence[str], *, tried: bool
) -> list[AssertionRow]:
    """A row for every figure where peaks or memory exclude one; none where neither says anything.

    `tried`: layouts were tried, and the reasons are theirs; else the claim's own layout fits none of the scenarios.
    """
    past = {found.id: row for found in claim.assertions if (row := past_the_peak(found, scenarios)) is not None}
    too_large = {row.id: row for row in too_large_rows(claim, scenarios, reasons if tried else ())}
    if not past and not too_large:
        return []
    why = f"no layout runs it: {'; '.join(reasons)}"
    judged = too_large | past
    return [
        judged.get(name) or untestable_row(name, metric, value, METRICS[metric].unit, why)
        for name, metric, value in _figures(claim)
    ]


def _figures(claim: Claim) -> list[tuple[str, str, float]]:
    """Id, metric and value of everything that the claim asserts."""
    own: list[tuple[str, str, float]] = [(found.id, found.metric, found.claimed) for found in claim.assertions]
    return own + [(found.id, found.asserted.metric, found.asserted.value) for found in claim.relations]


def past_the_peak(assertion: Assertion, scenarios: Sequence[Scenario]) -> AssertionRow | None:
    """The row of a figure that is past the ideal run of every scenario under every meaning that counts, else none."""
    found = [boast for scenario in scenarios for boast in _boasts(assertion, scenario)]
    if not found or any(boast.reached_by(boast.bound) for boast in found):
        return None
    kindest = (min if found[0].lower else max)(found, key=lambda boast: boast.bound)
    return reasoned_row(
        assertion.id,
        assertion.metric,
        assertion.claimed,
        kindest.unit,
        "impossible",
        past_the_bound(kindest),
        probability=0.0,
    )


def _boasts(assertion: Assertion, scenario: Scenario) -> list[ClaimedFigure]:
    """The figure beside its limit in a scenario, once for every meaning that counts."""
    figure = METRICS[assertion.metric]
    return [
        ClaimedFigure(
            assertion.claimed,
            np.array([limit]),
            limit,
            figure.unit,
            lower=figure.lower,
            tolerance=assertion.granted,
            limit=words,
        )
        for limit, words in _limits(assertion, scenario)
    ]


def _limits(assertion: Assertion, scenario: Scenario) -> Iterator[tuple[float, str]]:
    """What nothing gets past, and what that is; nothing for a figure that no run makes."""
    if assertion.meaning:
        check_base(assertion, scenario)
        for reading in readings(scenario.cluster.accelerator, scenario.training.precision):
            if counts(assertion, reading):
                yield limit_of(reading, scenario), KERNEL if reading.base_flops else THE_WHOLE_TIME
        if assertion.meaning == "goodput":
            yield 1.0, THE_WHOLE_TIME
        return
    limit = value_of(ideal_run(scenario), METRICS[assertion.metric])
    if limit is not None:
        yield limit, STATES if assertion.metric == "memory_bytes" else KERNEL


def too_large_rows(claim: Claim, scenarios: Sequence[Scenario], reasons: Sequence[str]) -> list[AssertionRow]:
    """A row for every figure where memory is what keeps all scenarios from running; none where something else does.

    Impossible where weights, masters and moments alone are more than all devices hold; implausible where no layout
    that was tried fits, for the `reasons` that layouts gave.
    """
    roomiest = max(scenarios, key=lambda scenario: _room(scenario) / state_bytes(scenario))
    held, room = state_bytes(roomiest), _room(roomiest)
    if held > room:
        verdict = "impossible"
        reason = (
            f"16-bit weights, 32-bit masters and Adam's moments are {held / 2**40:.3g} TiB, and "
            f"{counted(roomiest.cluster.devices, 'device')} hold {room / 2**40:.3g} TiB"
        )
    elif reasons and not any(math.isinf(_least(scenario)) for scenario in scenarios):
        verdict, reason = "implausible", "; ".join(reasons)
    else:
        return []
    return [
        reasoned_row(name, metric, value, METRICS[metric].unit, verdict, reason)
        for name, metric, value in _figures(claim)
    ]


def _room(scenario: Scenario) -> float:
    """Bytes that all devices hold."""
    return scenario.cluster.devices * scenario.cluster.accelerator.memory.usable_bytes


def _least(scenario: Scenario) -> float:
    """Bytes a device of the leanest layout; a stated one was found not to fit, so any number will do."""
    return leanest_bytes(scenario) if scenario.layout == "search" else 0.0
