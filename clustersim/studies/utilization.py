"""A claimed utilization, read every way."""

from __future__ import annotations

from clustersim.errors import InputError, Problem
from clustersim.inputs.claim import Assertion
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.units import shown
from clustersim.studies.claim_rows import AssertionRow, Evidence, judged_row
from clustersim.studies.readings import MATRIX_PEAK, NO_BASE, Reading, bases, readings
from clustersim.studies.records import Published
from clustersim.studies.verdicts import Boast


def utilization_rows(assertion: Assertion, evidence: Evidence) -> list[AssertionRow]:
    """Every meaning of a utilization; a stated one counts by itself, an unstated one by its MFU rows.

    Raises InputError for a base that the chip doesn't have.
    """
    check_base(assertion, evidence)
    tolerance = assertion.tolerance if assertion.comparison == "==" else 0.0
    rows = []
    for reading in readings(evidence.chip, evidence.scenario.training.precision):
        boast, published = boast_of(assertion.claimed, reading, evidence, tolerance)
        row = judged_row(
            assertion.id,
            reading.definition,
            boast,
            base=reading.base_words,
            published=published,
            counts=_counts(assertion, reading),
            base_name=reading.base,
        )
        rows.append(row)
    return rows


def boast_of(
    claimed: float, reading: Reading, evidence: Evidence, tolerance: float = 0.0
) -> tuple[Boast, Published | None]:
    """A utilization beside what is attainable, bounded and published under one reading."""
    step = evidence.best(reading.value)
    published = None if reading.convention is None else evidence.published(reading.convention)
    boast = Boast(
        claimed,
        reading.value(step),
        max(map(reading.bound, evidence.steps)),
        step.scenario.stack.residual,
        "%",
        record=None if published is None or reading.base_flops is None else published.flops / reading.base_flops,
        record_supports=published is not None and published.same_kind,
        tolerance=tolerance,
    )
    return boast, published


def counting_bases(assertion: Assertion, evidence: Evidence) -> dict[str, float]:
    """The peaks that a utilization may be a share of, as far as it is an MFU: all of them where nothing is stated."""
    if assertion.definition not in ("unstated", "mfu", "mfu_causal"):
        return {}
    peaks = bases(evidence.chip, evidence.scenario.training.precision)
    named = MATRIX_PEAK if assertion.base is None and assertion.definition != "unstated" else assertion.base
    return peaks if named is None else {named: peaks[named]}


def check_base(assertion: Assertion, evidence: Evidence) -> None:
    """Raise InputError where the assertion names a base that the chip doesn't have."""
    known = bases(evidence.chip, evidence.scenario.training.precision)
    if assertion.base is not None and assertion.base not in known:
        message = f"{evidence.chip.name} has no peak {shown(assertion.base)}{did_you_mean(assertion.base, known)}"
        raise InputError(f"assertion {assertion.id}", [Problem(message, "base")])


def _counts(assertion: Assertion, reading: Reading) -> bool:
    """Whether the claim's verdict may rest on this reading."""
    if assertion.definition == "unstated":
        return reading.counts and assertion.base in (None, reading.base)
    return reading.definition == assertion.definition and reading.base in (assertion.base or MATRIX_PEAK, NO_BASE)
