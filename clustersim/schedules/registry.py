"""The schedules by name. A new one is a module like `one_f_one_b.py` and a line here."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.errors import InfeasibleError
from clustersim.schedules import gpipe, interleaved, one_f_one_b
from clustersim.schedules.schedule import Schedule

SCHEDULES: dict[str, Schedule] = {"gpipe": gpipe, "1f1b": one_f_one_b, "interleaved-1f1b": interleaved}

schedule_names = tuple(SCHEDULES)


def find_schedule(name: str) -> Schedule:
    """The schedule of that name; raises InfeasibleError where it isn't simulated."""
    if name not in SCHEDULES:
        raise InfeasibleError(f"schedule {name} is not simulated; accepted: {', '.join(SCHEDULES)}")
    return SCHEDULES[name]


def in_flight(schedule: str, stages: int, micro_batches: int, virtual_stages: int = 1) -> Ints:
    """`[stages]`: the most (chunk, micro-batch) activations alive at once, from start of forward to end of backward.

    One such activation is what a micro-batch keeps of one chunk, 1/v of the stage's layers. The schedule's own
    `in_flight` takes arrays of any sizes. Raises InfeasibleError for an unknown schedule.
    """
    return find_schedule(schedule).in_flight(np.arange(stages), stages, micro_batches, virtual_stages)


def bubble_lower_bound(
    schedule: str, forward: ArrayLike, backward: ArrayLike, stages: ArrayLike, virtual_stages: ArrayLike = 1
) -> Floats:
    """Seconds that every device idles at least where stages are equal; arrays of layouts at once.

    `forward`, `backward`: seconds of one micro-batch on all chunks of a device. Source: in the schedule's module.
    """
    return find_schedule(schedule).bubble_lower_bound(forward, backward, stages, virtual_stages)
