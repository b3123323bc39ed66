"""Two systems compared: the claimed ratio, and what a utilization of one would make of the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from clustersim.inputs.amounts import amount
from clustersim.inputs.claim import Assertion, Relation
from clustersim.studies.claims.assertion_rows import AssertionRow, ClaimContext, judged_row, untestable_row
from clustersim.studies.claims.definitions import MATRIX_PEAK, Reading
from clustersim.studies.claims.equations import Equation, other_utilization
from clustersim.studies.claims.utilization import boast_of, claimed_ratio, counting_bases, scaling_boast


def untestable_ratio(relation: Relation, reason: str) -> AssertionRow:
    """The row of two systems that never both run."""
    reason = f"the two systems can't be compared: {reason}"
    return untestable_row(relation.id, relation.asserted.metric, relation.asserted.value, "%", reason)


def ratio_row(relation: Relation, mine: ClaimContext, theirs: ClaimContext) -> AssertionRow:
    """Achieved FLOP/s over those of the other system, both at their best layouts, or throughput a device over its."""
    asserted = relation.asserted
    equal = asserted.comparison == "=="
    chip = theirs.chip.name
    rates = [amount(float(np.median(system.rate("full"))), "FLOP/s") for system in (mine, theirs)]
    if asserted.metric == "scaling_efficiency":
        boast = replace(scaling_boast(asserted.value, mine, theirs, asserted.granted), both_ways=equal)
        base = f"{mine.devices.words} over {theirs.devices.words}"
        reason = f"the best layouts keep {amount(boast.best, '%')} of the throughput a device"
    else:
        boast = claimed_ratio(asserted.value, mine, theirs, asserted.granted, both_ways=equal)
        base = f"to {chip}"
        reason = (
            f"on {mine.devices.words} devices the best layouts reach {rates[0]} and {rates[1]} a device, "
            f"a ratio of {amount(boast.best, '%')}"
        )
    return judged_row(relation.id, asserted.metric, boast, base=base, reason=reason)


def consequences(
    relation: Relation, assertion: Assertion, context: ClaimContext, others: ClaimContext
) -> Iterator[tuple[Equation, AssertionRow | None]]:
    """What a utilization, with the ratio, asks of the other system, on every base that it may refer to.

    Where that is possible it is judged as an assertion of its own, by full attention, the kinder convention.
    """
    chip, ratio = others.chip, relation.asserted.value
    reading = Reading("mfu", MATRIX_PEAK, chip.base_peak)
    for name, peak in counting_bases(assertion, context).items():
        equation = other_utilization(
            assertion.claimed, name, peak, ratio, chip.name, chip.base_peak, ties=(assertion.id, relation.id)
        )
        if equation.verdict == "inconsistent":
            yield equation, None
            continue
        boast, mark = boast_of(equation.implied, reading, others)
        yield (
            equation,
            judged_row(
                f"{relation.id} implied",
                reading.definition,
                boast,
                base=f"{reading.base_words} of {chip.name}, if the claim's is {peak / 1e12:.4g}",
                mark=mark,
                base_name=name,
                follows_from=assertion.id,
            ),
        )
