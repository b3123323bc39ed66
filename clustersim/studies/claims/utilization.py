"""A claimed utilization, read every way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from clustersim.errors import InputError, Problem
from clustersim.inputs.amounts import amount
from clustersim.inputs.claim import Assertion
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.units import shown
from clustersim.studies.claims.assertion_rows import AssertionRow, ClaimContext, Mark, judged_row, untestable_row
from clustersim.studies.claims.definitions import (
    MATRIX_PEAK,
    NO_BASE,
    Reading,
    bases,
    kernel_rate,
    most_flops,
    readings,
)
from clustersim.studies.claims.draws import attainable
from clustersim.studies.claims.goodput import goodput_row
from clustersim.studies.claims.verdicts import THE_WHOLE_TIME, ClaimedFigure

Systems = Sequence[tuple[ClaimContext, ClaimContext]]  # the claim's system and another, at the same points


def utilization_rows(
    assertion: Assertion,
    context: ClaimContext,
    smaller: tuple[ClaimContext, ClaimContext] | None,
    longer: ClaimContext | None,
    others: Systems,
) -> list[AssertionRow]:
    """Every meaning of a utilization; a stated one counts by itself, an unstated one by its MFU rows.

    `smaller`: the largest cluster in question and a smaller one, for scaling; `longer`: it with long sequences;
    `others`: systems that the claim compares with. Raises InputError for a base that the chip doesn't have.
    """
    check_base(assertion, context.scenario)
    rows = []
    for reading in readings(context.chip, context.scenario.training.precision):
        boast, mark = boast_of(assertion.claimed, reading, context, assertion.granted)
        row = judged_row(
            assertion.id,
            reading.definition,
            boast,
            base=reading.base_words,
            mark=mark,
            counts=counts(assertion, reading),
            base_name=reading.base,
        )
        rows.append(row)
    if longer is not None and assertion.meaning == "unstated":
        rows += _long_rows(assertion, longer)
    goodput = goodput_row(assertion.id, assertion.claimed, assertion.granted, context)
    others_read = (_scaling_row(assertion, smaller), goodput, *_ratios(assertion, others))
    return rows + [replace(row, counts=assertion.meaning == row.definition) for row in others_read]


def boast_of(
    claimed: float, reading: Reading, context: ClaimContext, tolerance: float = 0.0
) -> tuple[ClaimedFigure, Mark | None]:
    """A utilization beside what is attainable, bounded and published under one reading."""
    if reading.base_flops is None:
        predicted = context.draws.figure(reading.definition)
        assert predicted is not None
        reached = attainable(predicted, context.draws)
        return ClaimedFigure(claimed, reached, 1.0, "%", tolerance=tolerance, limit=THE_WHOLE_TIME), None
    bases_of = [base_of(step.scenario, reading) for step in context.steps]
    base = context.draws.by_point(bases_of)
    if reading.convention is None:
        products = context.draws.figure("gemm_efficiency")
        assert products is not None
        peaks = context.draws.by_point([step.scenario.cluster.accelerator.base_peak for step in context.steps])
        reached = attainable(products, context.draws) * peaks / base
        bound = max(limit_of(reading, step.scenario) for step in context.steps)
        limit = "the chip's best measured matrix kernel"
        return ClaimedFigure(claimed, reached, bound, "%", tolerance=tolerance, limit=limit), None
    mark = context.mark(reading.convention)
    record = None if mark is None else mark.run.flops / bases_of[0]
    convention = reading.convention
    boast = ClaimedFigure(
        claimed,
        context.rate(convention) / base,
        max(limit_of(reading, step.scenario) for step in context.steps),
        "%",
        record=record,
        apart="" if mark is None else mark.apart,
        shown=context.shown(mark, context.draws.by_point([record or 0.0] * len(context.points))),
        tolerance=tolerance,
    )
    return boast, mark


def base_of(scenario: Scenario, reading: Reading) -> float:
    """FLOP/s of a reading's base on the chip of a scenario; its matrix peak where that chip has no such base."""
    chip = scenario.cluster.accelerator
    return bases(chip, scenario.training.precision).get(reading.base, chip.base_peak)


def limit_of(reading: Reading, scenario: Scenario) -> float:
    """What no layout gets past under one reading: the best kernel over its base, or the whole time."""
    if reading.base_flops is None:
        return 1.0
    rate = kernel_rate(scenario) if reading.convention is None else most_flops(scenario, reading.convention)
    return rate / base_of(scenario, reading)


def counting_bases(assertion: Assertion, context: ClaimContext) -> dict[str, float]:
    """The peaks that a utilization may be a share of, as far as it is an MFU: all of them where nothing is stated."""
    if not assertion.is_mfu:
        return {}
    peaks = bases(context.chip, context.scenario.training.precision)
    named = MATRIX_PEAK if assertion.base is None and assertion.meaning != "unstated" else assertion.base
    return peaks if named is None else {named: peaks[named]}


def check_base(assertion: Assertion, scenario: Scenario) -> None:
    """Raise InputError where the assertion names a base that the chip doesn't have."""
    chip = scenario.cluster.accelerator
    known = bases(chip, scenario.training.precision)
    if assertion.base is not None and assertion.base not in known:
        message = f"{chip.name} has no peak {shown(assertion.base)}{did_you_mean(assertion.base, known)}"
        raise InputError(f"assertion {assertion.id}", [Problem(message, "base")])


def scaling_boast(claimed: float, larger: ClaimContext, smaller: ClaimContext, tolerance: float) -> ClaimedFigure:
    """Throughput a device over that of a smaller cluster: what both share of the model's error cancels."""
    rates = [attainable(system.predicted_rate("full"), system.draws) for system in (larger, smaller)]
    return ClaimedFigure(claimed, rates[0] / rates[1], math.inf, "%", tolerance=tolerance)


def claimed_ratio(
    claimed: float, mine: ClaimContext, theirs: ClaimContext, tolerance: float, *, both_ways: bool
) -> ClaimedFigure:
    """Achieved FLOP/s a device over those of another system, both at their best."""
    ratio = mine.rate("full") / theirs.rate("full")
    return ClaimedFigure(claimed, ratio, math.inf, "%", tolerance=tolerance, both_ways=both_ways)


def _long_rows(assertion: Assertion, longer: ClaimContext) -> list[AssertionRow]:
    """The MFU rows of the matrix peak with long sequences, where conventions differ most."""
    length = longer.scenario.training.sequence_length
    rows = []
    for reading in readings(longer.chip):
        if reading.base == MATRIX_PEAK and reading.definition in ("mfu", "mfu_causal"):
            boast, mark = boast_of(assertion.claimed, reading, longer, assertion.granted)
            base = f"{reading.base_words}, {length:,} tokens"
            rows.append(judged_row(assertion.id, reading.definition, boast, base=base, mark=mark, counts=False))
    return rows


def _scaling_row(assertion: Assertion, smaller: tuple[ClaimContext, ClaimContext] | None) -> AssertionRow:
    definition = "scaling_efficiency"
    if smaller is None:
        reason = "no smaller cluster of an eighth of the devices can run it, to scale from"
        return untestable_row(assertion.id, definition, assertion.claimed, "%", reason)
    larger, reference = smaller
    boast = scaling_boast(assertion.claimed, larger, reference, assertion.granted)
    base = f"{larger.devices.words} over {reference.devices.words}"
    return judged_row(assertion.id, definition, boast, base=base)


def _ratios(assertion: Assertion, others: Systems) -> list[AssertionRow]:
    """The figure read as a ratio to each other system."""
    rows = []
    if assertion.meaning == "ratio" and not others:
        reason = "a ratio needs what it is compared with: state it under relations"
        return [untestable_row(assertion.id, "ratio", assertion.claimed, "%", reason)]
    for mine, theirs in others:
        boast = claimed_ratio(assertion.claimed, mine, theirs, assertion.granted, both_ways=False)
        reason = f"the best layouts reach {amount(boast.best, '%')} of {theirs.chip.name} on as many devices"
        rows.append(judged_row(assertion.id, "ratio", boast, base=f"to {theirs.chip.name}", reason=reason))
    return rows


def counts(assertion: Assertion, reading: Reading) -> bool:
    """Whether the claim's verdict may rest on this reading."""
    if assertion.meaning == "unstated":
        return reading.counts and assertion.base in (None, reading.base)
    return reading.definition == assertion.meaning and reading.base in (assertion.base or MATRIX_PEAK, NO_BASE)
