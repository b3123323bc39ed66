"""Scenarios beside each other: their figures, how far these differ and how sure that is, and what the difference is.

The first is what the others are held against. Intervals of differences are those of two runs of one team: what the
errors of both share cancels (`shared_errors.py`). Differences are at the first one's predicted figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import Any

from clustersim.answer import Answer
from clustersim.inputs.amounts import amount, times
from clustersim.inputs.figures import Figure, shown
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.inspect.waterfall import Waterfall, waterfall
from clustersim.simulation.intervals import Interval, ModelError, model_error
from clustersim.simulation.result_row import run_row
from clustersim.simulation.results import RunResult, value_of
from clustersim.simulation.run import run_of
from clustersim.simulation.step.step import play_step, result_of
from clustersim.simulation.stragglers import slow_nodes_of
from clustersim.studies.shared_errors import is_same, ratio_widths

TOLD = 0.05  # of the whole difference: parts that move less aren't named
MOST_PARTS = 4
MILLION, MANY = 1e6, 1e3


@dataclass(frozen=True)
class Contender:
    """One of the scenarios, simulated."""

    letter: str  # A, B, C ...
    result: RunResult
    waterfall: Waterfall
    error: ModelError

    @property
    def scenario(self) -> Scenario:
        """What was simulated."""
        return self.result.step.scenario

    @property
    def device_seconds(self) -> dict[str, float]:
        """Device-seconds a million tokens, by part of the step."""
        step = self.result.step
        scale = step.devices / step.scenario.training.tokens_per_step * MILLION
        return {part: seconds * scale for part, seconds in step.breakdown.items()}


@dataclass(frozen=True)
class Difference:
    """A figure of a later scenario less that of the first."""

    figure: Figure
    letter: str
    value: float  # in the figure's own unit
    ratio: float
    interval_80: Interval | None  # of the value; None for what doesn't go with the step's time
    interval_95: Interval | None
    ratio_80: Interval | None

    @property
    def is_told(self) -> bool:
        """Whether the 80 % interval leaves no doubt which is larger."""
        return self.interval_80 is None or not self.interval_80[0] <= 0.0 <= self.interval_80[1]

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "figure": self.figure.name,
            "of": self.letter,
            "against": "A",
            "value": self.value,
            "ratio": self.ratio,
            "interval_80": None if self.interval_80 is None else list(self.interval_80),
            "interval_95": None if self.interval_95 is None else list(self.interval_95),
        }


@dataclass(frozen=True, repr=False)
class ScenarioComparison(Answer):
    """Two scenarios or more, the first of which the others are held against."""

    contenders: tuple[Contender, ...]

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Of every later one, figure by figure."""
        return tuple(each for other in self.contenders[1:] for each in _differences(self.contenders[0], other))

    @cached_property
    def explanations(self) -> tuple[str, ...]:
        """What each difference to the first comes from, in a sentence."""
        return tuple(_explained(self.contenders[0], other) for other in self.contenders[1:])

    def headline(self) -> tuple[str, dict[str, str]]:
        """The scenarios, and the sentences."""
        what = " against ".join(each.scenario.name for each in self.contenders)
        later = [each.letter for each in self.contenders[1:]]
        return what, dict(zip(later, self.explanations, strict=True))

    def table(self) -> list[dict[str, Any]]:
        """A row for each scenario."""
        return [{"scenario": each.letter, **run_row(each.result)} for each in self.contenders]

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim compare --json` prints."""
        return {
            "results": [each.result.to_dict() for each in self.contenders],
            "differences": [difference.to_dict() for difference in self.differences],
            "waterfalls": [each.waterfall.to_dict() for each in self.contenders],
            "explanation": " ".join(self.explanations),
        }


def compare(scenarios: Sequence[Scenario], *, engine: str = "auto") -> ScenarioComparison:
    """Simulate scenarios, with layouts, and hold them against the first. Raises ValueError for fewer than two."""
    if len(scenarios) < 2:
        raise ValueError("a comparison needs two scenarios or more")
    named = zip(islice(_letters(), len(scenarios)), scenarios, strict=True)
    return ScenarioComparison(tuple(_contender(letter, each, engine) for letter, each in named))


def _letters() -> Iterator[str]:
    """A to Z, then A1, B1 ..."""
    for turn in count():
        yield from (chr(ord("A") + place) + (str(turn) if turn else "") for place in range(26))


def _contender(letter: str, scenario: Scenario, engine: str) -> Contender:
    played = play_step(scenario, engine=engine)
    result = run_of(result_of(played), slow_nodes_of(played))
    return Contender(letter, result, waterfall(played), model_error(scenario))


def _differences(one: Contender, other: Contender) -> Iterator[Difference]:
    apart = ratio_widths(one.scenario, other.scenario, (one.error, other.error))
    for figure in shown("run"):
        ours, theirs = value_of(one.result, figure), value_of(other.result, figure)
        if ours is None or theirs is None or not ours > 0.0:
            continue
        ratio = theirs / ours
        widths = {level: abs(figure.power) * width for level, width in apart.items()}
        bounds = {level: _bounds(ours, ratio, width) for level, width in widths.items()}
        intervals = (bounds["80"], bounds["95"], _around(ratio, widths["80"])) if figure.power else (None, None, None)
        yield Difference(figure, other.letter, theirs - ours, ratio, *intervals)


def _bounds(ours: float, ratio: float, width: float) -> Interval:
    """ours * (ratio * exp(+-width) - 1)."""
    low, high = _around(ratio, width)
    return ours * (low - 1.0), ours * (high - 1.0)


def _around(ratio: float, width: float) -> Interval:
    return ratio * math.exp(-width), ratio * math.exp(width)


def _explained(one: Contender, other: Contender) -> str:
    """B takes 12.1 s a step against 13.8 s of A, 12.3 % less (80 %: 8 to 16 % less): pipeline bubble -1.1 s, ..."""
    alike = _work(one) == _work(other)
    ours, theirs = (each.result.step.breakdown if alike else each.device_seconds for each in (one, other))
    before, after = sum(ours.values()), sum(theirs.values())
    unit = "a step" if alike else "of a device for a million tokens"
    said = f"{other.letter} takes {_seconds(after)} {unit}"
    if is_same(one.scenario, other.scenario) or after == before:
        return f"{said}, as {one.letter} does: there is no difference."
    width = ratio_widths(one.scenario, other.scenario, (one.error, other.error))["80"]
    low, high = (after / before * math.exp(side * width) - 1.0 for side in (-1.0, 1.0))
    doubt = "" if low > 0.0 or high < 0.0 else ", so that which is faster is open"
    said += f" against {_seconds(before)} of {one.letter}, {_change(after / before - 1.0)}"
    moved = {part: theirs.get(part, 0.0) - ours.get(part, 0.0) for part in dict.fromkeys((*ours, *theirs))}
    return f"{said} (80 %: {_change(low)} to {_change(high)}{doubt}): {_parts(moved, after - before)}."


def _parts(moved: dict[str, float], whole: float) -> str:
    """The parts that moved most, and what the rest comes to."""
    largest = max(abs(whole), *(abs(seconds) for seconds in moved.values()))
    ordered = sorted(moved.items(), key=lambda part: -abs(part[1]))
    named = [(part, seconds) for part, seconds in ordered if abs(seconds) >= TOLD * largest][:MOST_PARTS]
    rest = whole - sum(seconds for _, seconds in named)
    words = [f"{PARTS[part]} {_signed(seconds)}" for part, seconds in named]
    if len(named) < sum(seconds != 0.0 for seconds in moved.values()):
        words.append(f"everything else {_signed(rest)}")
    return ", ".join(words)


# What a part of the step is called in a sentence.
PARTS = {
    "gemm": "matrix kernels",
    "attention": "attention",
    "memory_bound": "memory-bound work",
    "recompute": "recomputation",
    "tensor_comm": "tensor-parallel communication",
    "expert_comm": "exchanges with experts",
    "context_comm": "context-parallel communication",
    "data_comm": "data-parallel communication",
    "pipeline_comm": "transfers between stages",
    "bubble": "pipeline bubble",
    "stage_wait": "waiting for slower stages",
    "imbalance": "imbalance",
    "optimizer": "optimizer",
    "host": "host",
    "other": "other work",
}


def _work(contender: Contender) -> tuple[int, float]:
    return contender.scenario.cluster.devices, contender.scenario.training.tokens_per_step


def _seconds(seconds: float) -> str:
    """In one unit, so that seconds compare at a glance."""
    return f"{seconds:,.4g} s" if seconds < MANY else f"{seconds:,.0f} s"


def _signed(seconds: float) -> str:
    return f"{'+' if seconds > 0 else '-'}{_seconds(abs(seconds))}"


def _change(share: float) -> str:
    """12.3 % less, or 3.1 times."""
    if share > 1.0:
        return times(share + 1.0)
    return f"{amount(abs(share), '%')} {'more' if share > 0 else 'less'}"
