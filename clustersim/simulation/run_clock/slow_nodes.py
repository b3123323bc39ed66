"""Slow nodes as the run sees them: how often one appears, how long it stays, and what it does to a step."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace

from clustersim.inputs.reliability import Stragglers


@dataclass(frozen=True)
class Slowdowns:
    """How many times as long a step takes with one slow node, by its pipeline stage and how slow it is."""

    factors: tuple[float, ...] = (1.0, 2.0)  # ascending from 1
    steps: tuple[tuple[float, ...], ...] = ((1.0, 2.0),)  # [stages][factors] over the even step

    @property
    def stages(self) -> int:
        """Pipeline stages that a slow node can be in."""
        return len(self.steps)

    def of(self, stage: int, factor: float) -> float:
        """Linear between the factors that were played, and past the last as between the last two."""
        at = min(max(1, bisect_right(self.factors, factor)), len(self.factors) - 1)
        low, high = self.factors[at - 1], self.factors[at]
        below, above = self.steps[stage][at - 1], self.steps[stage][at]
        return below + (above - below) * (factor - low) / (high - low)

    def pace(self, factor: float, nodes: int) -> float:
        """Expected throughput with so many slow nodes in stages at random: the slowest of them sets it.

        E[1 / max] over draws with replacement: sum of 1 / s_i ((i / n)^k - ((i - 1) / n)^k), s ascending.
        """
        if nodes == 0:
            return 1.0
        steps = sorted(self.of(stage, factor) for stage in range(self.stages))
        chances = [(number / self.stages) ** nodes for number in range(self.stages + 1)]
        return sum((chances[i + 1] - chances[i]) / step for i, step in enumerate(steps))


@dataclass(frozen=True)
class SlowNodes:
    """Nodes that become slow in the course of the run."""

    rate: float  # a second, over all nodes
    factor: float  # how many times as long one computes at first
    drift: float = 0.0  # what a day adds
    lasts_s: float = math.inf  # mean, until it recovers by itself
    detection_s: float = math.inf  # mean, until it is noticed and replaced
    slowdowns: Slowdowns = Slowdowns()
    leaving: float = 0.0  # a second, for other reasons: a node that fails is replaced

    def among(self, leaving: float) -> SlowNodes:
        """The same among nodes that are replaced at this rate anyway."""
        return replace(self, leaving=leaving)

    @property
    def stay_s(self) -> float:
        """Mean seconds that one stays."""
        leaving = 1.0 / self.lasts_s + 1.0 / self.detection_s + self.leaving
        return 1.0 / leaving if leaving else math.inf

    @property
    def evicted(self) -> float:
        """Share that is noticed before it recovers."""
        return self.stay_s / self.detection_s if self.detection_s < math.inf else 0.0


def slow_among(stragglers: Stragglers, nodes: int, slowdowns: Slowdowns) -> SlowNodes:
    """The slow nodes of a failure profile among so many nodes."""
    return SlowNodes(
        rate=stragglers.rate * nodes,
        factor=stragglers.factor,
        drift=stragglers.drift,
        lasts_s=stragglers.lasts or math.inf,
        detection_s=stragglers.detection or math.inf,
        slowdowns=slowdowns,
    )
