"""The accuracy page and the residual plots, on a few rows."""

from __future__ import annotations

import math
from dataclasses import replace
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from clustersim.studies.kernels.accuracy import KernelErrors, KernelReport
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.validation.accuracy import accuracy_checks
from clustersim.studies.validation.validation import ValidationReport, packaged_rows, validate_row
from clustersim.views.accuracy_page import accuracy_page, write_accuracy_page
from clustersim.views.residuals import INPUTS, LIMIT, draw_residuals
from clustersim.views.validation_table import validation_view


@pytest.fixture(scope="module")
def report() -> ValidationReport:
    rows = [row for row in read_rows(packaged_rows()) if row["source"].startswith("korthikanti")]
    rows.append(rows[0] | {"id": "bad", "layers": "many"})
    return ValidationReport("rows", tuple(validate_row(row) for row in rows))


def test_the_page_says_errors_baseline_order_peers_and_weaknesses(report: ValidationReport) -> None:
    page = accuracy_page(report)
    for words in (
        "## By stack",
        "| megatron-lm-2022 | 4 |",
        "## A source never seen",
        "Calculon",
        "## Where clustersim is weak",
    ):
        assert words in page
    for line in page.splitlines():
        assert line.count("|") != 1, "every line of a table is whole"


def test_kernels_stand_on_the_page_and_in_the_terminal_s_table(report: ValidationReport) -> None:
    products = KernelErrors("a100-sxm-80gb", "vidur", 576, 0.065, -0.001, 0.066, 0.138, 0.067)
    collectives = KernelErrors("dgx-a100-80gb, 8 ranks", "", 30, 0.069, 0.0, None, 0.089, None)
    told = replace(report, kernels=KernelReport((products,), (collectives,), 10))
    page = accuracy_page(told)
    assert "| a100-sxm-80gb | vidur | 576 | 6.5 % | -0.1 % | 6.6 % | 13.8 % | 6.7 % |" in page
    assert "| dgx-a100-80gb, 8 ranks | 30 | 6.9 % | +0.0 % | 8.9 % |" in page
    assert "10 collectives printed under H200" in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    for line, below in pairwise(tables):
        if set(below) <= set("| -:"):
            assert line.count("|") == below.count("|"), "a head has the columns of its table"
    shown = StringIO()
    Console(file=shown, width=132).print(validation_view(told))
    words = shown.getvalue()
    assert "a100-sxm-80gb" in words
    assert "13.8 %" in words


def test_the_page_has_its_figures_beside_it(report: ValidationReport, tmp_path: Path) -> None:
    write_accuracy_page(report, tmp_path / "accuracy.md")
    assert {path.name for path in tmp_path.iterdir()} == {
        "accuracy.md", "accuracy_parity.png", "accuracy_residuals.png",
    }  # fmt: skip


def test_residuals_are_drawn_against_every_input(report: ValidationReport) -> None:
    figure = draw_residuals(report)
    assert [axes.get_xlabel() for axes in figure.axes] == list(INPUTS.values())
    tensor = figure.axes[list(INPUTS).index("tp")]
    drawn = [error for line in tensor.lines[1:-1] for error in line.get_ydata()]
    errors = [100 * row.error for row in report.rows if row.error is not None]
    edges = [math.copysign(0.97 * LIMIT, error) if abs(error) > LIMIT else error for error in errors]
    assert sorted(drawn) == pytest.approx(sorted(edges)), "what lies beyond the axis is an arrow at its edge"
    assert f"Errors of {len(errors)} rows" in figure.get_suptitle()


def test_sources_never_seen_are_counted_from_the_packaged_residuals(report: ValidationReport) -> None:
    unseen = accuracy_checks(report).unseen
    assert unseen["vtrain"].rows == 430
    assert all(told.mean_absolute >= abs(told.bias) for told in unseen.values())
