"""Collectives: seconds and bytes by tier, by the algorithms of the files that are imported here."""

from __future__ import annotations

from clustersim.costs import dispatchers, exchanges, reductions  # noqa: F401  (they register their algorithms)
from clustersim.costs.algorithms import ALGORITHMS, Cost, Reach, cost_of

__all__ = ["ALGORITHMS", "Cost", "Reach", "cost_of"]
