"""Step times from the logs of training software: Megatron-LM's and torchtitan's.

A log says how long steps took and little of what ran: a scenario says the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from clustersim.errors import InputError, Problem
from clustersim.inputs.files import UnreadableError, read_file
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.units import shown

NUMBER = re.compile(r"\s*([\d,.]{1,40})")
MEGATRON, MEGATRON_STEP = "elapsed time per iteration (ms):", re.compile(r"iteration\s+\d+\s*/")
MEGATRON_BATCH = re.compile(r"global batch size:\s*(\d{1,18})\b")
TORCHTITAN, TORCHTITAN_STEP = re.compile(r"\btps:"), re.compile(r"step:\s*\d+\b")
MAX_BYTES = 200_000_000
LONGEST_LINE = 20_000  # characters of a line that are looked at
MOST_PROBLEMS = 20
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
WARM_UP = 0.2  # share of the logged steps that is left aside at the start: compilation, caches, first allocations
FEWEST = 3  # logged steps that a median is worth taking of


@dataclass(frozen=True)
class LoggedRun:
    """What a log tells: the median step, and how many it is of."""

    path: str
    software: str
    step_time_s: float
    steps: int


def read_log(path: str | Path, scenario: Scenario) -> LoggedRun:
    """The median step time of a log, the first steps left aside.

    Megatron-LM prints milliseconds an iteration; torchtitan tokens a second and device, which `scenario` turns into
    seconds. Raises InputError where the log has neither, or another batch than the scenario.
    """
    try:
        text = COLOURS.sub("", read_file(path, MAX_BYTES).decode("utf-8", errors="replace"))
    except UnreadableError as error:
        raise InputError(str(path), [Problem(str(error))]) from None
    lines = [line[:LONGEST_LINE] for line in text.splitlines()]
    milliseconds = _figures(path, lines, _megatron)
    if milliseconds:
        _check_batch(path, lines, scenario)
        return _median_step(path, "Megatron-LM", [figure / 1000.0 for figure in milliseconds])
    rates = _figures(path, lines, _torchtitan)
    if rates:
        tokens = scenario.training.tokens_per_step / scenario.cluster.devices
        return _median_step(path, "torchtitan", [tokens / rate for rate in rates])
    looked_for = '"elapsed time per iteration (ms): ..." of Megatron-LM or "step: ... tps: ..." of torchtitan'
    raise InputError(str(path), [Problem(f"no step times found; looked for lines with {looked_for}")])


def _figures(path: str | Path, lines: Sequence[str], figure_of: Callable[[str], str | None]) -> list[float]:
    """The figure of every line that has one. Raises InputError for those that are no finite numbers above zero."""
    figures: list[float] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        written = figure_of(line)
        if written is None:
            continue
        try:
            figures.append(float(written.replace(",", "")))
        except ValueError:
            problems.append(Problem(f"{shown(written)} is not a number", line=number))
        else:
            if not 0.0 < figures[-1] < math.inf:
                problems.append(Problem(f"{shown(written)} is not a number above 0", line=number))
    if problems:
        raise InputError(str(path), problems[:MOST_PROBLEMS])
    return figures


def _megatron(line: str) -> str | None:
    """Milliseconds of an iteration."""
    before, marker, after = line.partition(MEGATRON)
    return _number(after) if marker and MEGATRON_STEP.search(before) else None


def _torchtitan(line: str) -> str | None:
    """Tokens a second and device."""
    found = TORCHTITAN.search(line)
    return _number(line[found.end() :]) if found and TORCHTITAN_STEP.search(line, 0, found.start()) else None


def _number(text: str) -> str | None:
    found = NUMBER.match(text)
    return found[1] if found else None


def _check_batch(path: str | Path, lines: Sequence[str], scenario: Scenario) -> None:
    batches = {int(found[1]) for line in lines if (found := MEGATRON_BATCH.search(line))}
    stated = scenario.training.global_batch
    if batches and batches != {stated}:
        sizes = ", ".join(str(size) for size in sorted(batches)[:5])
        message = f"the log's global batch size is {sizes}, the scenario's training.global_batch {stated}"
        raise InputError(str(path), [Problem(message)])


def _median_step(path: str | Path, software: str, steps: list[float]) -> LoggedRun:
    kept = steps[int(WARM_UP * len(steps)) :]
    if len(kept) < FEWEST:
        message = f"{len(steps)} logged steps are too few for a median; {FEWEST} after the first fifth are needed"
        raise InputError(str(path), [Problem(message)])
    return LoggedRun(str(path), software, median(kept), len(kept))
