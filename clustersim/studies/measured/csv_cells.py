"""The cells of a table of measured runs: read from CSV, empty or a number of the right kind."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from clustersim.errors import InputError, Problem
from clustersim.inputs.base import LEAST_NUMBER, MOST_NUMBER
from clustersim.inputs.files import UnreadableError, read_csv
from clustersim.inputs.units import shown

CsvRow = Mapping[str, str]

MAX_BYTES, MAX_CELLS = 20_000_000, 2_000_000  # some ten thousand rows
LONGEST_NUMBER = 18  # digits of a whole number
NOT_STATED = ("-", "\N{EN DASH}", "\N{EM DASH}", "?", "n/a", "na", "null", "unknown", "not stated")
FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")

REQUIRED = ("id", "accelerator", "seq_len", "global_batch_seqs", "n_devices")


def read_rows(path: str | Path, required: Collection[str] = REQUIRED) -> list[CsvRow]:
    """All rows of a CSV file.

    Raises InputError when the file can't be read or lacks a column that nothing can stand in for.
    """
    try:
        columns, rows = read_csv(path, most_bytes=MAX_BYTES, most_cells=MAX_CELLS)
    except UnreadableError as error:
        raise InputError(str(path), [Problem(str(error))]) from error
    absent = [column for column in required if column not in columns]
    if absent:
        raise InputError(str(path), [Problem("this column is required", key=column, line=1) for column in absent])
    return list(rows)


def text(row: CsvRow, column: str) -> str:
    """A cell without the blanks around it; empty where the row or the file lacks it, or says that it doesn't know."""
    cell = (row.get(column) or "").strip()
    return "" if cell.lower() in NOT_STATED else cell


def number(row: CsvRow, column: str) -> float | None:
    """A cell's number, None if it is empty. Raises InputError for what is no number, infinite or negative."""
    cell = text(row, column)
    if not cell:
        return None
    try:
        value = float(cell.replace(",", "") if THOUSANDS.fullmatch(cell) else cell)
    except ValueError:
        raise problem(row, column, f"{shown(cell)} is not a number") from None
    if not (math.isfinite(value) and value >= 0):
        raise problem(row, column, f"{shown(cell)} is not a finite number of 0 or more")
    if value and not LEAST_NUMBER <= value <= MOST_NUMBER:
        raise problem(row, column, f"{shown(cell)} is neither 0 nor from {LEAST_NUMBER:g} to {MOST_NUMBER:g}")
    return value


def whole(row: CsvRow, column: str) -> int | None:
    """A cell's whole number, None if it is empty. Raises InputError for anything else."""
    value = number(row, column)
    if value is not None and value != int(value):
        raise problem(row, column, f"{shown(text(row, column))} is not a whole number")
    return None if value is None else int(value)


def flag(row: CsvRow, column: str) -> bool | None:
    """A cell's 0 or 1 (or yes and no), None if it is empty. Raises InputError for anything else."""
    cell = text(row, column).lower()
    if not cell:
        return None
    if cell in FLAGS:
        return FLAGS[cell]
    value = whole(row, column)
    if value not in (0, 1):
        raise problem(row, column, f"{shown(text(row, column))} is neither 0 nor 1")
    return bool(value)


def whole_list(row: CsvRow, column: str) -> list[int]:
    """A cell's whole numbers between bars, `2|3|3|2`. Raises InputError for anything else."""
    cells = [cell.strip() for cell in text(row, column).split("|") if cell.strip()]
    if not all(cell.isdecimal() and len(cell) <= LONGEST_NUMBER for cell in cells):
        raise problem(row, column, f"{shown(text(row, column))} is not a list of whole numbers such as 2|3|3|2")
    return [int(cell) for cell in cells]


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """What isn't None."""
    return {key: value for key, value in values.items() if value is not None}


def problem(row: CsvRow, column: str, message: str) -> InputError:
    """What is wrong with a cell."""
    return InputError(text(row, "id") or "row", [Problem(message, key=column)])
