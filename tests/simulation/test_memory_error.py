"""How likely a layout fits: the error of predicted peaks, and what it makes of a budget."""

from __future__ import annotations

import pytest

from clustersim.simulation.memory.error import (
    fit_probability,
    largest_peak,
    memory_evidence,
    memory_spread,
    peak_interval,
)
from clustersim.simulation.results import MemoryReport

GIB = 2.0**30


def report(held: float, usable: float = 80.0, spread: float = 0.05) -> MemoryReport:
    return MemoryReport(("activations",), [[held * GIB]], usable * GIB, spread)


def test_a_peak_as_large_as_the_budget_fits_as_likely_as_not() -> None:
    assert fit_probability(80.0, 80.0, 0.05) == pytest.approx(0.5)
    assert report(80.0).fits
    assert not report(80.1).fits
    assert report(80.1).fit_probability < 0.5


def test_less_error_is_more_certain_either_way() -> None:
    assert fit_probability(70.0, 80.0, 0.02) > fit_probability(70.0, 80.0, 0.2) > 0.5
    assert fit_probability(90.0, 80.0, 0.02) < fit_probability(90.0, 80.0, 0.2) < 0.5


def test_the_largest_peak_fits_just_so_likely() -> None:
    most = largest_peak(80.0, 0.07, 0.9)
    assert fit_probability(most, 80.0, 0.07) == pytest.approx(0.9)


def test_the_interval_holds_four_fifths() -> None:
    low, high = peak_interval(70.0, 0.05)
    shares = [fit_probability(70.0, bound, 0.05) for bound in (low, high)]
    assert shares == pytest.approx([0.1, 0.9])


def test_below_five_per_cent_it_is_hopeless() -> None:
    assert report(80.0 * 1.2).hopeless
    assert not report(80.0 * 1.05).hopeless
    assert not report(80.0 * 1.05).fits


def test_software_without_measured_peaks_is_as_uncertain_as_all() -> None:
    assert memory_spread("nobody's", experts=False) == memory_evidence().any
    assert memory_evidence().rows > 100
