"""Robust least squares for a handful of parameters that have priors, around a linear model that is made anew.

Predictions are costly and nearly linear in the parameters, so they are linearised (finite differences), the small
problem is solved to the end, and the model is made again there. Source of the loss: Huber 1964; soft-l1 form as in
SciPy's least_squares. Gauss-Newton: Nocedal and Wright 2006, Numerical Optimization, section 10.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clustersim.engines.graph import Floats

Predict = Callable[[Sequence[Floats]], Floats]  # log seconds [points, rows] at some points

SMALLEST_SPREAD = 0.015  # of residuals: measurements repeat no better than 1.5 %
MAD_TO_SD = 1.4826  # of a normal distribution
SETTLED = 0.02  # a fit ends when no parameter moves by more than this share of its prior's spread
SHARED = 0.3  # correlation of residuals within a group: rows of one group share an error of the model


@dataclass(frozen=True)
class FitPriors:
    """What is known before any row is seen: starts and bounds on the fitted scales, priors around the starts."""

    start: Floats  # [parameters]
    prior: Floats  # [parameters] the prior's centre
    prior_spread: Floats  # [parameters] one sd
    low: Floats
    high: Floats
    steps: Floats  # of finite differences


@dataclass(frozen=True)
class LinearModel:
    """log seconds [rows] near `at`: `there` + `slopes` (x - at)."""

    at: Floats
    there: Floats
    slopes: Floats  # [rows, parameters]

    def predict(self, inner: Floats) -> Floats:
        """log seconds at other parameters."""
        return self.there + self.slopes @ (inner - self.at)


@dataclass(frozen=True)
class Fit:
    """Fitted parameters on their inner scales, with what the rows say about their uncertainty."""

    inner: Floats
    covariance: Floats
    spread: float  # of the residuals, robust
    model: LinearModel


def linearised(predict: Predict, at: Floats, problem: FitPriors) -> LinearModel:
    """The linear model at a point, by one-sided differences towards the inside of the bounds."""
    signed = np.where(at + problem.steps <= problem.high, problem.steps, -problem.steps)
    there, *moved = predict([at, *(at + np.diag(signed))])
    slopes = [(seconds - there) / step for seconds, step in zip(moved, signed, strict=True)]
    return LinearModel(at, there, np.array(slopes).T.reshape(len(there), len(at)))


def fit(predict: Predict, measured: Floats, weights: Floats, problem: FitPriors, rounds: int = 4) -> Fit:
    """Fit log seconds to measured ones, each row of its weight: linearise, solve, again, until parameters settle."""
    at = np.clip(problem.start, problem.low, problem.high)
    for _ in range(rounds):
        model = linearised(predict, at, problem)
        solved = solve(model, measured, weights, problem)
        moved = np.abs(solved.inner - at) / problem.prior_spread
        at = solved.inner
        if moved.max(initial=0.0) < SETTLED:
            break
    return solved


def solve(model: LinearModel, measured: Floats, weights: Floats, problem: FitPriors) -> Fit:
    """The fit of a linear model, the spread of residuals estimated along with it."""
    from scipy.optimize import least_squares

    weight = np.sqrt(weights)
    inner = np.clip(model.at, problem.low, problem.high)
    spread = robust_spread(measured - model.predict(inner), weights)
    for _ in range(3):

        def weighted(x: Floats, scale: float = spread) -> Floats:
            of_rows = weight * soft((measured - model.predict(x)) / scale)
            return np.concatenate([of_rows, (x - problem.prior) / problem.prior_spread])

        wide = (problem.low - 1e-12, problem.high + 1e-12)  # a start on a bound must lie inside
        inner = np.clip(least_squares(weighted, inner, bounds=wide).x, problem.low, problem.high)
        spread = robust_spread(measured - model.predict(inner), weights)
    return Fit(inner, _covariance(model, inner, measured, weight, spread, problem), spread, model)


def soft(deviations: Floats) -> Floats:
    """What to square for a soft-l1 loss, 2 (sqrt(1 + z^2) - 1): z itself when small, sqrt(2 |z|) when large."""
    return np.sign(deviations) * np.sqrt(2.0 * (np.sqrt(1.0 + deviations**2) - 1.0))


def robust_spread(residuals: Floats, weights: Floats) -> float:
    """Standard deviation from the median absolute residual, which outliers don't move; never below what repeats."""
    if not len(residuals):
        return SMALLEST_SPREAD
    order = np.argsort(np.abs(residuals))
    reached = np.cumsum(weights[order])
    middle = order[int(np.searchsorted(reached, 0.5 * reached[-1]))]
    return max(SMALLEST_SPREAD, MAD_TO_SD * float(abs(residuals[middle])))


def row_weights(groups: Sequence[str], sources: Sequence[str] | None = None) -> Floats:
    """How much each row counts: n rows of a group that share an error count as n / (1 + (n - 1) rho) rows.

    Of several sources each counts so again: its groups share the error of a site and a build.
    Source: Kish 1965, Survey Sampling, section 5.4 (design effect).
    """
    weights = _shared(groups, np.ones(len(groups)))
    if sources is None or len(set(sources)) < 2:
        return weights
    return weights * _shared(sources, weights)


def _shared(names: Sequence[str], weights: Floats) -> Floats:
    """1 / (1 + (n - 1) rho) of every row, where the weights of its name add up to n."""
    _, which = np.unique(np.array(names, dtype=object), return_inverse=True)
    together = np.bincount(which, weights)[which] if len(names) else np.zeros(0)
    return np.asarray(1.0 / (1.0 + np.maximum(0.0, together - 1.0) * SHARED), dtype=np.float64)


def _covariance(
    model: LinearModel, inner: Floats, measured: Floats, weight: Floats, spread: float, problem: FitPriors
) -> Floats:
    """Inverse of the curvature, the loss's own weights included; a parameter at its bound keeps its prior's share."""
    deviations = (measured - model.predict(inner)) / spread
    robust = 1.0 / np.sqrt(1.0 + deviations**2)
    scaled = model.slopes * (weight * np.sqrt(robust) / spread)[:, np.newaxis]
    information = scaled.T @ scaled + np.diag(problem.prior_spread**-2.0)
    return np.asarray(np.linalg.inv(information))
