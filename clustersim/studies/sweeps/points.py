"""The points of a sweep: from values to scenarios, and from scenarios to rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clustersim.errors import ClustersimError, InfeasibleError, InputError, Problem
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.sweep import Sweep
from clustersim.simulation import PHYSICS_VERSION
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run, simulate_runs
from clustersim.simulation.step.side_by_side import structure_of
from clustersim.studies.sweeps.journal import key_of
from clustersim.studies.sweeps.result_columns import ResultRow, refused_row, result_row

MOST_PROBLEMS = 20  # shown of a sweep's points
BATCH = 250  # points that one worker plays side by side
NO_EFFECT = {"name", "notes"}  # parts of a scenario that no figure depends on


@dataclass(frozen=True)
class PlaySettings:
    """How every point is simulated."""

    engine: str = "auto"
    intervals: bool = True


@dataclass(frozen=True)
class SweepPoint:
    """One point: its values by key, and its scenario, or the row that says why it has none."""

    values: Mapping[str, Any]
    key: str = ""  # of its result in the journal
    scenario: Scenario | None = None
    refusal: ResultRow | None = None


def resolve_points(sweep: Sweep, base: Mapping[str, Any] | str, settings: PlaySettings) -> list[SweepPoint]:
    """Every point of a sweep in order, with its scenario.

    A point whose parts don't fit each other is infeasible. Raises InputError with every mistake in keys and values
    themselves, before anything is simulated.
    """
    seed = load_scenario(base, next(iter(sweep.expand()))).seed if sweep.seeds > 1 else 0
    points: list[SweepPoint] = []
    mistakes: dict[Problem, None] = {}
    for values in sweep.expand(seed):
        try:
            scenario = load_scenario(base, values)
        except InputError as error:
            mistakes |= dict.fromkeys(problem for problem in error.problems if not problem.misfit)
            reason = "; ".join(f"{problem.key}: {problem.message}" for problem in error.problems)
            points.append(SweepPoint(values, refusal=refused_row("infeasible", reason)))
            continue
        points.append(SweepPoint(values, point_key(scenario, settings), scenario))
        if len(mistakes) > MOST_PROBLEMS:
            break
    if mistakes:
        raise InputError(f"sweep {sweep.name}", list(mistakes))
    return points


def point_key(scenario: Scenario, settings: PlaySettings) -> str:
    """The hash of everything that a point's result depends on."""
    described = scenario.model_dump(mode="json", exclude=NO_EFFECT)
    return key_of({"scenario": described, "physics": PHYSICS_VERSION} | vars(settings))


def batches_of(points: Sequence[tuple[str, Scenario]]) -> list[list[tuple[str, Scenario]]]:
    """Points with their keys, those of one structure together, in the order in which structures first come."""
    batches: dict[Hashable, list[tuple[str, Scenario]]] = {}
    for key, scenario in points:
        structure = key if scenario.layout == "search" else structure_of(scenario)
        batches.setdefault(structure, []).append((key, scenario))
    return [batch[low : low + BATCH] for batch in batches.values() for low in range(0, len(batch), BATCH)]


def simulate_points(scenarios: Sequence[Scenario], settings: PlaySettings) -> list[ResultRow]:
    """The rows of some points of one structure: what a worker does. Where they can't be played at once, one by one."""
    if len(scenarios) > 1:
        try:
            results = simulate_runs(scenarios, engine=settings.engine, intervals=settings.intervals)
            return [result_row(result) for result in results]
        except Exception:  # whose fault it is, is said of the points one by one
            pass
    return [simulate_point(scenario, settings) for scenario in scenarios]


def simulate_point(scenario: Scenario, settings: PlaySettings) -> ResultRow:
    """The row of one point; one that cannot run, or that fails, says why."""
    try:
        return result_row(_simulate(scenario, settings), searched=scenario.layout == "search")
    except InfeasibleError as error:
        return refused_row("infeasible", str(error), scenario)
    except ClustersimError as error:
        return refused_row("failed", str(error), scenario)
    except Exception as error:  # one point must not take the others with it; the row carries the bug home
        return refused_row("failed", f"internal error: {type(error).__name__}: {error}", scenario)


def _simulate(scenario: Scenario, settings: PlaySettings) -> RunResult:
    if scenario.layout != "search":
        return simulate_run(scenario, engine=settings.engine, intervals=settings.intervals)
    from clustersim.studies.layouts.search import search_layouts

    best = search_layouts(scenario, top=1).best[0]
    if settings == PlaySettings():
        return best
    return simulate_run(best.step.scenario, engine=settings.engine, intervals=settings.intervals)
