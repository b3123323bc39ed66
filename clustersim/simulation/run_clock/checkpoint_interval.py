"""How often to save: the optimal checkpoint interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clustersim.engines.graph import Floats


def young_interval(blocking: ArrayLike, mtbf: ArrayLike) -> Floats:
    """Training seconds between checkpoints by Young's first order: sqrt(2 blocking mtbf).

    Source: J. W. Young 1974, "A first order approximation to the optimum checkpoint interval", CACM 17(9).
    """
    stop, mean = np.asarray(blocking, dtype=float), np.asarray(mtbf, dtype=float)
    return np.asarray(np.sqrt(2.0 * stop * mean))


def daly_interval(blocking: ArrayLike, mtbf: ArrayLike) -> Floats:
    """Training seconds between checkpoints by Daly's higher order.

    With x = blocking / (2 mtbf): sqrt(2 blocking mtbf) (1 + sqrt(x) / 3 + x / 9) - blocking for x < 1, else mtbf.
    Source: J. T. Daly 2006, "A higher order estimate of the optimum checkpoint interval for restart dumps", eq. 37.
    """
    stop, mean = np.asarray(blocking, dtype=float), np.asarray(mtbf, dtype=float)
    x = stop / (2.0 * mean)
    return np.where(x < 1.0, young_interval(stop, mean) * (1.0 + np.sqrt(x) / 3.0 + x / 9.0) - stop, mean)


def best_interval(blocking: ArrayLike, mtbf: ArrayLike) -> Floats:
    """Training seconds between checkpoints that make the expected run shortest, exactly.

    The minimum over t of (exp((t + blocking) / mtbf) - 1) / t: t = mtbf (1 + W(-exp(-1 - blocking / mtbf))), with
    Lambert's W. Source: the same paper, section 3, whose higher order approximates this.
    """
    from scipy.special import lambertw

    stop, mean = np.asarray(blocking, dtype=float), np.asarray(mtbf, dtype=float)
    return np.asarray(mean * (1.0 + np.real(lambertw(-np.exp(-1.0 - stop / mean)))))
