"""What a claim leaves possible, tried out: the best layout of every setting, and what its figures hang on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.figures import shown
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Stack
from clustersim.simulation.results import RunResult, value_of
from clustersim.simulation.run import simulate_run
from clustersim.studies.claims.scenarios import Setting
from clustersim.studies.layouts.search import search_layouts
from clustersim.studies.progress import Progress
from clustersim.studies.workers import run_chunks

Figures = Mapping[str, float]

SOFTWARE = "software"  # the axis from the stack's efficiencies to what single kernels reach on the chip
SOFTWARE_NODES = (0.0, 0.5, 1.0)
# A stack that gets out of the chip all that single kernels and collectives were measured to give.
PERFECT = {
    "sustained": 1.0,
    "attention_share": 1.0,
    "scale_up_efficiency": 1.0,
    "scale_out_efficiency": 1.0,
    "memory_factor": 1.0,
    "kernel_gap": 0.0,
    "overlap_slowdown": 0.0,
    "fixed_overhead": 0.0,
}
LESS_IS_BETTER = frozenset({"memory_factor", "kernel_gap", "overlap_slowdown", "fixed_overhead"})


@dataclass(frozen=True)
class Played:
    """Figures of one layout at the places of an axis."""

    nodes: tuple[float, ...]
    figures: tuple[Figures, ...]


@dataclass(frozen=True)
class BestLayout:
    """One setting with its best layout."""

    result: RunResult
    axes: Mapping[str, Played]  # what is drawn: the software, and the claim's own ranges
    setting: Setting


Outcome = BestLayout | str  # or why there is no layout
UNSEARCHED = "not searched: the check was interrupted"


def figures_of(result: RunResult) -> dict[str, float]:
    """The figures that are drawn, as far as the inputs reach them."""
    found = {figure.name: value_of(result, figure) for figure in shown("claim")}
    return {name: value for name, value in found.items() if value is not None}


def best_points(
    settings: Sequence[Setting | InputError],
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """The best layout of every setting in order, whoever searched it.

    Ctrl-C ends the searches, once one has found a layout; what was not searched is UNSEARCHED.
    """
    tasks = [(position, setting) for position, setting in enumerate(settings) if isinstance(setting, Setting)]
    outcomes: dict[int, Outcome] = {}
    try:
        for chunk, answers in run_chunks(tasks, _search_chunk, workers=workers, executor=executor):
            outcomes |= dict(zip((position for position, _ in chunk), answers, strict=True))
            if progress is not None:
                progress(len(outcomes), len(tasks))
    except KeyboardInterrupt:
        if not any(isinstance(outcome, BestLayout) for outcome in outcomes.values()):
            raise
        for position, _ in tasks:
            outcomes.setdefault(position, UNSEARCHED)
    misfits = {at: _in_words(setting) for at, setting in enumerate(settings) if isinstance(setting, InputError)}
    return [(outcomes | misfits)[position] for position in range(len(settings))]


def feasible(outcomes: Sequence[Outcome]) -> tuple[BestLayout, ...]:
    """The outcomes that have a layout. Raises InfeasibleError where none has."""
    points = tuple(outcome for outcome in outcomes if isinstance(outcome, BestLayout))
    if not points:
        reasons = dict.fromkeys(outcome for outcome in outcomes if isinstance(outcome, str))
        raise InfeasibleError(f"no layout can run what the claim describes: {'; '.join(reasons)}")
    return points


def _search_chunk(tasks: list[tuple[int, Setting]]) -> list[Outcome]:
    """What a worker does."""
    return [_best_point(setting) for _, setting in tasks]


def _best_point(setting: Setting) -> Outcome:
    try:
        result = _best_layout(setting.scenario)
    except InfeasibleError as error:
        return str(error)
    if result.step.fits:
        return BestLayout(result, _axes(setting, result), setting)
    memory = result.step.memory
    held, usable = memory.peak_bytes / 2**30, memory.usable_bytes / 2**30
    return f"the stated layout needs {held:.1f} GiB a device, and {usable:.1f} GiB are usable"


def _best_layout(scenario: Scenario) -> RunResult:
    if scenario.layout == "search":
        return search_layouts(scenario, top=1).best[0]
    return simulate_run(scenario)


def _axes(setting: Setting, best: RunResult) -> dict[str, Played]:
    """The best layout played again at the places of every axis: the layout is kept, for it is chosen on means."""
    scenario, plan = best.step.scenario, best.step.scenario.resolved_layout
    software = [
        figures_of(best if place == 0.0 else simulate_run(_with_stack(scenario, better(scenario.stack, place))))
        for place in SOFTWARE_NODES
    ]
    played = {SOFTWARE: Played(SOFTWARE_NODES, tuple(software))}
    for axis in setting.axes:
        runs = [
            figures_of(best if value == axis.middle else simulate_run(setting.at(axis, value, plan)))
            for value in axis.values
        ]
        played[axis.key] = Played(axis.nodes, tuple(runs))
    return played


def better(stack: Stack, place: float) -> Stack:
    """The stack moved from what it is (0) to a perfect one (1)."""
    moved = {}
    for name, perfect in PERFECT.items():
        now = getattr(stack, name)
        best = min(now, perfect) if name in LESS_IS_BETTER else max(now, perfect)
        moved[name] = (1 - place) * now + place * best
    return stack.model_copy(update=moved)


def _with_stack(scenario: Scenario, stack: Stack) -> Scenario:
    return scenario.model_copy(update={"stack": stack})


def _in_words(error: InputError) -> str:
    return "; ".join(f"{problem.key}: {problem.message}" for problem in error.problems)
