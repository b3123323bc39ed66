"""Words that the table and the page of a claim share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clustersim.simulation.results import RunResult
from clustersim.studies.amounts import amount
from clustersim.studies.claims.assertion_rows import AssertionRow
from clustersim.views.run_table import headline
from clustersim.views.words import between, layout_words, percent, significant

MEANINGS = {
    "mfu": "MFU, full attention",
    "mfu_causal": "MFU, causal attention",
    "mfu_6n": "MFU, 6N",
    "hfu": "HFU, recomputed work counted",
    "gemm_efficiency": "efficiency of matrix kernels",
    "busy_any": "time in which any kernel runs",
    "busy_compute": "time in which a compute kernel runs",
    "scaling_efficiency": "scaling efficiency",
    "ratio": "ratio to another chip",
    "achieved_flops": "achieved FLOP/s",
    "achieved_flops_per_device": "achieved FLOP/s a device",
    "achieved_flops_ratio": "ratio of achieved FLOP/s",
    "step_time_s": "time of a step",
    "tokens_per_s": "tokens a second",
    "tokens_per_s_per_device": "tokens a second and device",
    "training_days": "training time",
    "device_hours": "device-hours",
    "cost_usd": "cost",
    "energy_kwh": "energy",
    "memory_bytes": "memory a device",
    "active_parameters": "active parameters",
    "input_token_price": "price of a million prompt tokens",
    "output_token_price": "price of a million tokens of answers",
    "token_price_saving": "saving on the price of tokens",
}


def meaning_words(definition: str) -> str:
    """What a row's definition is called in a sentence."""
    return MEANINGS.get(definition, definition)


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
