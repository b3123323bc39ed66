"""The search for the best layouts: exact, for every one that fits is bounded from below before any is played.

All combinations are bounded in arrays by their passes alone (`screening.py`), and those whose turn comes by all that
is known of their steps (`bounds.py`). Layouts are played in the order of their bounds, until the next bound is no
better than what is found: none of the rest can be.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustersim.answer import Answer
from clustersim.engines.graph import Floats
from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.amounts import counted
from clustersim.inputs.layout import Layout
from clustersim.inputs.resolve import resolve_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.result_row import ResultRow, run_row
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run
from clustersim.studies.layouts.alike import Equals, equals, with_another
from clustersim.studies.layouts.candidates import MEMORY, USUAL, Family, Space, budget_bytes, candidate_families
from clustersim.studies.layouts.queue import Queue
from clustersim.studies.progress import Progress

TIME_METRICS = ("step_time", "mfu", "cost", "energy")  # on given devices all of them go with the step's time
METRICS = (*TIME_METRICS, "memory")
SAME = "the same as a plainer one"


@dataclass(frozen=True, repr=False)
class SearchResult(Answer):
    """The best layouts of a scenario, best first, and how many were looked at."""

    best: tuple[RunResult, ...]
    candidates: int  # layouts that divide model, batch and devices, and meet the condition
    feasible: int  # of these, layouts that may fit in memory
    played: int
    rejected: Mapping[str, int]  # reason -> how many
    front: tuple[RunResult, ...] = ()  # of which no layout is both faster and leaner; fastest first
    complete: bool = True  # False where the search was interrupted

    @property
    def equals(self) -> tuple[Equals, ...]:
        """The best in groups whose step times lie within one another's 80 % intervals."""
        return equals(self.best)

    def headline(self) -> tuple[str, dict[str, str]]:
        """What was searched, and the figures of the best."""
        what, figures = self.best[0].headline()
        return f"{what}, best of {counted(self.candidates, 'layout')}", figures

    def table(self) -> list[ResultRow]:
        """A row for each of the best layouts, best first."""
        return [run_row(result) for result in self.best]

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim search --json` prints."""
        return {
            "candidates": self.candidates,
            "feasible": self.feasible,
            "played": self.played,
            "rejected": dict(self.rejected),
            "complete": self.complete,
            "best": [result.to_dict() for result in self.best],
            "equals": [group.to_dict() for group in self.equals],
        }


def search_layouts(
    scenario: Scenario,
    *,
    top: int = 5,
    metric: str = "step_time",
    front: bool = False,
    space: Space = USUAL,
    progress: Progress | None = None,
) -> SearchResult:
    """The `top` best layouts of a space by a metric of METRICS, and the front of step time against memory if asked for.

    Exact: no layout of the space that fits in memory, as likely as it asks for, is better than those found. Ctrl-C ends
    the search with the best so far, once there is one. Raises InfeasibleError when none fits.
    """
    if metric not in METRICS:
        raise ValueError(f"no metric is called {metric!r}; there are {', '.join(METRICS)}")
    families = list(candidate_families(scenario, space))
    rejected = sum((family.rejected for family in families), Counter[str]())
    feasible = sum(len(family.data) for family in families)
    candidates = feasible + rejected[MEMORY]
    if not feasible:
        raise InfeasibleError(_why_none(scenario, space, families, candidates))
    hunt = Hunt(scenario, Queue(families, metric), top, metric, front, budget_bytes(scenario, space))
    complete = True
    try:
        while hunt.goes_on():
            if hunt.play_next() and progress is not None:
                progress(*hunt.progress())
    except KeyboardInterrupt:
        if not hunt.found:
            raise
        complete = False
    if not hunt.found:
        raise InfeasibleError(f"none of the {hunt.played} most promising of {candidates:,} layouts can run")
    best = sorted(hunt.found, key=lambda result: _value(result, metric))[:top]
    reasons = dict(+(rejected + hunt.rejected))
    edge = _front(hunt.found) if front else ()
    return SearchResult(tuple(best), candidates, feasible, hunt.played, reasons, edge, complete)


@dataclass
class Hunt:
    """A search under way."""

    scenario: Scenario
    queue: Queue
    top: int
    metric: str
    front: bool
    budget: float  # bytes that a device may hold
    found: list[RunResult] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    played: int = 0

    def goes_on(self) -> bool:
        """Whether a candidate may still be among the best, or on the front."""
        bound = self.queue.best_bound()
        return bound < math.inf and (self.front or bound < self._to_beat())

    def play_next(self) -> bool:
        """Take what is most promising; whether that was played."""
        candidate = self.queue.pop(self._may_be_wanted)
        if candidate is None or not self._may_be_wanted(*candidate.bounds()).all():
            return False
        result = self._play(candidate.layout)
        self.played += 1
        if result is None:
            self.rejected["refused on resolution"] += 1
        elif result.step.memory_bytes <= self.budget:
            self.rejected[SAME] += not with_another(self.found, result)
        else:
            self.rejected[f"{MEMORY} when played"] += 1
        return True

    def _play(self, layout: Layout) -> RunResult | None:
        """A layout, played; None where it can't run."""
        try:
            return simulate_run(resolve_scenario(self.scenario, layout))
        except (InputError, InfeasibleError):
            return None

    def _to_beat(self) -> float:
        """What the last of the best reaches; infinite while fewer are found than are asked for."""
        if len(self.found) < self.top:
            return math.inf
        return sorted(_value(result, self.metric) for result in self.found)[self.top - 1]

    def _may_be_wanted(self, seconds: Floats, bytes_: Floats) -> NDArray[np.bool_]:
        """Which candidates may be among the best or on the front, by what they take at least."""
        best = (bytes_ if self.metric == "memory" else seconds) < self._to_beat()
        if not self.front or best.all():
            return best
        beaten = np.zeros(len(seconds), dtype=np.bool_)
        for result in self.found:
            beaten |= (result.step.step_time_s <= seconds) & (result.step.memory_bytes <= bytes_)
        return best | ~beaten

    def progress(self) -> tuple[int, int]:
        """How many were played, and how many must be, as far as is known, if nothing better is found than there is.

        While fewer than `top` are found, the last of them stands for the one that will be.
        """
        reached = sorted(_value(result, self.metric) for result in self.found)[: self.top]
        needed = self.queue.promising(reached[-1]) if reached else 0
        return self.played, self.played + max(needed, self.top - len(self.found))


def leanest_bytes(scenario: Scenario) -> float:
    """Bytes a device that the leanest layout holds at least; infinite where none divides model, batch and devices."""
    return min((family.least_bytes for family in candidate_families(scenario)), default=math.inf)


def _value(result: RunResult, metric: str) -> float:
    """What the search makes small."""
    return result.step.memory_bytes if metric == "memory" else result.step.step_time_s


def _front(found: Sequence[RunResult]) -> tuple[RunResult, ...]:
    front: list[RunResult] = []
    for result in sorted(found, key=lambda result: (result.step.step_time_s, result.step.memory_bytes)):
        if not front or result.step.memory_bytes < front[-1].step.memory_bytes:
            front.append(result)
    return tuple(front)


def _why_none(scenario: Scenario, space: Space, families: Sequence[Family], candidates: int) -> str:
    """No layout divides, or none fits: by how much, and what would help."""
    devices, batch = scenario.cluster.devices, scenario.training.global_batch
    if not candidates:
        return (
            f"no layout divides {counted(devices, 'device')} and a batch of {counted(batch, 'sequence')}: "
            "try numbers with more common divisors"
        )
    least = min(family.least_bytes for family in families) / 2**30
    usable = scenario.cluster.accelerator.memory.usable_bytes / 2**30
    budget = budget_bytes(scenario, space) / 2**30
    if least <= usable and budget < usable:
        return (
            f"none of {counted(candidates, 'layout')} on {counted(devices, 'device')} leaves the headroom asked for: "
            f"the leanest needs {least:.1f} GiB a device, the most allowed is {budget:.1f} of {usable:.1f} GiB usable. "
            "Less --headroom or more devices would help"
        )
    return (
        f"none of {counted(candidates, 'layout')} on {counted(devices, 'device')} fits in memory: the leanest needs "
        f"{least:.1f} GiB a device of {usable:.1f} GiB usable. More devices would help"
    )
