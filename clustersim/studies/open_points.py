"""What a claim leaves open, tried out: a scenario for every combination, and its best layout."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from itertools import product
from typing import Any

from clustersim.errors import InfeasibleError, InputError, Problem
from clustersim.inputs.claim import Claim
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run
from clustersim.studies.search import search_layouts
from clustersim.studies.workers import run_chunks

Progress = Callable[[int, int], None]
Setting = Scenario | InputError  # or why its parts don't fit each other
Outcome = RunResult | str  # the best layout, or why there is none

MOST_POINTS = 64


def open_settings(claim: Claim, seed: int = 0) -> list[Setting]:
    """A scenario for every combination of the open values; its layout is searched unless the claim states one.

    Raises InputError for what can't be read, where there are too many combinations to try, and where none makes sense.
    """
    settings = [_setting(claim, values, seed) for values in _combinations(claim)]
    if all(isinstance(setting, InputError) for setting in settings):
        raise next(setting for setting in settings if isinstance(setting, InputError))
    return settings


def other_settings(claim: Claim, change: Mapping[str, Any], settings: Sequence[Setting]) -> list[Setting]:
    """Each of `settings` as the other system of a relation: changed, and on as many devices."""
    others = []
    for values, setting in zip(_combinations(claim), settings, strict=True):
        if isinstance(setting, Scenario):
            devices = {"cluster.devices": setting.cluster.devices}
            setting = _setting(claim, {**values, **change, **devices}, setting.seed)
        others.append(setting)
    return others


def best_layouts(
    settings: Sequence[Setting],
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """The best layout of every setting in order, whoever searched it."""
    tasks = [(position, setting) for position, setting in enumerate(settings) if isinstance(setting, Scenario)]
    outcomes: dict[int, Outcome] = {}
    for chunk, answers in run_chunks(tasks, _search_chunk, workers=workers, executor=executor):
        outcomes |= dict(zip((position for position, _ in chunk), answers, strict=True))
        if progress is not None:
            progress(len(outcomes), len(tasks))
    misfits = {at: _in_words(setting) for at, setting in enumerate(settings) if isinstance(setting, InputError)}
    return [(outcomes | misfits)[position] for position in range(len(settings))]


def feasible(outcomes: Sequence[Outcome]) -> tuple[RunResult, ...]:
    """The outcomes that have a layout. Raises InfeasibleError where none has."""
    points = tuple(outcome for outcome in outcomes if isinstance(outcome, RunResult))
    if not points:
        reasons = dict.fromkeys(outcome for outcome in outcomes if isinstance(outcome, str))
        raise InfeasibleError(f"no layout can run what the claim describes: {'; '.join(reasons)}")
    return points


def _search_chunk(tasks: list[tuple[int, Scenario]]) -> list[Outcome]:
    """What a worker does."""
    return [_best_layout(scenario) for _, scenario in tasks]


def _best_layout(scenario: Scenario) -> Outcome:
    try:
        if scenario.layout == "search":
            return search_layouts(scenario, top=1).best[0]
        result = simulate_run(scenario)
    except InfeasibleError as error:
        return str(error)
    if result.step.fits:
        return result
    memory = result.step.memory
    held, usable = memory.peak_bytes / 2**30, memory.usable_bytes / 2**30
    return f"the stated layout needs {held:.1f} GiB a device, and {usable:.1f} GiB are usable"


def _setting(claim: Claim, values: Mapping[str, Any], seed: int) -> Setting:
    """The scenario of some open values, or what keeps its parts from fitting each other.

    Raises InputError for a mistake in a part by itself.
    """
    try:
        return load_scenario({"name": claim.name, "seed": seed, **claim.given}, values)
    except InputError as error:
        if all(problem.misfit for problem in error.problems):
            return error
        raise


def _in_words(error: InputError) -> str:
    return "; ".join(f"{problem.key}: {problem.message}" for problem in error.problems)


def _combinations(claim: Claim) -> list[dict[str, Any]]:
    """Every combination of the open values, in order."""
    choices = {key: value if isinstance(value, list) else [value] for key, value in claim.open.items()}
    count = math.prod(map(len, choices.values()))
    if count > MOST_POINTS:
        message = f"{count:,} combinations of open values are too many to search: at most {MOST_POINTS}"
        raise InputError(claim.name, [Problem(message, "open")])
    return [dict(zip(choices, combination, strict=True)) for combination in product(*choices.values())]
