"""What an automatic schedule is planned on: ratios of the stages' durations, rounded, so that plans are reused."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clustersim.schedules.planning import WHOLE
from clustersim.schedules.program import TaskType
from clustersim.schedules.schedule import Ratios
from clustersim.simulation.segment.stages import Stage

UNITS = 200  # that the three passes of the mean stage take together: ratios are rounded to half a per cent


def planned_ratios(stages: Sequence[Stage], transfer_s: float, *, ends_meet: bool = False) -> Ratios:
    """F, B and W of every virtual stage and a transfer in whole units; what is kept for weight gradients, in eighths.

    `ends_meet`: first and last stage sum a gradient, of an embedding that both hold.

    Source: Qi et al. 2023, arXiv 2401.10241, section 3 (profiled T_F, T_B, T_W, T_comm, M_B and M_W).
    """
    passes = (TaskType.FORWARD, TaskType.INPUT_GRADIENT, TaskType.WEIGHT_GRADIENT)
    seconds = [[float(stage.passes[operation].seconds[0]) for stage in stages] for operation in passes]
    unit = sum(map(sum, seconds)) / (UNITS * len(stages))
    forward, input_gradient, weight_gradient = (
        tuple(max(1, round(duration / unit)) for duration in durations) for durations in seconds
    )
    kept = tuple(_kept_eighths(stage) for stage in stages)
    return Ratios(forward, input_gradient, weight_gradient, kept, round(transfer_s / unit), ends_meet)


def _kept_eighths(stage: Stage) -> int:
    """Eighths of what a micro-batch keeps, logits left out. All where layers are recomputed: plans count no more."""
    kept, later = float(stage.activation_bytes[0]), float(stage.weight_input_bytes[0])
    return math.ceil(WHOLE * min(1.0, later / kept)) if kept > 0.0 else WHOLE
