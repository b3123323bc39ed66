"""The schedules by name. A new one is a module like `one_f_one_b.py` and a line here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.errors import InfeasibleError
from clustersim.schedules import dualpipe, gpipe, interleaved, one_f_one_b, zb_1p, zb_2p, zb_h1, zb_v
from clustersim.schedules.placement import ChunkPlacement
from clustersim.schedules.program import TaskType
from clustersim.schedules.schedule import Order, PlannedSchedule, Ratios, Schedule, pair_passes

SCHEDULES: dict[str, Schedule] = {
    "gpipe": gpipe,
    "1f1b": one_f_one_b,
    "interleaved-1f1b": interleaved,
    "zb-h1": zb_h1,
    "zb-1p": zb_1p,
    "zb-2p": zb_2p,
    "zb-v": zb_v,
    "dualpipe": dualpipe,
}
PLANNED: dict[str, PlannedSchedule] = {"zb-1p": zb_1p, "zb-2p": zb_2p, "zb-v": zb_v}
WHOLE = frozenset({TaskType.FORWARD, TaskType.BACKWARD})
APART = frozenset({TaskType.INPUT_GRADIENT, TaskType.WEIGHT_GRADIENT})
BESIDE = frozenset({TaskType.FORWARD_BESIDE, TaskType.BACKWARD_BESIDE})
ZERO_BUBBLE = frozenset({"zb-h1", *PLANNED})

schedule_names = tuple(SCHEDULES)


def find_schedule(name: str) -> Schedule:
    """The schedule of that name; raises InfeasibleError where it isn't simulated."""
    if name not in SCHEDULES:
        raise InfeasibleError(f"schedule {name} is not simulated; accepted: {', '.join(SCHEDULES)}")
    return SCHEDULES[name]


def orders_of(
    name: str,
    stages: int,
    micro_batches: int,
    virtual_stages: int,
    ratios: Ratios | None = None,
    *,
    beside: bool = False,
) -> Sequence[Order]:
    """The passes of every stage, automatic schedules planned on `ratios`; raises InfeasibleError as `order` does.

    `beside`: in steady passes a stage runs forward beside backward, as far as `runs_beside` says that it can.
    """
    if ratios is not None and name in PLANNED:
        return PLANNED[name].order(stages, micro_batches, virtual_stages, ratios)
    orders = find_schedule(name).order(stages, micro_batches, virtual_stages)
    pairs = beside and runs_beside(name, stages, virtual_stages)
    return [pair_passes(order) for order in orders] if pairs else orders


def runs_beside(name: str, stages: int, virtual_stages: int) -> bool:
    """Whether stages can run forward passes beside backward ones of other micro-batches."""
    return find_schedule(name).runs_beside(stages, virtual_stages)


def place_chunks(name: str, stages: int, virtual_stages: int) -> ChunkPlacement:
    """Which virtual stages of the model each stage holds; raises InfeasibleError for an unknown schedule."""
    return find_schedule(name).placement(stages, virtual_stages)


def passes_of(name: str, *, beside: bool = False) -> frozenset[TaskType]:
    """The passes that the schedule may run; `beside`: forward beside backward too."""
    if name == "dualpipe":
        return WHOLE | APART | BESIDE
    passes = WHOLE | APART if name in ZERO_BUBBLE else WHOLE
    return passes | BESIDE if beside else passes


def is_planned(name: str) -> bool:
    """Whether the schedule's order is planned on the ratios of durations."""
    return name in PLANNED


def post_validates(name: str) -> bool:
    """Whether stages step their optimizers without waiting for the global norm, and undo it where it was wrong.

    Source: Qi et al. 2023, arXiv 2401.10241, section 4.
    """
    return name in ZERO_BUBBLE


def is_bubble_exact(name: str) -> bool:
    """Whether equal stages over free links idle as long as `bubble_lower_bound` says, and no longer."""
    return name in ("gpipe", "1f1b", "interleaved-1f1b")


def in_flight(schedule: str, stages: int, micro_batches: int, virtual_stages: int = 1, *, beside: bool = False) -> Ints:
    """`[stages]`: the most (chunk, micro-batch) activations alive at once, from start of forward to end of backward.

    One such activation is what a micro-batch keeps of one chunk, 1/v of the stage's layers. `beside`: one more where
    forward passes run beside backward ones. The schedule's own `in_flight` takes arrays of any sizes. Raises
    InfeasibleError for an unknown schedule.
    """
    alive = find_schedule(schedule).in_flight(np.arange(stages), stages, micro_batches, virtual_stages)
    return np.minimum(alive + 1, micro_batches * virtual_stages) if beside else alive


def bubble_lower_bound(
    schedule: str,
    forward: ArrayLike,
    backward: ArrayLike,
    stages: ArrayLike,
    virtual_stages: ArrayLike = 1,
    weight_gradient: ArrayLike = 0.0,
) -> Floats:
    """Seconds that every device idles at least where stages are equal; arrays of layouts at once.

    `forward`, `backward`: seconds of one micro-batch on all chunks of a device; `weight_gradient`: the part of backward
    that can wait. Source: in the schedule's module.
    """
    return find_schedule(schedule).bubble_lower_bound(forward, backward, stages, virtual_stages, weight_gradient)
