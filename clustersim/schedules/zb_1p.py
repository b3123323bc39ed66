"""ZB-1p: zero bubble as far as the memory of 1F1B allows, p activations a stage, the order planned on the durations.

Source: Qi et al. 2023, "Zero Bubble Pipeline Parallelism", arXiv 2401.10241, section 3 (automatic scheduling). All
stages run forward and backward passes by turns after a warm-up that the limit or the first gradient's return ends;
`planning.py` puts the weight gradients between.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Ints
from clustersim.schedules.placement import by_turns as placement
from clustersim.schedules.planning import Filling, Pass, PlannedOrder
from clustersim.schedules.schedule import EQUAL, FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, Order, Ratios
from clustersim.schedules.traits import APART, WHOLE, Traits
from clustersim.schedules.zb_h1 import bubble_lower_bound

__all__ = ["bubble_lower_bound", "in_flight", "order", "placement", "traits"]

traits = Traits(WHOLE | APART, planned=True, post_validates=True)


TRIAL_ROUNDS = 4  # micro-batches a stage of the steps on which choices are compared: filling, draining and some between


class Choice(NamedTuple):
    """What the heuristic leaves open."""

    ahead: tuple[int, ...]  # [stages] forward passes before forward and backward take turns
    fill_short_gaps: bool = False
    delay: int | None = None  # weight gradients run so many micro-batches times the stage's number late, not in gaps


def order(stages: int, micro_batches: int, virtual_stages: int, ratios: Ratios = EQUAL) -> list[Order]:
    """The passes of every stage, planned on `ratios`."""
    return plan(stages, micro_batches, stages, ratios).orders()


def plan(stages: int, micro_batches: int, limit: int, ratios: Ratios) -> PlannedOrder:
    """The best that the heuristic finds with any choice. `limit`: activations that a stage may hold."""

    def planned(choice: Choice, count: int) -> PlannedOrder:
        orders = [_by_turns(stage, count, choice) for stage in range(stages)]
        filling = Filling(orders, cells, count, limit, ratios, fill_short_gaps=choice.fill_short_gaps)
        return filling.plan()

    cells = placement(stages)
    trial = min(micro_batches, TRIAL_ROUNDS * stages)
    choices = list(dict.fromkeys(_choices(stages, limit, ratios)))
    best = min(choices, key=lambda choice: planned(choice, trial).cost) if len(choices) > 1 else choices[0]
    return planned(best, micro_batches)


def _choices(stages: int, limit: int, ratios: Ratios) -> Iterator[Choice]:
    """How many forward passes run before the first gradient arrives, and whether short gaps are filled; ZB-H1, and
    where the limit allows it ZB-H2, which put weight gradients off by a fixed number of micro-batches.
    """
    stage = np.arange(stages)
    forward, input_gradient, _, _ = (np.array(figure) for figure in ratios.over(np.arange(stages)))
    for transfer, more in ((ratios.transfer, 0), (ratios.transfer, 1), (0, 0)):
        way = forward + input_gradient + 2 * transfer
        wait = way[::-1].cumsum()[::-1] - way  # [stages] from the end of a forward pass to its gradient's arrival
        fitting = (wait + more * (forward - 1)) // forward
        ahead = np.maximum.accumulate(fitting[::-1])[::-1]  # no stage waits for one before it
        within = np.minimum(ahead, limit - 1 - stage).tolist()
        for fill_short_gaps in (True, False):
            yield Choice(tuple(within), fill_short_gaps)
    for delay in range(1, limit // stages + 1):
        yield Choice(tuple((delay * (stages - 1 - stage)).tolist()), delay=delay)


def _by_turns(stage: int, micro_batches: int, choice: Choice) -> list[Pass]:
    ahead = min(choice.ahead[stage], micro_batches)
    late = micro_batches if choice.delay is None else choice.delay * stage
    passes = [(FORWARD, 0, i) for i in range(ahead)]
    for i in range(micro_batches):
        if i + ahead < micro_batches:
            passes.append((FORWARD, 0, i + ahead))
        passes.append((INPUT_GRADIENT, 0, i))
        if i >= late:
            passes.append((WEIGHT_GRADIENT, 0, i - late))
    return passes


def in_flight(stage: ArrayLike, stages: ArrayLike, micro_batches: ArrayLike, chunks: ArrayLike = 1) -> Ints:
    """Activations alive at most on any stage: min(p, m). What stays for a weight gradient counts as its part of one.

    Source: Qi et al. 2023, section 3.
    """
    alive = np.minimum(np.asarray(stages, dtype=np.int64), micro_batches)
    return np.broadcast_arrays(alive, stage, chunks)[0]
