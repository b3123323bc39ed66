"""Words that the table and the page of a claim share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clustersim.inputs.amounts import amount
from clustersim.inputs.figures import FIGURES
from clustersim.simulation.results import RunResult
from clustersim.studies.claims.assertion_rows import AssertionRow
from clustersim.studies.claims.variants import VariantPoint, VariantRow
from clustersim.views.run_table import headline
from clustersim.views.words import between, count, layout_words, percent, significant

LABELS = {figure.name: figure.label for figure in FIGURES} | {"ratio": "ratio to another chip"}


def meaning_words(definition: str) -> str:
    """What a row's definition is called in a sentence; one that is said in words already stays as it is."""
    return LABELS.get(definition, definition)


def best_words(row: AssertionRow) -> str:
    """What is attainable with its 80 % interval: 38.2 % (29.5 to 49.3)."""
    if row.best_attainable is None:
        return "-"
    best = amount(row.best_attainable, row.unit)
    if row.interval_80 is None:
        return best
    low, high = (amount(bound, row.unit) for bound in row.interval_80)
    return f"{best} ({between(low, high)})"


def probability_words(row: AssertionRow) -> str:
    """A probability in whole percent: 57 %, < 1 %."""
    value = row.probability
    if value is None:
        return "-"
    return "< 1 %" if 0 < value < 0.01 else "> 99 %" if 0.99 < value < 1 else percent(value, 0)


def tried_lines(points: Sequence[RunResult]) -> Iterator[str]:
    """The best layout at every point of what the claim leaves open."""
    for point in points:
        step = point.step
        told = (
            f"{percent(step.mfu)} MFU full, {percent(step.mfu_causal)} causal, {significant(step.step_time_s)} s a step"
        )
        length = step.scenario.training.sequence_length
        yield f"{headline(step.scenario)}: {length:,} tokens: {told}, {layout_words(step.scenario.resolved_layout)}"


def variant_lines(variants: Sequence[VariantRow]) -> Iterator[str]:
    """Each variant: its parameters, and by sequence length its step beside that of the claim's own model."""
    for row in variants:
        what = f"{row.id} ({row.about})" if row.about else row.id
        yield f"{what}: {count(row.parameters)} parameters, {count(row.active_parameters)} active"
        for length in dict.fromkeys(point.sequence_length for point in row.points):
            yield _beside(row, [point for point in row.points if point.sequence_length == length])
        if row.wider:
            yield f"the range in brackets: {row.wider}"
    points = [point for row in variants for point in row.points]
    if points:
        best, own = max(point.mfu_causal for point in points), max(point.own_mfu_causal for point in points)
        yield f"the highest MFU (causal) of a variant is {percent(best)}; of the model that is judged, {percent(own)}"


def _beside(row: VariantRow, points: Sequence[VariantPoint]) -> str:
    """A variant at one sequence length, on all numbers of devices together."""
    times = _spanned([f"{point.time_ratio:.2f}" for point in points])
    ends = [end for point in points for end in point.time_ratio_80]
    left_open = f" ({min(ends):.2f} to {max(ends):.2f})" if row.wider else ""
    shares = _spanned([percent(point.mfu_causal) for point in points])
    own = "" if all(point.same_layout for point in points) else ", in a layout of its own"
    return (
        f"{points[0].sequence_length:,} tokens: {times}{left_open} of the time a step, "
        f"{points[0].flops_ratio:.2f} of the FLOPs a token, {shares} MFU causal{own}"
    )


def _spanned(texts: Sequence[str]) -> str:
    low, high = min(texts, key=_number), max(texts, key=_number)
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def _number(text: str) -> float:
    return float(text.split()[0])
