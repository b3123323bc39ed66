"""Step times from the logs of training software: Megatron-LM's and torchtitan's.

A log says how long steps took and little of what ran: a scenario says the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from clustersim.errors import InputError, Problem
from clustersim.inputs.scenario import Scenario

MEGATRON = re.compile(r"iteration\s+(\d+)\s*/.*?elapsed time per iteration \(ms\):\s*([\d.]+)")
MEGATRON_BATCH = re.compile(r"global batch size:\s*(\d+)")
TORCHTITAN = re.compile(r"step:\s*(\d+)\b.*?\btps:\s*([\d,.]+)")
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
        text = COLOURS.sub("", Path(path).read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise InputError(str(path), [Problem(f"cannot be read: {error}")]) from error
    steps = [float(milliseconds) / 1000.0 for _, milliseconds in MEGATRON.findall(text)]
    if steps:
        _check_batch(path, text, scenario)
        return _median_step(path, "Megatron-LM", steps)
    tokens = scenario.training.tokens_per_step / scenario.cluster.devices
    rates = [float(rate.replace(",", "")) for _, rate in TORCHTITAN.findall(text)]
    steps = [tokens / rate for rate in rates if rate > 0.0]
    if steps:
        return _median_step(path, "torchtitan", steps)
    looked_for = '"elapsed time per iteration (ms): ..." of Megatron-LM or "step: ... tps: ..." of torchtitan'
    raise InputError(str(path), [Problem(f"no step times found; looked for lines with {looked_for}")])


def _check_batch(path: str | Path, text: str, scenario: Scenario) -> None:
    batches = {int(size) for size in MEGATRON_BATCH.findall(text)}
    stated = scenario.training.global_batch
    if batches and batches != {stated}:
        found = ", ".join(str(size) for size in sorted(batches))
        message = f"the log's global batch size is {found}, the scenario's training.global_batch {stated}"
        raise InputError(str(path), [Problem(message)])


def _median_step(path: str | Path, software: str, steps: list[float]) -> LoggedRun:
    kept = steps[int(WARM_UP * len(steps)) :]
    if len(kept) < FEWEST:
        message = f"{len(steps)} logged steps are too few for a median; {FEWEST} after the first fifth are needed"
        raise InputError(str(path), [Problem(message)])
    return LoggedRun(str(path), software, median(kept), len(kept))
