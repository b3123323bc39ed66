"""Words that the table and the page of a claim share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clustersim.inputs.amounts import amount
from clustersim.inputs.figures import FIGURES
from clustersim.simulation.results import RunResult
from clustersim.studies.claims.assertion_rows import AssertionRow
from clustersim.views.run_table import headline
from clustersim.views.words import between, layout_words, percent, significant

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
