"""Scenarios side by side: many points of one structure, priced and played at once, a column each.

Points have one **structure** where all that fixes operations, their order and the step's task graph is the same: the
model, the sizes of the pipeline, the number of micro-batches, every choice that is a word. What else they have are
numbers: of the hardware and the stack, which become arrays, one entry a point, in a scenario that array-first formulas
read like any other; and sizes of the groups that cut the model, which stand beside it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from clustersim.inputs.base import Description
from clustersim.inputs.per_object import PerObject
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.registry import traits_of
from clustersim.simulation.step.unfolded import is_uneven
from clustersim.workload.imbalance import busiest_rank
from clustersim.workload.sizes import Sizes, sizes_of

Part = TypeVar("Part", bound=Description)

SIZES = frozenset(Sizes.__dataclass_fields__)  # of layouts, may differ
TRAINING = frozenset({"global_batch", "tokens"})
SAID = frozenset(  # to people, or beyond the step
    {"name", "vendor", "vendors", "year", "technology", "evidence", "other_peaks", "vector", "power", "price", "node"}
)


def structure_of(scenario: Scenario) -> tuple[Hashable, ...]:
    """What points have in common that can be played side by side."""
    layout, training = scenario.resolved_layout, scenario.training
    return (
        scenario.model,
        tuple((name, value) for name, value in vars(training).items() if name not in TRAINING),
        tuple((name, value) for name, value in vars(layout).items() if name not in SIZES),
        training.global_batch // (layout.data * layout.micro_batch),
        layout.data * layout.context == 1,
        *(size == 1 for size in (layout.tensor, layout.context, layout.expert, layout.expert_tensor)),
        scenario.model.moe is not None and busiest_rank(scenario.model, training, float(layout.expert)) == 1.0,
        _words_of(scenario.cluster.node),
        _words_of(scenario.stack),
        id(scenario) if is_alone(scenario) else None,
    )


def is_alone(scenario: Scenario) -> bool:
    """Whether no other point shares its graph: its replicas differ or come to, or its order is planned for it."""
    reliability = scenario.reliability
    unlike = is_uneven(scenario.cluster) or (reliability is not None and bool(reliability.stragglers))
    return unlike or traits_of(scenario.resolved_layout.schedule).planned


@dataclass(frozen=True)
class Columns:
    """Points of one structure as one."""

    scenario: Scenario  # the first one; what floats of cluster and stack differ are arrays [points]
    sizes: Sizes
    points: int


def side_by_side(scenarios: Sequence[Scenario]) -> Columns:
    """Points of one structure as one, whose numbers are arrays [points] where points differ."""
    first, points = scenarios[0], len(scenarios)
    if points == 1:
        return Columns(first, sizes_of(first.resolved_layout), 1)
    parts = {name: _columns([getattr(point, name) for point in scenarios]) for name in ("cluster", "stack")}
    each = [vars(sizes_of(point.resolved_layout)) for point in scenarios]
    sizes = {name: _columns([row[name] for row in each]) for name in each[0]}
    return Columns(first.model_copy(update=parts), Sizes(**sizes), points)


def _words(part: Description) -> Hashable:
    """All of a description that isn't a float, with a place for each that is."""
    return tuple((name, _word(value)) for name, value in vars(part).items() if name not in SAID)


_words_of = PerObject[Description, Hashable](_words)


def _word(value: Any) -> Hashable:
    if isinstance(value, float):
        return float
    if isinstance(value, Description):
        return _words(value)
    return tuple(value) if isinstance(value, dict) else value


def _columns(values: Sequence[Any]) -> Any:
    """Numbers as an array where they differ; descriptions and dictionaries entry by entry; else what the first has."""
    first = values[0]
    if all(value is first for value in values):
        return first
    if isinstance(first, Description):
        rows = [vars(value) for value in values]
        return first.model_copy(update={name: _columns([row[name] for row in rows]) for name in rows[0]})
    if isinstance(first, dict):
        return {key: _columns([value.get(key) for value in values]) for key in first}
    if isinstance(first, float) and None not in values:
        numbers = np.array(values, dtype=np.float64)
        return first if (numbers == numbers[0]).all() else numbers
    return first
