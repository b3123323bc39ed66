"""How far predictions lie from the runs of somebody who published none of the evidence.

From residuals with whole sources held out: the variance that each trait of a run adds (least squares of squared
residuals on traits, none negative), then how wide an interval is in spreads (conformal). Every source counts alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clustersim.simulation.intervals import traits
from clustersim.studies.calibration.held_out import LeftOut

Floats = NDArray[np.float64]

LEVELS = {"80": 0.80, "95": 0.95}
FARTHEST = 0.4  # of log(measured / predicted): what lies farther counts as this far for a variance
SMALLEST = 0.02  # spread: measurements repeat no better


def source_weights(found: Sequence[LeftOut]) -> Floats:
    """Of each row, so that those of a source add up to 1."""
    counts = Counter(row.row.run.source for row in found)
    return np.array([1.0 / counts[row.row.run.source] for row in found])


def trait_variances(found: Sequence[LeftOut]) -> dict[str, float]:
    """Variance of log(measured / predicted) that each trait of a run adds, of strangers' runs."""
    from scipy.optimize import nnls

    present = [traits(row.row.scenario) for row in found]
    names = list(dict.fromkeys(name for row in present for name in row))
    amounts = np.array([[row.get(name, 0.0) for name in names] for row in present])
    squares = np.minimum(np.array([row.source_out for row in found]) ** 2, FARTHEST**2)
    weights = np.sqrt(source_weights(found))
    solved, _ = nnls(amounts * weights[:, np.newaxis], squares * weights)
    return {name: float(size) for name, size in zip(names, solved, strict=True)}


def stranger_spreads(found: Sequence[LeftOut], variances: Mapping[str, float]) -> Floats:
    """One sd of each row."""
    sums = [sum(variances.get(name, 0.0) * much for name, much in traits(row.row.scenario).items()) for row in found]
    return np.asarray(np.maximum(SMALLEST, np.sqrt(np.array(sums))), dtype=np.float64)


def conformal_widths(found: Sequence[LeftOut], spreads: Floats) -> dict[str, float]:
    """Half-widths in spreads, by level: quantiles of |residual| / spread, every source weighing the same.

    Source: Dunn, Wasserman and Ramdas 2022, section 3 (pooled by group, a group as good as another).
    """
    scores = np.abs([row.source_out for row in found]) / spreads
    weights = source_weights(found)
    order = np.argsort(scores)
    reached = np.cumsum(weights[order]) / weights.sum()
    return {level: float(scores[order][int(np.searchsorted(reached, share))]) for level, share in LEVELS.items()}
