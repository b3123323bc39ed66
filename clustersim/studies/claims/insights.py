"""Beyond the verdict: the kindest reading of every figure, what moves it most, and what would have to be true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clustersim.studies.claims.assertion_rows import AssertionRow, ClaimContext, counting
from clustersim.studies.claims.definitions import MATRIX_PEAK
from clustersim.studies.claims.requirements import Requirement, requirement
from clustersim.studies.claims.sensitivity import Swing, swings
from clustersim.studies.claims.verdicts import VERDICTS


@dataclass(frozen=True)
class Insight:
    """One figure of a claim under its kindest reading."""

    row: AssertionRow
    swings: tuple[Swing, ...]
    requirements: tuple[Requirement, ...]  # of the kindest reading, and of the one on the matrix peak

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "id": self.row.id,
            "definition": self.row.definition,
            "base": self.row.base,
            "unknowns": [asdict(swing) for swing in self.swings],
            "requirements": [found.to_dict() for found in self.requirements],
        }


def insights(rows: Sequence[AssertionRow], context: ClaimContext) -> tuple[Insight, ...]:
    """An insight for every figure that has something to be drawn."""
    found = []
    own = [row for row in counting(rows) if row.boast is not None]
    for name in dict.fromkeys(row.id for row in own):
        readings = [row for row in own if row.id == name]
        kindest = min(readings, key=_kindness)
        at_peak = next((row for row in readings if row.base_name == MATRIX_PEAK), kindest)
        asked = [requirement(row, context) for row in dict.fromkeys((kindest, at_peak))]
        assert kindest.boast is not None
        moved = () if kindest.definition in WITHOUT_UNKNOWNS else swings(kindest.boast, context)
        found.append(Insight(kindest, moved, tuple(need for need in asked if need is not None)))
    return tuple(found)


def _kindness(row: AssertionRow) -> tuple[int, float, float]:
    """By verdict, by probability, and by how far what is attainable lies from what is claimed."""
    far = abs(math.log(row.claimed / row.best_attainable)) if row.best_attainable else math.inf
    return VERDICTS.index(row.verdict), -(row.probability or 0.0), far


WITHOUT_UNKNOWNS = ("achieved_flops_ratio", "scaling_efficiency", "ratio")  # two systems: their draws aren't one's
