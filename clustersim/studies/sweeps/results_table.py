"""Cells of results as CSV that spreadsheets show and never run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from clustersim.simulation.result_row import Cell

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for the beginning of a formula
QUOTE = "'"  # before it: the cell is text


def cell_of(value: Any) -> Cell:
    """A value of an axis as a cell; mappings and lists as JSON."""
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, separators=(",", ":"))
    return value if isinstance(value, (str, float, int, bool)) else None


def line_of(cells: Sequence[Cell]) -> str:
    """One line: floats in the shortest form that reads back equal, an empty cell for what isn't known."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_shown(cell) for cell in cells])
    return text.getvalue()


def _shown(cell: Cell) -> Cell:
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"{QUOTE}{cell}" if isinstance(cell, str) and _starts_formula(cell) else cell


def unquoted(cell: str) -> str:
    """A cell as it was before it was written."""
    return cell[1:] if cell.startswith(QUOTE) and _starts_formula(cell[1:]) else cell


def _starts_formula(cell: str) -> bool:
    if not cell.startswith(FORMULA):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False
