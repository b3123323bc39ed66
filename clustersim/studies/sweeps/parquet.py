"""Results as a Parquet file, for data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clustersim.errors import MissingExtraError


def write_parquet(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as one Parquet table, columns in order. Raises MissingExtraError without the package pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet") from error
    cells = {column: [row.get(column) for row in rows] for column in columns}
    parquet.write_table(pyarrow.table({column: _uniform(values) for column, values in cells.items()}), path)
    return path


def _uniform(values: list[Any]) -> list[Any]:
    """A column of one type: numbers beside words become words."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) <= 1:
        return [float(value) if kinds == {int, float} and value is not None else value for value in values]
    return [None if value is None else str(value) for value in values]
