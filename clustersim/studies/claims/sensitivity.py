"""Which unknown moves a figure most: what is attainable at either end of each, everything else drawn as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.studies.claims.assertion_rows import ClaimContext
from clustersim.studies.claims.outcomes import SOFTWARE
from clustersim.studies.claims.verdicts import ClaimedFigure

TENTH = 0.1  # the draws at either end of an unknown that are looked at
NAMES = {
    "cluster.nodes": "nodes",
    "cluster.devices": "devices",
    "training.sequence_length": "sequence length",
    "training.global_batch": "sequences a step",
}


@dataclass(frozen=True)
class Swing:
    """What is attainable (the geometric mean) at the two ends of an unknown."""

    unknown: str
    low: float
    high: float
    low_at: str  # where it is low
    high_at: str

    @property
    def width(self) -> float:
        """How far it moves the figure."""
        return self.high - self.low


def swings(boast: ClaimedFigure, context: ClaimContext) -> tuple[Swing, ...]:
    """Every unknown that moves the figure, the one that moves it most first."""
    found = [*_choices(boast.within, context), *_places(boast.within, context)]
    moving = [swing for swing in found if swing.width > 0]
    return tuple(sorted(moving, key=lambda swing: (-swing.width, swing.unknown)))


def _choices(figure: Floats, context: ClaimContext) -> Iterator[Swing]:
    """Values that were tried one by one."""
    points = context.points
    for key in points[0].setting.values:
        values = [_shown(point.setting.values.get(key)) for point in points]
        if len(set(values)) < 2 or any(axis.key == key for axis in points[0].setting.axes):
            continue
        drawn = np.array(values, dtype=object)[context.draws.at]
        medians = {value: _middle(figure[drawn == value]) for value in dict.fromkeys(values) if (drawn == value).any()}
        if len(medians) > 1:
            low, high = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
            yield Swing(NAMES.get(key, key), medians[low], medians[high], low, high)


def _places(figure: Floats, context: ClaimContext) -> Iterator[Swing]:
    """What was drawn from a range: the tenth of the draws at either end."""
    drawn = {"the model's error": (context.draws.error, "too kind", "too harsh")}
    drawn[SOFTWARE] = (context.draws.places[SOFTWARE], context.scenario.stack.name, "all that kernels give")
    for axis in context.points[0].setting.axes:
        drawn[axis.key] = (context.draws.places[axis.key], f"{axis.values[0]:.4g}", f"{axis.values[-1]:.4g}")
    for name, (places, first, last) in drawn.items():
        below, above = np.quantile(places, (TENTH, 1 - TENTH))
        ends = [(_middle(figure[places <= below]), first), (_middle(figure[places >= above]), last)]
        (low, low_at), (high, high_at) = sorted(ends)
        yield Swing(name, low, high, low_at, high_at)


def _middle(figure: Floats) -> float:
    """The geometric mean: a median would jump where draws of several clusters lie in heaps.

    The arithmetic one where the figure comes to nothing in some draws, such as the goodput of a run without headway.
    """
    return float(np.exp(np.log(figure).mean()) if figure.min() > 0 else figure.mean())


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
