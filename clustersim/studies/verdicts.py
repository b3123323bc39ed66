"""Verdicts: what a claimed figure is called, given what is attainable, bounded and published."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

VERDICTS = ("supported", "plausible", "untestable", "implausible", "inconsistent", "impossible")  # best to worst
PLAUSIBLE = 0.05
SUPPORTED = 0.50


@dataclass(frozen=True)
class Judgement:
    """A verdict with its probability and one sentence of reason."""

    verdict: str
    probability: float | None
    reason: str


def probability_of(claimed: float, best: float, spread: float, floor: float) -> float:
    """Probability that at least `claimed` is attainable, the best prediction being `best`.

    Log-normal model error of standard deviation `spread`; never below `floor`, what the evidence supports.
    """
    if claimed <= 0 or best <= 0:
        return 1.0 if claimed <= best else floor
    return max(floor, NormalDist().cdf(math.log(best / claimed) / spread))


def judge(
    claimed: float, best: float, bound: float, record: float | None, *, spread: float, floor: float, unit: str = "%"
) -> Judgement:
    """The verdict on a boast of at least `claimed`: by the bound, by a published record, then by probability."""

    def shown(figure: float) -> str:
        return _shown(figure, unit)

    if claimed > bound:
        reason = f"{shown(claimed)} is past {shown(bound)}, the chip's best measured kernel rate for the whole step"
        return Judgement("impossible", 0.0, reason)
    probability = probability_of(claimed, best, spread, floor)
    if record is not None and record >= claimed:
        return Judgement("supported", probability, f"a published run reached {shown(record)}")
    against = f"the best layout found reaches {shown(best)}"
    if record is not None:
        against += f", the best published run {shown(record)}"
    if probability >= SUPPORTED:
        return Judgement("supported", probability, against)
    if probability >= PLAUSIBLE:
        return Judgement("plausible", probability, f"{against}: within the model's error")
    return Judgement("implausible", probability, f"{against}: the claim is {claimed / best:.2f} times that")


def worst(verdicts: list[str]) -> str:
    """The worst of several verdicts; `untestable` alone stays untestable and never makes a claim worse."""
    testable = [verdict for verdict in verdicts if verdict != "untestable"]
    return max(testable, key=VERDICTS.index) if testable else "untestable"


def _shown(value: float, unit: str) -> str:
    return f"{100 * value:.1f} %" if unit == "%" else f"{value:.4g} {unit}".strip()
