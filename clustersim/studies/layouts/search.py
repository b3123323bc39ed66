"""The search for the best layouts: exact, for every one that fits is bounded from below before any is played.

All combinations are bounded in arrays (`candidates.py`, `bounds.py`). Layouts are then played in the order of their
bounds, until the next bound is no better than what is found: none of the rest can be.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clustersim.answer import Answer
from clustersim.engines.graph import Floats, Ints
from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.amounts import counted
from clustersim.inputs.resolve import resolve_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.result_row import ResultRow, run_row
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run
from clustersim.studies.layouts.alike import Equals, equals, with_another
from clustersim.studies.layouts.candidates import MEMORY, USUAL, Family, Space, budget_bytes, candidate_families
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


@dataclass(frozen=True)
class _Pool:
    """All candidates that may fit, with their bounds, [candidates] each."""

    families: Sequence[Family]
    bound_s: Floats
    bound_bytes: Floats
    family: Ints
    point: Ints

    @classmethod
    def of(cls, families: Sequence[Family]) -> _Pool:
        counts = [len(family.data) for family in families]
        return cls(
            families,
            np.concatenate([family.bound_s for family in families]),
            np.concatenate([family.bound_bytes for family in families]),
            np.repeat(np.arange(len(families)), counts),
            np.concatenate([np.arange(count) for count in counts]),
        )

    def play(self, scenario: Scenario, number: int) -> RunResult | None:
        """One candidate, played; None where it can't run."""
        layout = self.families[self.family[number]].layout(int(self.point[number]))
        try:
            return simulate_run(resolve_scenario(scenario, layout))
        except (InputError, InfeasibleError):
            return None


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
    pool = _Pool.of(families)
    feasible = len(pool.family)
    candidates = feasible + rejected[MEMORY]
    if not feasible:
        raise InfeasibleError(_why_none(scenario, space, families, candidates))
    found: list[RunResult] = []
    budget = budget_bytes(scenario, space)
    played, complete = 0, True
    order = np.argsort(pool.bound_bytes if metric == "memory" else pool.bound_s, kind="stable").tolist()
    try:
        for place, number in enumerate(order):
            if _is_beaten(pool, number, found, top, metric):
                if not front:
                    break
                if _is_dominated(pool, number, found):
                    continue
            result = pool.play(scenario, number)
            played += 1
            if result is None:
                rejected["refused on resolution"] += 1
            elif result.step.memory_bytes <= budget:
                rejected[SAME] += not with_another(found, result)
            else:
                rejected[f"{MEMORY} when played"] += 1
            if progress is not None:
                progress(*_progress(pool, order, place, played, found, top, metric, front))
    except KeyboardInterrupt:
        if not found:
            raise
        complete = False
    if not found:
        raise InfeasibleError(f"none of the {played} most promising of {candidates:,} layouts can run")
    best = sorted(found, key=lambda result: _value(result, metric))[:top]
    reasons = dict(+rejected)
    return SearchResult(tuple(best), candidates, feasible, played, reasons, _front(found) if front else (), complete)


def leanest_bytes(scenario: Scenario) -> float:
    """Bytes a device that the leanest layout holds at least; infinite where none divides model, batch and devices."""
    return min((family.least_bytes for family in candidate_families(scenario)), default=math.inf)


def _value(result: RunResult, metric: str) -> float:
    """What the search makes small."""
    return result.step.memory_bytes if metric == "memory" else result.step.step_time_s


def _is_beaten(pool: _Pool, number: int, found: Sequence[RunResult], top: int, metric: str) -> bool:
    """Whether no candidate from this one on, in the order of bounds, can be among the best."""
    if len(found) < top:
        return False
    bound = (pool.bound_bytes if metric == "memory" else pool.bound_s)[number]
    return bool(bound >= sorted(_value(result, metric) for result in found)[top - 1])


def _is_dominated(pool: _Pool, number: int, found: Sequence[RunResult]) -> bool:
    """Whether something found is both as fast and as lean as this candidate can be."""
    return any(
        result.step.step_time_s <= pool.bound_s[number] and result.step.memory_bytes <= pool.bound_bytes[number]
        for result in found
    )


def _front(found: Sequence[RunResult]) -> tuple[RunResult, ...]:
    front: list[RunResult] = []
    for result in sorted(found, key=lambda result: (result.step.step_time_s, result.step.memory_bytes)):
        if not front or result.step.memory_bytes < front[-1].step.memory_bytes:
            front.append(result)
    return tuple(front)


def _progress(
    pool: _Pool,
    order: Sequence[int],
    place: int,
    played: int,
    found: Sequence[RunResult],
    top: int,
    metric: str,
    front: bool,
) -> tuple[int, int]:
    """How many were played, and how many must be if nothing better is found than there is.

    While fewer than `top` are found, the last of them stands for the one that will be: all candidates there are would
    be a number that nothing seems to move towards.
    """
    if front:
        return place + 1, len(order)
    bounds = (pool.bound_bytes if metric == "memory" else pool.bound_s)[order]
    reached = sorted(_value(result, metric) for result in found)[:top]
    needed = int(np.searchsorted(bounds, reached[-1])) if reached else 0
    return place + 1, max(place + 1, min(max(needed, top), len(order)))


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
