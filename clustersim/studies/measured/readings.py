"""Rows that are read otherwise than they are printed: the catalog's `measured/readings.yaml`, which says why."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from clustersim.inputs.catalog import plain_document
from clustersim.studies.measured.csv_cells import CsvRow, text


def as_read(row: CsvRow, notes: list[str]) -> CsvRow:
    """The row with the cells that its reading changes; what was changed goes to the notes."""
    for reading in _readings():
        where, starts = reading["where"], reading.get("starts", {})
        same = all(text(row, column) == str(cell) for column, cell in where.items())
        if same and all(text(row, column).startswith(words) for column, words in starts.items()):
            row = {**row, **reading["cells"]}
            changed = ", ".join(f"{column} {cell}" for column, cell in reading["cells"].items())
            notes.append(f"read as {changed}: {reading['because']}")
    return row


@lru_cache(maxsize=1)
def _readings() -> tuple[Mapping[str, Any], ...]:
    return tuple(plain_document("measured", "readings")["readings"])
