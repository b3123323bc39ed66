"""Intervals around a prediction, from the residuals that a stack carries."""

from __future__ import annotations

import math

from clustersim.inputs.stack import Residual
from clustersim.simulation.results import Interval

QUANTILES = {"80": 1.2815515655446004, "95": 1.959963984540054}  # of the normal distribution, two-sided


def interval(value: float, residual: Residual, power: float = 1.0) -> dict[str, Interval]:
    """80 % and 95 % intervals of a figure that goes as the `power` of the step time, log-normal around it.

    The residual is that of log(measured / predicted) step time; throughput and MFU go as its power -1.
    """
    return {
        level: (
            value * math.exp(-abs(power) * quantile * residual.spread),
            value * math.exp(abs(power) * quantile * residual.spread),
        )
        for level, quantile in QUANTILES.items()
    }
