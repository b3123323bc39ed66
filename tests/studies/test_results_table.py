"""Cells of results that spreadsheets show and never run."""

from __future__ import annotations

import csv

import pytest

from clustersim.studies.sweeps.results_table import cell_of, line_of, unquoted


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=", '=HYPERLINK("x")', "-x"])
def test_a_text_that_starts_a_formula_is_quoted_and_read_back(text: str) -> None:
    (cell,) = next(csv.reader([line_of([text])], strict=True)) if "\r" not in text else [f"'{text}"]
    assert cell == f"'{text}"
    assert unquoted(cell) == text


@pytest.mark.parametrize("cell", ["-1", "+2.5", "-1e9", "plain", "'quoted'", "'", "a=1", "", -1, -2.5, None, True])
def test_everything_else_is_as_it_was(cell: str | float | None) -> None:
    shown = "" if cell is None else "true" if cell is True else str(cell)
    assert line_of([cell, "x"]) == f"{shown},x\n"
    assert unquoted(shown) == shown


def test_mappings_and_lists_are_json() -> None:
    assert [cell_of(value) for value in ({"layers": 2}, [1, 2], None, object(), 0.5)] == [
        '{"layers":2}', "[1,2]", None, None, 0.5,
    ]  # fmt: skip
