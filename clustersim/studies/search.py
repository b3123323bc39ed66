"""The search for the best layout: estimate every one in arrays, drop what does not fit, play the most promising."""

from __future__ import annotations

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
    scenario: Scenario, *, top: int = 5, play: int = 12, progress: Progress | None = None
) -> SearchResult:
    """The `top` best layouts by step time among a bounded grid of sizes, recomputations and schedules.

    Every candidate's memory and time are estimated with the same formulas that a step is played with; the `play` best
    estimates that fit are played. Raises InfeasibleError when none fits.
    """
    families = list(candidate_families(scenario))
    candidates = sum(family.tried for family in families)
    found = sorted(
        (candidate for family in families for candidate in family.fitting), key=lambda candidate: candidate.estimate_s
    )
    if not found:
        raise InfeasibleError(_why_none(scenario, families))
    rejected = Counter({"out of memory": candidates - len(found)})
    results = _play(scenario, found[: max(play, top)], rejected, progress)
    fitting = sorted((result for result in results if result.step.fits), key=lambda result: result.step.step_time_s)
    if not fitting:
        raise InfeasibleError(f"none of the {max(play, top)} most promising of {candidates:,} layouts can run")
    return SearchResult(tuple(fitting[:top]), candidates, len(found), len(results), dict(+rejected))


def _play(
    scenario: Scenario, chosen: list[Candidate], rejected: Counter[str], progress: Progress | None
) -> list[RunResult]:
    results = []
    for number, candidate in enumerate(chosen, start=1):
        try:
            results.append(simulate_run(resolve_scenario(scenario, candidate.layout)))
        except (InputError, InfeasibleError):
            rejected["refused on resolution"] += 1
        if progress is not None:
            progress(number, len(chosen))
    return results


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
