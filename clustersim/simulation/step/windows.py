"""When each device works on a step, and when the next step follows."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from clustersim.engines.graph import Floats, Timeline
from clustersim.schedules.program import Program, TaskType
from clustersim.simulation.device_tasks import device_tasks


class Windows(NamedTuple):
    """Every device's share of the timeline, and how long after each step the next one follows."""

    starts: Floats  # [devices, points] seconds
    ends: Floats  # [devices, points] when every device is done
    seconds: Floats  # [points]


def step_windows(program: Program, timeline: Timeline) -> Windows:
    """From the start of the step to the device that ends last; or the longest share, where no stage waits for all.

    Without a meeting of all stages a device starts its next step as soon as its own share of this one is done, and
    steps follow each other by the longest share. Source: Qi et al. 2023, arXiv 2401.10241, section 4 and figure 1.
    """
    devices = device_tasks(program)
    ends = np.array([timeline.ended(device.final).max(axis=0) for device in devices])
    if _meets(program):
        return Windows(np.zeros_like(ends), ends, ends.max(axis=0))
    starts = np.array([timeline.started(device.opening).min(axis=0) for device in devices])
    return Windows(starts, ends, (ends - starts).max(axis=0))


@lru_cache(maxsize=64)
def _meets(program: Program) -> bool:
    """Whether all stages wait for a norm."""
    return any(kind.operation is TaskType.GRADIENT_NORM for kind in program.kinds)
