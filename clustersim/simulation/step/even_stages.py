"""What an order of passes leaves idle even where all virtual stages take equally long: the bubble proper.

Where the schedule knows that time in closed form, it says it. Else the step is played once more, with the mean duration
of each kind of pass in place of every stage's own: in whole units, so that steps of nearly the same ratios share one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from clustersim.engines import play
from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.program import BACKWARDS, COMPUTE_PASSES, FORWARDS, Program, TaskType
from clustersim.schedules.registry import bubble_lower_bound, traits_of
from clustersim.simulation.device_tasks import total
from clustersim.simulation.step.windows import step_windows

UNITS = 200  # of the mean pass: durations are rounded to half a per cent of it
PASSES = tuple(sorted(COMPUTE_PASSES, key=lambda operation: operation.value))
SENDS = frozenset({TaskType.SEND_ACTIVATION, TaskType.SEND_GRADIENT})
PAIRS = frozenset({TaskType.FORWARD_BESIDE})


class EvenIdle(NamedTuple):
    """Seconds [points] that the mean device idles where all virtual stages take equally long."""

    bubble: Floats  # over links that take no time
    messages: Floats  # of one micro-batch, on its way through the other stages and back


def even_idle(program: Program, schedule: str, durations: Floats) -> EvenIdle:
    """What devices would idle if all virtual stages took as long as the mean one.

    `durations`: seconds [kinds, points] of every kind of task.
    """
    messages = 2.0 * (program.stages - 1) * _mean(program, durations, SENDS)
    return EvenIdle(_bubble(program, schedule, durations), messages)


def _bubble(program: Program, schedule: str, durations: Floats) -> Floats:
    if program.stages == 1:
        return np.zeros(durations.shape[1])
    pairs = len(_shares(program, PAIRS)[0])
    if not pairs and traits_of(schedule).exact_bubble:
        each = program.virtual_stages  # passes of a micro-batch on a device
        forward, backward = (each * _mean(program, durations, some) for some in (FORWARDS, BACKWARDS))
        return bubble_lower_bound(schedule, forward, backward, program.stages, program.virtual_stages)
    means = np.array([_mean(program, durations, frozenset({operation})) for operation in PASSES])  # [PASSES, points]
    unit = _mean(program, durations, COMPUTE_PASSES) / UNITS
    return unit * _replayed(program, np.rint(means / unit).astype(np.int64).T.tolist())


def _mean(program: Program, durations: Floats, operations: frozenset[TaskType]) -> Floats:
    """Seconds [points] of the mean task of some kinds; 0 where there is none."""
    rows, shares = _shares(program, operations)
    return total(shares * durations.take(rows, axis=0))


@lru_cache(maxsize=512)
def _shares(program: Program, operations: frozenset[TaskType]) -> tuple[Ints, Floats]:
    """The kinds that do one of `operations`, and which share of all such tasks are of each, [kinds] and [kinds, 1]."""
    rows = np.flatnonzero([kind.operation in operations for kind in program.kinds])
    counts = _counts(program)[rows]
    return rows, (counts / max(1, counts.sum()))[:, np.newaxis]


@lru_cache(maxsize=64)
def _counts(program: Program) -> Ints:
    """[kinds] how many tasks there are of each."""
    return np.bincount(program.graph.kind, minlength=program.graph.kinds)


def _replayed(program: Program, points: list[list[int]]) -> Floats:
    """Units [points] that the mean device idles, for whole units of each of PASSES, over links that take no time."""
    known, rows = _plays(program), [tuple(row) for row in points]
    new = [row for row in dict.fromkeys(rows) if row not in known]
    if new:
        taken = np.array(new, dtype=np.float64).T  # [PASSES, new]
        place = {operation: taken[row] for row, operation in enumerate(PASSES)}
        nothing = np.zeros(len(new))
        durations = np.array([place.get(kind.operation, nothing) for kind in program.kinds])
        work = total(_counts(program)[:, np.newaxis] * durations) / program.stages
        seconds = step_windows(program, play(program.graph, durations)).seconds
        known.update(zip(new, (seconds - work).tolist(), strict=True))
    return np.array([known[row] for row in rows])


@lru_cache(maxsize=64)
def _plays(program: Program) -> dict[tuple[int, ...], float]:
    """What was found for a program, by units of each of PASSES."""
    return {}
