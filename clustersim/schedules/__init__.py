"""In what order the passes of a pipeline run: GPipe, 1F1B, interleaved 1F1B, as task graphs without durations.

`schedule.py` says what a schedule is and `traits.py` what sets one apart, one module each holds the schedules,
`registry.py` knows them by name, `sizes.py` says which sizes they take, `build.py`
lays an order into the task graph of a whole step, and `bounds.py` bounds the step from below.
"""

from __future__ import annotations

from clustersim.schedules.bounds import step_lower_bound
from clustersim.schedules.build import build_program
from clustersim.schedules.program import Kind, Position, Program, TaskType
from clustersim.schedules.registry import bubble_lower_bound, in_flight, schedule_names

__all__ = [
    "Kind",
    "Position",
    "Program",
    "TaskType",
    "bubble_lower_bound",
    "build_program",
    "in_flight",
    "schedule_names",
    "step_lower_bound",
]
