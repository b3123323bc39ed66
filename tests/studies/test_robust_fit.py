"""The fit on linear models, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from clustersim.studies.robust_fit import SHARED, FitPriors, Floats, fit, robust_spread, row_weights, soft

RNG = np.random.default_rng(5)
SLOPES = RNG.normal(size=(120, 3))
TRUTH = np.array([0.4, -0.2, 0.1])


def problem(spread: float = 1.0, high: float = 5.0) -> FitPriors:
    zero = np.zeros(3)
    return FitPriors(zero, zero, np.full(3, spread), np.full(3, -5.0), np.full(3, high), np.full(3, 1e-3))


def alike() -> Floats:
    return np.ones(len(SLOPES))


def test_known_parameters_are_recovered_within_their_uncertainty() -> None:
    measured = SLOPES @ TRUTH + RNG.normal(scale=0.03, size=len(SLOPES))
    found = fit(lambda points: np.array([SLOPES @ x for x in points]), measured, alike(), problem())
    deviations = np.sqrt(np.diag(found.covariance))
    assert (np.abs(found.inner - TRUTH) < 3 * deviations).all()
    assert (deviations < 0.01).all()
    assert found.spread == pytest.approx(0.03, rel=0.3)


def test_outliers_hardly_move_the_fit() -> None:
    measured = SLOPES @ TRUTH + RNG.normal(scale=0.03, size=len(SLOPES))
    measured[:10] += 1.0
    found = fit(lambda points: np.array([SLOPES @ x for x in points]), measured, alike(), problem())
    assert np.abs(found.inner - TRUTH).max() < 0.04
    least_squares = np.linalg.lstsq(SLOPES, measured, rcond=None)[0]
    assert np.abs(least_squares - TRUTH).max() > 2 * np.abs(found.inner - TRUTH).max()


def test_what_rows_do_not_tell_stays_at_the_prior() -> None:
    silent = SLOPES.copy()
    silent[:, 2] = 0.0
    found = fit(lambda points: np.array([silent @ x for x in points]), silent @ TRUTH, alike(), problem(spread=0.7))
    assert found.inner[2] == pytest.approx(0.0, abs=1e-6)
    assert np.sqrt(found.covariance[2, 2]) == pytest.approx(0.7, rel=1e-3)


def test_bounds_hold() -> None:
    found = fit(lambda points: np.array([SLOPES @ x for x in points]), SLOPES @ TRUTH, alike(), problem(high=0.25))
    assert found.inner[0] == pytest.approx(0.25)


def test_rows_of_a_group_count_as_less_than_their_number() -> None:
    weights = row_weights(["a", "a", "a", "b"])
    assert weights.tolist() == pytest.approx([1 / (1 + 2 * SHARED)] * 3 + [1.0])
    assert row_weights(["a", "a", "a", "b"], ["x"] * 4).tolist() == weights.tolist()


def test_sources_count_as_less_than_their_groups() -> None:
    """A site and a build err alike: the second group of a source tells less than the first of another."""
    weights = row_weights(["a", "b", "c"], ["x", "x", "y"])
    assert weights.tolist() == pytest.approx([1 / (1 + SHARED)] * 2 + [1.0])


def test_the_spread_is_the_median_by_weight() -> None:
    assert robust_spread(np.array([0.1, 0.1, 0.1, 0.5]), np.array([0.1, 0.1, 0.1, 1.0])) == pytest.approx(0.5 * 1.4826)
    assert robust_spread(np.array([0.1, -0.1, 0.1, 0.5]), np.ones(4)) == pytest.approx(0.1 * 1.4826)


def test_the_loss_is_quadratic_when_small_and_grows_like_a_root() -> None:
    assert soft(np.array([1e-4]))[0] == pytest.approx(1e-4, rel=1e-6)
    assert soft(np.array([-1e6]))[0] == pytest.approx(-np.sqrt(2e6), rel=1e-3)
