"""Calibration: a stack's numbers fitted to measured runs, with what the runs can't tell said."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from clustersim.answer import Answer
from clustersim.engines.graph import Floats
from clustersim.errors import InputError, Problem
from clustersim.inputs.amounts import amount, counted
from clustersim.inputs.catalog import load
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Residual, Stack
from clustersim.simulation.intervals import layout_kinds
from clustersim.studies.calibration.judged import ScaleJudgement, judged
from clustersim.studies.calibration.observed import STEP
from clustersim.studies.calibration.own_error import Parts, posterior, strangers
from clustersim.studies.calibration.parameters import PARAMETERS, Parameter, outer_values, values_of
from clustersim.studies.calibration.predictor import FitRow, RowPredictor, predictor_of
from clustersim.studies.calibration.stack_fits import REGULAR, problem_of
from clustersim.studies.measured.chunks import TimedChunk, read_chunks
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.measured.logs import read_log
from clustersim.studies.measured.runs import MeasuredRun
from clustersim.studies.measured.traces import read_trace
from clustersim.studies.robust_fit import Fit, FitPriors, LinearModel, fit, row_weights, solve

Progress = Callable[[str], None]

TOLD_BY_ROWS = 0.8  # a deviation above this share of the prior's: the rows say little
TANGLED = 0.9  # correlation past which two numbers can't be told apart


@dataclass(frozen=True)
class Estimate:
    """One number of the stack."""

    name: str
    meaning: str
    value: float
    deviation: float  # one sd; the parent's spread is in it where the rows say little
    parent: float
    identified: bool  # whether the rows say more than the parent did
    at_bound: bool


@dataclass(frozen=True)
class GroupErrors:
    """Residuals of a group of rows, as shares of the measured step time."""

    rows: int
    mean_absolute: float
    bias: float
    left_out: float | None  # mean absolute error when the group is held out; None where it is the only one


@dataclass(frozen=True, repr=False)
class Calibration(Answer):
    """A fitted stack, the evidence for it, and what that leaves open."""

    extends: str
    estimates: tuple[Estimate, ...]
    correlated: tuple[tuple[str, str], ...]  # pairs of numbers that the rows can't tell apart
    groups: Mapping[str, GroupErrors]
    rows: int
    unused: int  # rows of other quality than `complete`: predicted, not fitted
    spread: float | None  # sd of log(measured / predicted) of a new run; None where no step was measured
    source_spread: float | None  # of it, what is left of the source's own part
    devices: int  # of the largest run
    accelerators: tuple[str, ...]  # chips of the runs, by name
    kinds: tuple[str, ...]  # of models and layouts met
    refused: Mapping[str, str]
    mean_absolute: float
    left_out: float | None
    judged: ScaleJudgement | None = None  # on runs of more devices, where that is asked for
    complete: bool = True  # False where it was interrupted: groups are missing whose errors would be those held out

    @property
    def values(self) -> dict[str, float]:
        """The fitted numbers by name."""
        return {estimate.name: estimate.value for estimate in self.estimates}

    def headline(self) -> tuple[str, dict[str, str]]:
        """The parent, the rows, how far off they are, and the fitted numbers."""
        values = {name: f"{value:.4g}" for name, value in self.values.items()}
        what = f"a stack that extends {self.extends}, fitted to {counted(self.rows, 'row')}"
        return what, {"mean absolute error": amount(self.mean_absolute, "%"), **values}

    def table(self) -> list[dict[str, Any]]:
        """A row for every fitted number."""
        return [asdict(estimate) for estimate in self.estimates]

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim calibrate --json` prints."""
        from clustersim.version import __version__

        return asdict(self) | {"version": __version__}


Pairs = Sequence[tuple[str, str]]  # a file, and the scenario that it is of


def read_runs(
    files: Sequence[str], logs: Pairs, extends: str | None, chunks: Pairs = (), traces: Pairs = ()
) -> tuple[RowPredictor, str]:
    """Rows of CSV files; logs, chunks and traces with their scenarios: all under one stack; and that stack's name.

    Raises InputError where a file can't be read or nothing is left.
    """
    rows = [row for file in files for row in read_rows(file)]
    scenarios = [(log, load_scenario(path)) for log, path in logs]
    timed = [(file, *_of_scenario(path, read_chunks, file)) for file, path in chunks]
    timed += [(file, *_of_scenario(path, _trace_chunks, file)) for file, path in traces]
    named = Counter(row["stack"] for row in rows if row.get("stack"))
    if extends is None:
        known = [slug for slug, _ in named.most_common()]
        extends = known[0] if known else None
    if extends is None:
        accepted = "give the nearest stack of the catalog; `clustersim show stacks` lists them"
        raise InputError("--extends", [Problem(f"no row names a stack; {accepted}")])
    stack = load("stacks", extends)
    predictor = predictor_of(rows, extends)
    logged = tuple(_logged_row(log, scenario.model_copy(update={"stack": stack})) for log, scenario in scenarios)
    pieces = [_chunk_rows(file, scenario, stack, found) for file, scenario, found in timed]
    found = RowPredictor((*predictor.rows, *logged, *(row for some in pieces for row in some)), predictor.refused)
    if not len(found):
        reasons = sorted(set(found.refused.values())) or ["no row has a measured step time"]
        raise InputError(", ".join(map(str, files)) or "--log", [Problem(reason) for reason in reasons[:8]])
    return found, extends


def _of_scenario(
    path: str, read: Callable[[str, Scenario], list[TimedChunk]], file: str
) -> tuple[Scenario, list[TimedChunk]]:
    scenario = load_scenario(path)
    if scenario.layout == "search":
        raise InputError(path, [Problem("chunks are of one layout: give it", key="layout")])
    return scenario, read(file, scenario)


def _trace_chunks(file: str, scenario: Scenario) -> list[TimedChunk]:
    return list(read_trace(file, scenario).chunks)


def _chunk_rows(file: str, scenario: Scenario, stack: Stack, chunks: Sequence[TimedChunk]) -> list[FitRow]:
    """Chunks as rows, each kind a group. Raises InputError where the scenario does nothing of the kind."""
    scenario, name = scenario.model_copy(update={"stack": stack}), Path(file).name
    chip, rows, problems = scenario.cluster.accelerator.name, [], []
    for number, chunk in enumerate(chunks, start=1):
        about = (f"{name} {number}", name, f"{name}: {chunk.observed.chunk}", stack.name, stack.name, chip)
        row = FitRow(MeasuredRun(*about, "", {}, chunk.seconds, ()), scenario, chunk.seconds, observed=chunk.observed)
        rows.append(row)
    with np.errstate(divide="ignore"):
        there = RowPredictor(tuple(rows), {}).log_predicted({})
    for row, predicted in zip(rows, there, strict=True):
        if not np.isfinite(predicted):
            problems.append(Problem(f"the scenario runs nothing of the kind {row.observed.chunk}"))
    if problems:
        raise InputError(file, list(dict.fromkeys(problems)))
    return rows


def _logged_row(log: str, scenario: Any) -> FitRow:
    seconds = read_log(log, scenario).step_time_s
    chip, name = scenario.cluster.accelerator.name, scenario.model.name
    stack = scenario.stack.name
    run = MeasuredRun(Path(log).name, "log", f"log/{chip}/{name}", stack, stack, chip, "", {}, seconds, ())
    return FitRow(run, scenario, seconds)


def calibrate(
    files: Sequence[str] | str,
    *,
    logs: Pairs = (),
    chunks: Pairs = (),
    traces: Pairs = (),
    largest: int | None = None,
    extends: str | None = None,
    parameters: Sequence[str] | None = None,
    progress: Progress = lambda what: None,
) -> Calibration:
    """Fit a stack that extends `extends` to measured runs: CSV files of the form of measured_runs.csv, and logs.

    And to what else was timed of a step: `chunks` of one rank, a CSV, and Chrome `traces`, each with its scenario. Rows
    of doubtful quality are predicted but not fitted; runs of more than `largest` devices are what the fit is judged on.
    Raises InputError where nothing can be fitted.
    """
    found, extends = read_runs([files] if isinstance(files, str) else files, logs, extends, chunks, traces)
    return calibrated(found, extends, parameters, progress, largest)


def calibrated(
    rows: RowPredictor,
    extends: str,
    names: Sequence[str] | None = None,
    progress: Progress = lambda what: None,
    largest: int | None = None,
) -> Calibration:
    """Fit to rows that are read. Raises InputError where none, or all, are of more than `largest` devices."""
    everything, rows = rows, rows if largest is None else _beyond(rows, largest, within=True)
    chosen = tuple(parameter for parameter in PARAMETERS if names is None or parameter.name in names)
    stack = load("stacks", extends)
    regular = [at for at, row in enumerate(rows.rows) if row.run.quality in REGULAR] or list(range(len(rows)))
    fitted, start = rows.subset(regular), values_of(stack, chosen)
    problem = problem_of(chosen, start, start)
    passes = 0

    def predict(points: Sequence[Floats]) -> Floats:
        nonlocal passes
        passes += 1
        progress(f"pass {passes} over {len(fitted)} rows")
        return fitted.log_predicted_at([outer_values(chosen, inner) for inner in points])

    found = fit(predict, fitted.log_measured(), row_weights(fitted.groups), problem)
    progress("checking")
    values = outer_values(chosen, found.inner)
    missed = rows.log_measured() - rows.log_predicted(values)
    held_out, complete = _held_out(fitted, found, problem)
    groups = _groups(rows, missed, held_out)
    left = _residuals(fitted, missed[regular], held_out)
    own = _own_error(fitted, left)
    left_out = [abs(np.exp(-error) - 1.0) for errors in held_out.values() for error in errors]
    found_stack = Calibration(
        extends=extends,
        estimates=_estimates(chosen, found, problem, stack),
        correlated=_correlated(chosen, found),
        groups=groups,
        rows=len(rows),
        unused=len(rows) - len(regular),
        spread=None if own is None else own.spread,
        source_spread=None if own is None else own.source,
        devices=max(row.scenario.cluster.devices for row in fitted.rows),
        accelerators=tuple(sorted({row.scenario.cluster.accelerator.name for row in fitted.rows})),
        kinds=tuple(sorted({kind for row in fitted.rows for kind in layout_kinds(row.scenario)})),
        refused=rows.refused,
        mean_absolute=float(np.mean(np.abs(np.exp(-missed) - 1.0))),
        left_out=float(mean(left_out)) if left_out else None,
        complete=complete,
    )
    if largest is None or not complete:
        return found_stack
    beyond, residual = _beyond(everything, largest, within=False), residual_of(found_stack)
    return replace(found_stack, judged=judged(beyond, largest, values, start, residual))


def residual_of(found: Calibration) -> Residual:
    """What a calibrated stack carries. Raises InputError where no step was measured."""
    if found.spread is None or found.source_spread is None:
        raise InputError("calibration", [Problem("no step was measured: there is nothing to tell how far off it is")])
    groups, part = len(found.groups), math.sqrt(found.spread**2 - found.source_spread**2)
    evidence = f"{found.rows} of your measured runs in {counted(groups, 'group')}"
    evidence += ", each group held out in turn" if found.left_out is not None else ", in-sample: one group only"
    evidence += f" (all alike off by {100 * found.source_spread:.1f} %, each by {100 * part:.1f} %)"
    return Residual(
        spread=found.spread,
        evidence=evidence,
        devices=found.devices,
        accelerators=found.accelerators,
        kinds=found.kinds,
    )


def _beyond(rows: RowPredictor, largest: int, *, within: bool) -> RowPredictor:
    """Rows of at most so many devices, or of more; what was timed of parts of a step is always fitted."""
    chosen = [
        at
        for at, row in enumerate(rows.rows)
        if (row.observed != STEP or row.scenario.cluster.devices <= largest) is within
    ]
    if not chosen:
        what = (
            f"no run of {largest:,} devices or fewer to fit" if within else f"no run of more than {largest:,} to judge"
        )
        raise InputError("--up-to", [Problem(what)])
    return RowPredictor(rows.subset(chosen).rows, rows.refused)


def _residuals(fitted: RowPredictor, missed: Floats, held_out: Mapping[str, list[float]]) -> Floats:
    """Of each row: with its group held out where that was done, else in-sample."""
    left = {name: iter(errors) for name, errors in held_out.items()}
    return np.array(
        [next(left[group]) if group in left else error for group, error in zip(fitted.groups, missed, strict=True)]
    )


def _own_error(fitted: RowPredictor, left: Floats) -> Parts | None:
    """How far the source's next run may lie; None where no step was measured."""
    steps = [at for at, row in enumerate(fitted.rows) if row.observed == STEP]
    if not steps:
        return None
    rows = fitted.subset(steps)
    experts = sum(row.scenario.model.moe is not None for row in rows.rows) > len(rows) / 2
    return posterior(left[steps].tolist(), row_weights(rows.groups).tolist(), strangers(experts=experts))


def _estimates(chosen: Sequence[Parameter], found: Fit, problem: FitPriors, stack: Stack) -> tuple[Estimate, ...]:
    deviations = np.sqrt(np.diag(found.covariance))
    edge = 1e-3 * problem.prior_spread
    return tuple(
        Estimate(
            parameter.name,
            parameter.meaning,
            parameter.outer(float(found.inner[at])),
            parameter.deviation(parameter.outer(float(found.inner[at])), float(deviations[at])),
            float(getattr(stack, parameter.name)),
            bool(deviations[at] < TOLD_BY_ROWS * problem.prior_spread[at]),
            bool(min(found.inner[at] - problem.low[at], problem.high[at] - found.inner[at]) < edge[at]),
        )
        for at, parameter in enumerate(chosen)
    )


def _correlated(chosen: Sequence[Parameter], found: Fit) -> tuple[tuple[str, str], ...]:
    deviations = np.sqrt(np.diag(found.covariance))
    correlation = found.covariance / np.outer(deviations, deviations)
    return tuple(
        (chosen[one].name, chosen[other].name)
        for one, other in combinations(range(len(chosen)), 2)
        if abs(correlation[one, other]) > TANGLED
    )


def _held_out(rows: RowPredictor, found: Fit, problem: FitPriors) -> tuple[dict[str, list[float]], bool]:
    """log(measured / predicted) of each group, fitted to the others; nothing where there is but one group.

    And whether it is all of them: Ctrl-C ends it with those that are done.
    """
    measured, groups = rows.log_measured(), np.array(rows.groups, dtype=object)
    names = sorted(set(rows.groups))
    if len(names) < 2:
        return {}, True
    errors: dict[str, list[float]] = {}
    try:
        for name in names:
            others, held = np.flatnonzero(groups != name), np.flatnonzero(groups == name)
            model = LinearModel(found.model.at, found.model.there[others], found.model.slopes[others])
            inner = solve(model, measured[others], row_weights(list(groups[others])), problem).inner
            whole = LinearModel(found.model.at, found.model.there[held], found.model.slopes[held])
            errors[name] = (measured[held] - whole.predict(inner)).tolist()
    except KeyboardInterrupt:
        return errors, False
    return errors, True


def _by_group(groups: Sequence[str], errors: Floats) -> list[tuple[str, list[float]]]:
    found: dict[str, list[float]] = defaultdict(list)
    for group, error in zip(groups, errors.tolist(), strict=True):
        found[group].append(error)
    return list(found.items())


def _groups(rows: RowPredictor, missed: Floats, held_out: Mapping[str, list[float]]) -> dict[str, GroupErrors]:
    figures = {}
    for name, errors in sorted(_by_group(rows.groups, missed)):
        shares = np.exp(-np.array(errors)) - 1.0
        left = held_out.get(name)
        figures[name] = GroupErrors(
            len(errors),
            float(np.mean(np.abs(shares))),
            float(np.mean(shares)),
            float(np.mean(np.abs(np.exp(-np.array(left)) - 1.0))) if left else None,
        )
    return figures
