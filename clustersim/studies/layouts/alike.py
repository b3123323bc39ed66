"""Layouts that are one and the same, and layouts that no prediction can tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any, get_args

from clustersim.inputs.layout import Layout, Sharding
from clustersim.schedules.registry import usual_schedule
from clustersim.simulation.results import RunResult

SIZES = ("tensor", "pipeline", "virtual_stages", "data", "context", "expert", "expert_tensor", "micro_batch")
ROUNDING = 1e-12  # of a step time that is summed in another order


@dataclass(frozen=True)
class Equals:
    """Results whose step times lie within one another's 80 % intervals, by their places among the best (from 0)."""

    places: tuple[int, ...]
    leanest: int  # the place of the one that holds the fewest bytes a device
    simplest: int  # the place of the one that departs from plain training in the fewest ways

    def to_dict(self) -> dict[str, Any]:
        """As `search --json` prints it."""
        return {"places": list(self.places), "leanest": self.leanest, "simplest": self.simplest}


def departures(layout: Layout) -> tuple[int, int]:
    """In how many ways a layout departs from one device with everything plain, and how far its sharding goes.

    A parallel size above 1 is one, a schedule that isn't the usual one, recomputation, offloading; parameters that are
    gathered for every pass (beyond ZeRO-2) are one, too. Equals are told apart by how far they shard.
    """
    sizes = sum(getattr(layout, name) not in (1, None) for name in SIZES if name not in ("data", "expert_tensor"))
    choices = (
        layout.pipeline > 1 and layout.schedule not in (None, usual_schedule(layout.virtual_stages)),
        layout.recompute not in (None, "none"),
        layout.offload != "none",
        layout.sharding in ("zero3", "fsdp", "hybrid"),
    )
    return sizes + sum(choices), get_args(Sharding).index(layout.sharding or "none")


def is_same(one: RunResult, other: RunResult) -> bool:
    """Whether two results are of one layout under two names: equal sizes, equal seconds, equal bytes.

    Sharding over a single rank is none, and one micro-batch passes a pipeline alike under several schedules.
    """
    first, second = one.step, other.step
    layouts = (first.scenario.resolved_layout, second.scenario.resolved_layout)
    return (
        first.memory_bytes == second.memory_bytes
        and isclose(first.step_time_s, second.step_time_s, rel_tol=ROUNDING)
        and layouts[0].recompute == layouts[1].recompute
        and all(getattr(layouts[0], size) == getattr(layouts[1], size) for size in SIZES)
    )


def with_another(found: list[RunResult], result: RunResult) -> bool:
    """Add a result to those found; False where one of them is the same layout, of which the plainer name stays."""
    for place, other in enumerate(found):
        if is_same(other, result):
            layouts = (result.step.scenario.resolved_layout, other.step.scenario.resolved_layout)
            if departures(layouts[0]) < departures(layouts[1]):
                found[place] = result
            return False
    found.append(result)
    return True


def equals(best: Sequence[RunResult]) -> tuple[Equals, ...]:
    """The best, fastest first, in groups that predictions can't tell apart; every result is in one of them.

    A group begins with its fastest; those belong to it whose step time lies within the fastest's 80 % interval, and
    within whose interval the fastest's lies.
    """
    order = sorted(range(len(best)), key=lambda place: best[place].step.step_time_s)
    groups: list[list[int]] = []
    for place in order:
        if groups and _overlap(best[groups[-1][0]], best[place]):
            groups[-1].append(place)
        else:
            groups.append([place])
    return tuple(_group(best, places) for places in groups)


def _overlap(one: RunResult, other: RunResult) -> bool:
    return _holds(one, other.step.step_time_s) and _holds(other, one.step.step_time_s)


def _holds(result: RunResult, seconds: float) -> bool:
    low, high = result.step.intervals["step_time_s"]["80"]
    return low <= seconds <= high


def _group(best: Sequence[RunResult], places: Iterable[int]) -> Equals:
    inside = tuple(sorted(places))
    layouts = {place: departures(best[place].step.scenario.resolved_layout) for place in inside}
    return Equals(
        inside,
        min(inside, key=lambda place: (best[place].step.memory_bytes, place)),
        min(inside, key=lambda place: (layouts[place], place)),
    )
