"""What leaving the evidence adds: chips, kinds and large runs held out whole."""

from __future__ import annotations

import pytest

from clustersim.studies.calibration.extrapolation import Departure, departures, widening
from clustersim.studies.calibration.held_out import left_out
from clustersim.studies.calibration.stack_fits import FamilyFit
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.validation.validation import packaged_rows


def test_spreads_grow_by_the_mean_excess_in_quadrature() -> None:
    far = Departure("a", "chip", 9, spread=0.13, spread_near=0.12)
    same = Departure("b", "chip", 9, spread=0.12, spread_near=0.12)
    assert widening([far]) == pytest.approx(0.05)
    assert widening([far, same]) == pytest.approx(0.05 / 2**0.5)
    assert widening([Departure("c", "chip", 9, spread=0.1, spread_near=0.2)]) == 0.0
    assert widening([]) == 0.0


def test_an_excess_is_counted_by_the_doubling() -> None:
    near = Departure("a", "512 devices", 9, spread=0.13, spread_near=0.12)
    assert widening([Departure(*list(vars(near).values())[:-1], steps=2.0)]) == pytest.approx(widening([near]) / 2.0)


@pytest.mark.slow
def test_kinds_are_predicted_by_the_stacks_other_runs() -> None:
    rows = [row for row in read_rows(packaged_rows()) if row["source"].startswith("zero-bubble")]
    fits = FamilyFit(rows)
    fits.run()
    found = departures(fits, left_out(fits))
    assert found["another_chip"] == []  # all on one
    assert [(each.what, each.rows) for each in found["another_kind"]] == [("passes over weights apart", 18)]
    (largest,) = found["a_doubling"]
    assert largest.what == "32 devices"
    assert largest.rows == 24
    assert 1.0 <= largest.steps <= 2.0  # 16 and 32 devices, where 8 are kept
    assert all(each.spread < 0.2 for each in (*found["another_kind"], largest))
