"""How far a stack lies from the next run of the source that it was calibrated on: what is left after so many rows.

log(measured / predicted) of a row is a part that its whole source shares (site, hardware, build) and a part of its own:
random effects. What strangers show of either, from the packaged residuals with sources held out whole, is the prior.
Rows of one's own shrink the source's part, which the fit takes up, as the posterior of a mean says,

    source^2 row^2 / (row^2 + n source^2),

n counted as the fit weighs rows, and move the rows' part from strangers' to their own scatter as theirs outweighs
PRIOR_ROWS (a scaled inverse chi-squared prior). The spread of a new run is both together.

Sources: Searle, Casella and McCulloch 1992, "Variance Components", sections 3.6 and 7.4; Gelman et al. 2013, "Bayesian
Data Analysis", sections 2.6 and 5.4.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import mean, variance

FEWEST = 5  # rows of a source, to tell its part from theirs
PRIOR_ROWS = 4.0  # of one's own that weigh as much as what strangers' rows scatter: assumed
FARTHEST = 0.4  # of a logarithm: what lies farther counts as this far


@dataclass(frozen=True)
class Parts:
    """One sd of log(measured / predicted): what a source shares, and what each row has of its own."""

    source: float
    rows: float

    @property
    def spread(self) -> float:
        """Both together."""
        return math.hypot(self.source, self.rows)


@cache
def strangers(*, experts: bool) -> Parts:
    """The parts among the packaged sources, each predicted without itself; dense models or mixtures of experts.

    One-way analysis of variance, every source counted alike.
    """
    errors: dict[str, list[float]] = defaultdict(list)
    table = files("clustersim.catalog").joinpath("measured", "left_out.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(table.splitlines()):
        if bool(int(row["experts"])) is experts:
            error = float(row["source_out"])
            errors[row["source"]].append(max(-FARTHEST, min(FARTHEST, error)))
    told = [found for found in errors.values() if len(found) >= FEWEST]
    within = mean(variance(found) for found in told)
    between = mean(mean(found) ** 2 - variance(found) / len(found) for found in told)
    return Parts(math.sqrt(max(0.0, between)), math.sqrt(within))


def posterior(errors: Sequence[float], weights: Sequence[float], prior: Parts) -> Parts:
    """The parts after rows of one's own: their residuals, and how many rows each counts as."""
    count = sum(weights)
    own = sum(weight * error**2 for weight, error in zip(weights, errors, strict=True))
    rows = (PRIOR_ROWS * prior.rows**2 + own) / (PRIOR_ROWS + count)
    left = prior.source**2 * rows / (rows + count * prior.source**2) if rows else 0.0
    return Parts(math.sqrt(left), math.sqrt(rows))
