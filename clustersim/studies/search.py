"""The search for the best layout: estimate every one in arrays, drop what does not fit, play the most promising."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.load import resolve_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run
from clustersim.studies.candidates import Candidate, Family, candidate_families

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SearchResult:
    """The best layouts of a scenario, best first, and how many were looked at."""

    best: tuple[RunResult, ...]
    candidates: int  # layouts that divide model, batch and devices
    feasible: int  # of these, layouts that should fit in memory
    played: int
    rejected: Mapping[str, int]  # reason -> how many


def search_layouts(
    scenario: Scenario, *, top: int = 5, play: int = 24, progress: Progress | None = None
) -> SearchResult:
    """The `top` best layouts by step time among a bounded grid of sizes, recomputations and schedules.

    Every candidate's memory and time are estimated with the same formulas that a step is played with. Estimates hardly
    ever exceed the step, so layouts that fit are played in their order, `play` at most, until the next one promises
    less than the `top` best so far. Raises InfeasibleError when none fits.
    """
    families = list(candidate_families(scenario))
    candidates = sum(family.tried for family in families)
    found = sorted(
        (candidate for family in families for candidate in family.fitting), key=lambda candidate: candidate.estimate_s
    )
    if not found:
        raise InfeasibleError(_why_none(scenario, families))
    rejected = Counter({"out of memory": candidates - len(found)})
    fitting: list[RunResult] = []
    played = 0
    for candidate in found[: max(play, top)]:
        if len(fitting) >= top and candidate.estimate_s >= fitting[top - 1].step.step_time_s:
            break
        played += 1
        result = _played(scenario, candidate)
        if result is None:
            rejected["refused on resolution"] += 1
        elif result.step.fits:
            fitting = sorted([*fitting, result], key=lambda result: result.step.step_time_s)
        if progress is not None:
            progress(played, min(len(found), max(play, top)))
    if not fitting:
        raise InfeasibleError(f"none of the {played} most promising of {candidates:,} layouts can run")
    return SearchResult(tuple(fitting[:top]), candidates, len(found), played, dict(+rejected))


def leanest_bytes(scenario: Scenario) -> float:
    """Bytes a device of the leanest layout that divides model, batch and devices; infinite where none does."""
    return min((family.least_bytes for family in candidate_families(scenario)), default=math.inf)


def _played(scenario: Scenario, candidate: Candidate) -> RunResult | None:
    try:
        return simulate_run(resolve_scenario(scenario, candidate.layout))
    except (InputError, InfeasibleError):
        return None


def _why_none(scenario: Scenario, families: list[Family]) -> str:
    """No layout divides, or none fits: by how much, and what would help."""
    candidates = sum(family.tried for family in families)
    devices, batch = scenario.cluster.devices, scenario.training.global_batch
    if not candidates:
        return (
            f"no layout divides {devices:,} devices and a batch of {batch:,} sequences: "
            "try numbers with more common divisors"
        )
    least = min(family.least_bytes for family in families) / 2**30
    usable = scenario.cluster.accelerator.memory.usable_bytes / 2**30
    return (
        f"none of {candidates:,} layouts on {devices:,} devices fits in memory: the leanest needs {least:.1f} GiB a "
        f"device of {usable:.1f} GiB usable. More devices would help"
    )
