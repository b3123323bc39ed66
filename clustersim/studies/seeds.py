"""Runs played seed by seed, over worker processes where that is worth it."""

from __future__ import annotations

from functools import partial

from clustersim.errors import InfeasibleError, InputError, Problem
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run, with_runs
from clustersim.simulation.run_clock.plan import RunPlan
from clustersim.simulation.run_clock.play import PlayedRun, play_run
from clustersim.simulation.run_clock.runs import PlayedRuns
from clustersim.studies.progress import Progress
from clustersim.studies.workers import run_chunks

SEEDS = 20
MOST_SEEDS = 100_000  # runs that are played and kept for their quantiles: more says nothing new, and eats memory


def play_runs(
    scenario: Scenario,
    *,
    seeds: int = SEEDS,
    engine: str = "auto",
    intervals: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Play the whole training of a scenario with a failure profile for some seeds, from the scenario's on.

    Raises InfeasibleError without a profile or tokens, and for a run that makes no headway.
    """
    return played(simulate_run(scenario, engine=engine, intervals=intervals), seeds, workers, progress)


def played(
    result: RunResult, seeds: int = SEEDS, workers: int | None = None, progress: Progress | None = None
) -> RunResult:
    """A result with its runs played; Ctrl-C ends that with the runs that are done, once there is one.

    Raises InfeasibleError as `play_runs`, InputError for more seeds than are played.
    """
    plan = _playable(result)
    if seeds > MOST_SEEDS:
        raise InputError("--seeds", [Problem(f"{seeds:,} runs would be played; at most {MOST_SEEDS:,} are")])
    first, tell = result.step.scenario.seed, progress or (lambda done, total: None)
    numbers = list(range(first, first + seeds))
    found: dict[int, PlayedRun] = {}
    try:
        for chunk, runs in run_chunks(numbers, partial(_play, plan=plan), workers=workers):
            found |= dict(zip(chunk, runs, strict=True))
            tell(len(found), seeds)
    except KeyboardInterrupt:
        if not found:
            raise
    return with_runs(result, PlayedRuns(tuple(found[number] for number in numbers if number in found)))


def timeline_of(result: RunResult) -> PlayedRun:
    """The run of the scenario's own seed with its timeline. Raises InfeasibleError as `play_runs`."""
    return play_run(_playable(result), result.step.scenario.seed, timeline=True)


def _playable(result: RunResult) -> RunPlan:
    if result.plan is None or result.training_days is None:
        reason = result.missing.get("training_days", "give a failure profile: reliability, or --reliability NAME")
        raise InfeasibleError(f"there is no run to play: {reason}")
    return result.plan


def _play(numbers: list[int], plan: RunPlan) -> list[PlayedRun]:
    return [play_run(plan, number) for number in numbers]
