"""The schedules by name. A new one is a module like `one_f_one_b.py` and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats, Ints
from clustersim.errors import InfeasibleError
from clustersim.schedules import dualpipe, gpipe, interleaved, one_f_one_b, zb_1p, zb_2p, zb_h1, zb_v
from clustersim.schedules.placement import ChunkPlacement
from clustersim.schedules.program import TaskType
from clustersim.schedules.schedule import Order, PlannedSchedule, Ratios, Schedule, pair_passes
from clustersim.schedules.traits import BESIDE, Traits

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
schedule_names = tuple(SCHEDULES)


def find_schedule(name: str) -> Schedule:
    """The schedule of that name; raises InfeasibleError where it isn't simulated."""
    if name not in SCHEDULES:
        raise InfeasibleError(f"schedule {name} is not simulated; accepted: {', '.join(SCHEDULES)}")
    return SCHEDULES[name]


def traits_of(name: str) -> Traits:
    """What sets the schedule of that name apart; raises InfeasibleError where it isn't simulated."""
    return find_schedule(name).traits


def usual_schedule(chunks: int, default: str = "1f1b") -> str:
    """The schedule of a layout that names none: the software's, or what is usual for so many chunks a device."""
    if chunks in traits_of(default).chunks:
        return default
    return "interleaved-1f1b" if chunks > 1 else "1f1b"


def orders_of(
    name: str,
    stages: int,
    micro_batches: int,
    virtual_stages: int,
    ratios: Ratios | None = None,
    *,
    beside: bool = False,
) -> Sequence[Order]:
    """The passes of every stage, automatic schedules planned on `ratios`.

    `beside`: in steady passes a stage runs forward beside backward, as far as the schedule can.
    """
    schedule = find_schedule(name)
    if ratios is not None and schedule.traits.planned:
        return cast(PlannedSchedule, schedule).order(stages, micro_batches, virtual_stages, ratios)
    orders = schedule.order(stages, micro_batches, virtual_stages)
    pairs = beside and schedule.traits.runs_beside(stages, virtual_stages)
    return [pair_passes(order) for order in orders] if pairs else orders


def place_chunks(name: str, stages: int, virtual_stages: int) -> ChunkPlacement:
    """Which virtual stages of the model each stage holds; raises InfeasibleError for an unknown schedule."""
    return find_schedule(name).placement(stages, virtual_stages)


def passes_of(name: str, *, beside: bool = False) -> frozenset[TaskType]:
    """The passes that the schedule may run; `beside`: forward beside backward too."""
    passes = traits_of(name).passes
    return passes | BESIDE if beside else passes


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
