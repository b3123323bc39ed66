"""Candidates in the order of what they promise; a family is bounded closely only when its turn comes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clustersim.engines.graph import Floats, Ints
from clustersim.inputs.layout import Layout
from clustersim.studies.layouts.candidates import Family

ROUGH = -1  # in place of a candidate: the family is known by its passes alone


@dataclass(frozen=True)
class Candidate:
    """A layout that may be played."""

    family: Family
    point: int

    @property
    def layout(self) -> Layout:
        """What is to be played."""
        return self.family.layout(self.point)

    def bounds(self) -> tuple[Floats, Floats]:
        """Seconds and bytes, [1] each, that it takes at least."""
        one = slice(self.point, self.point + 1)
        return self.family.bound_s[one], self.family.bound_bytes[one]


@dataclass
class Queue:
    """All candidates of some families, the most promising first."""

    families: Sequence[Family]
    metric: str  # memory, or anything that goes with the step's time
    _heap: list[tuple[float, int, int]] = field(default_factory=list)  # bound, family, place in its order
    _orders: dict[int, Ints] = field(default_factory=dict)  # family -> its points, best bound first

    def __post_init__(self) -> None:
        for number, family in enumerate(self.families):
            if len(family.data):
                rough = family.bound_bytes if self.metric == "memory" else family.least_s
                self._heap.append((float(rough.min()), number, ROUGH))
        heapq.heapify(self._heap)

    def best_bound(self) -> float:
        """No candidate left is better than this; infinite where none is left."""
        return self._heap[0][0] if self._heap else np.inf

    def pop(self, needed: Callable[[Floats, Floats], NDArray[np.bool_]]) -> Candidate | None:
        """What is on top. None where that was a family, which is now bounded closely, or left out.

        `needed`: which candidates the search wants, by the seconds and bytes that they take at least.
        """
        _, number, place = heapq.heappop(self._heap)
        family = self.families[number]
        if place == ROUGH:
            wanted = np.flatnonzero(needed(family.least_s, family.bound_bytes))
            if len(wanted):
                self._orders[number] = wanted[np.argsort(self._bounds(family)[wanted], kind="stable")]
                self._push(number, 0)
            return None
        point = int(self._orders[number][place])
        self._push(number, place + 1)
        return Candidate(family, point)

    def _push(self, number: int, place: int) -> None:
        order = self._orders[number]
        if place < len(order):
            bounds = self._bounds(self.families[number])
            heapq.heappush(self._heap, (float(bounds[order[place]]), number, place))

    def _bounds(self, family: Family) -> Floats:
        return family.bound_bytes if self.metric == "memory" else family.bound_s

    def promising(self, limit: float) -> int:
        """How many candidates of families that are bounded closely are left below a limit."""
        left = 0
        for _, number, place in self._heap:
            if place != ROUGH:
                order = self._orders[number][place:]
                left += int(np.searchsorted(self._bounds(self.families[number])[order], limit))
        return left
