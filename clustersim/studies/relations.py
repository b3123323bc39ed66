"""Two systems compared: the claimed ratio, and what a utilization of one would make of the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from clustersim.inputs.claim import Assertion, Relation
from clustersim.simulation.results import RunResult
from clustersim.studies.amounts import amount
from clustersim.studies.claim_rows import AssertionRow, Evidence, judged_row, untestable_row
from clustersim.studies.consistency import Equation, other_utilization
from clustersim.studies.readings import MATRIX_PEAK, Reading
from clustersim.studies.utilization import boast_of, counting_bases
from clustersim.studies.verdicts import Boast

Pair = tuple[RunResult, RunResult]  # the claim's system and the other one, at the same open point

DEFINITION = "achieved_flops_ratio"


def untestable_ratio(relation: Relation, reason: str) -> AssertionRow:
    """The row of two systems that never both run."""
    reason = f"the two systems can't be compared: {reason}"
    return untestable_row(relation.id, DEFINITION, relation.asserted.value, "%", reason)


def ratio_row(relation: Relation, pairs: Sequence[Pair]) -> AssertionRow:
    """Achieved FLOP/s over those of the other system, on as many devices, both at their best layouts.

    Of the open points, a boast takes the highest ratio and an equality the nearest one.
    """
    asserted = relation.asserted
    equal = asserted.comparison == "=="
    mine, theirs = max(pairs, key=lambda pair: -abs(math.log(_ratio(pair) / asserted.value)) if equal else _ratio(pair))
    residual = mine.step.scenario.stack.residual
    other = theirs.step.scenario.stack.residual
    boast = Boast(
        asserted.value,
        _ratio((mine, theirs)),
        math.inf,
        residual.model_copy(update={"spread": math.hypot(residual.spread, other.spread)}),
        "%",
        tolerance=asserted.tolerance if equal else 0.0,
        both_ways=equal,
    )
    chip = theirs.step.scenario.cluster.accelerator.name
    rates = [amount(result.step.achieved_flops / result.step.devices, "FLOP/s") for result in (mine, theirs)]
    reason = (
        f"on {mine.step.devices:,} devices the best layouts found reach {rates[0]} and {rates[1]} a device, "
        f"a ratio of {amount(boast.best, '%')}"
    )
    return judged_row(relation.id, DEFINITION, boast, base=f"to {chip}", reason=reason)


def consequences(
    relation: Relation, assertion: Assertion, evidence: Evidence, others: Evidence
) -> Iterator[tuple[Equation, AssertionRow | None]]:
    """What a utilization, with the ratio, asks of the other system, on every base that it may refer to.

    Where that is possible it is judged as an assertion of its own, by full attention, the kinder convention.
    """
    chip, ratio = others.chip, relation.asserted.value
    reading = Reading("mfu", MATRIX_PEAK, chip.base_peak)
    for name, peak in counting_bases(assertion, evidence).items():
        equation = other_utilization(
            assertion.claimed, name, peak, ratio, chip.name, chip.base_peak, ties=(assertion.id, relation.id)
        )
        if equation.verdict == "inconsistent":
            yield equation, None
            continue
        boast, published = boast_of(equation.implied, reading, others)
        yield (
            equation,
            judged_row(
                f"{relation.id} implied",
                reading.definition,
                boast,
                base=f"{reading.base_words} of {chip.name}, if the claim's is {peak / 1e12:.4g}",
                published=published,
                base_name=name,
                follows_from=assertion.id,
            ),
        )


def _ratio(pair: Pair) -> float:
    return pair[0].step.achieved_flops / pair[1].step.achieved_flops
