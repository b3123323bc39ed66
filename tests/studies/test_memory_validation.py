"""Memory against what was published, each source within its own tolerance."""

from __future__ import annotations

import pytest

from clustersim.studies.measured.csv_cells import read_rows, text
from clustersim.studies.validation.memory import MemoryRow, packaged_memory, summarize_memory, validate_memory
from clustersim.studies.validation.validation import packaged_rows

TOLERANCES = {  # of every row; the first mark that its quantity or source holds
    "parameters + gradients + optimizer": 0.03,
    "activations": 0.05,
    "simumax": 0.04,
    "zero-bubble": 0.08,
}


@pytest.fixture(scope="module")
def rows() -> tuple[MemoryRow, ...]:
    return validate_memory({text(row, "id"): row for row in read_rows(packaged_rows())})


def tolerance(row: MemoryRow) -> float:
    return next(share for mark, share in TOLERANCES.items() if mark in row.quantity or mark in row.source)


@pytest.mark.slow
def test_every_published_figure_is_met(rows: tuple[MemoryRow, ...]) -> None:
    far = {row.id: round(row.error, 3) for row in rows if abs(row.error) > tolerance(row)}
    assert not far
    assert len(rows) == 100


@pytest.mark.slow
def test_activations_are_the_papers_equations(rows: tuple[MemoryRow, ...]) -> None:
    """Korthikanti et al. 2022, equations 2 and 4, with the pipeline factor of section 4.2.3: exact."""
    for row in rows:
        if row.quantity == "activations (first stage)":
            assert row.predicted == pytest.approx(row.published, rel=1e-6)


def test_summaries_name_the_worst_row_and_its_sign() -> None:
    made = tuple(MemoryRow(str(size), "here", "peak", 100.0, size) for size in (101.0, 95.0, 103.0))
    (summary,) = summarize_memory(made)
    assert (summary.rows, summary.worst) == (3, pytest.approx(-0.05))
    assert summary.mean_absolute == pytest.approx(0.03)
    assert summary.bias == pytest.approx(-0.01 / 3)


def test_published_figures_have_a_source() -> None:
    assert all(text(row, "source") and text(row, "value") for row in read_rows(packaged_memory(), ("id", "source")))
