"""A table of kernels that grows row by row: what is measured is kept, whatever ends the measuring."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from clustersim.errors import InputError, Problem
from clustersim.inputs.files import UnreadableError, read_csv

COLUMNS = ("source_key", "locator", "chip", "op", "shape_or_bytes", "n_devices", "n_nodes", "dtype", "value", "unit")
WHICH = ("chip", "op", "shape_or_bytes", "n_devices", "n_nodes", "dtype")  # columns that say what was measured
MAX_BYTES, MAX_CELLS = 20_000_000, 1_000_000

KernelRow = Mapping[str, str]


def read_table(path: str | Path) -> list[KernelRow]:
    """All rows of a table of kernels.

    Raises InputError where the file can't be read or lacks columns, all of which it names.
    """
    try:
        columns, rows = read_csv(path, most_bytes=MAX_BYTES, most_cells=MAX_CELLS)
    except UnreadableError as error:
        raise InputError(str(path), [Problem(str(error))]) from None
    absent = [column for column in COLUMNS if column not in columns]
    if absent:
        raise InputError(str(path), [Problem("this column is required", key=column, line=1) for column in absent])
    return list(rows)


class KernelTable:
    """The file. Rows that it holds already are kept, a torn last line is not; every row is on disk once added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept = [row for row in read_table(path) if row["unit"] and row["value"]] if path.exists() else []
        self._known = {_which(row) for row in self.kept}
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(_lines([dict(zip(COLUMNS, COLUMNS, strict=True)), *self.kept]), encoding="utf-8")
        os.replace(draft, path)

    def holds(self, row: KernelRow) -> bool:
        """Whether the same was measured before."""
        return _which(row) in self._known

    def add(self, row: KernelRow) -> None:
        """Write a row to the end."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_lines([row]))
            file.flush()
            os.fsync(file.fileno())


def _which(row: KernelRow) -> tuple[str, ...]:
    return tuple(row[column] for column in WHICH)


def _lines(rows: Sequence[KernelRow]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writerows(rows)
    return text.getvalue()
