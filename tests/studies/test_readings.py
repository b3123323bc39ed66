"""Rows that are read otherwise than they are printed: which, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.inputs.catalog import plain_document
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.measured.readings import as_read
from clustersim.studies.validation.validation import packaged_tables

READINGS: list[dict[str, Any]] = plain_document("measured", "readings")["readings"]
ROW = {"source": "torchtitan", "precision": "fp8", "id": "titan-atp70-21", "fp8_recipe": ""}


def test_a_row_that_a_reading_fits_is_read_with_its_cells_and_says_why() -> None:
    notes: list[str] = []
    assert as_read(ROW, notes) == ROW | {"fp8_recipe": "rowwise"}
    (note,) = notes
    assert note.startswith("read as fp8_recipe rowwise: the third table")


@pytest.mark.parametrize(
    "change",
    [{"id": "titan-atp70-11"}, {"id": "a-titan-atp70-21"}, {"fp8_recipe": "blockwise"}, {"source": "mine"}],
)
def test_its_neighbours_are_read_as_they_stand(change: dict[str, str]) -> None:
    notes: list[str] = []
    assert as_read(ROW | change, notes) == ROW | change
    assert not notes


@pytest.mark.parametrize("number", range(len(READINGS)))
def test_every_reading_fits_packaged_rows_and_is_reasoned(number: int) -> None:
    reading = READINGS[number]
    reason = f": {reading['because']}"
    rows = [row for table in packaged_tables() for row in read_rows(table)]
    fitting = [notes for row in rows if (notes := _notes(row)) and any(note.endswith(reason) for note in notes)]
    assert fitting
    assert any(word in reading["because"] for word in ("recalled", "inferred"))


def _notes(row: Any) -> list[str]:
    notes: list[str] = []
    as_read(row, notes)
    return notes
