"""Reading a sweep's table back, as it is drawn and shown."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from clustersim.errors import InputError, Problem
from clustersim.inputs.load import config_names
from clustersim.studies.sweeps.result_columns import COLUMNS
from clustersim.studies.sweeps.results_table import unquoted
from clustersim.views.columns import Cell

TABLE = "results.csv"


def read_table(path: Path) -> tuple[Path, list[dict[str, Cell]], tuple[str, ...]]:
    """The file, its rows and the columns that varied (those before the first that every sweep has).

    `path` is a sweep's folder, its name in ./results or any CSV file with a header. Raises InputError without one.
    """
    folder = path if path.exists() else Path("results") / path
    file = folder / TABLE if folder.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        raise InputError(str(path), [Problem(f"{file}: {reason}{_remedy(path)}", "RESULTS")]) from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    rows: list[dict[str, Cell]] = [{key: unquoted(value or "") for key, value in row.items() if key} for row in reader]
    if not rows:
        raise InputError(str(path), [Problem(f"{file} holds no rows", "RESULTS")])
    names = list(rows[0])
    fixed = [name for name in COLUMNS if name in names]
    keys = [name for name in names if name != "point" and name not in COLUMNS]
    first = names.index(fixed[0]) if fixed else len(names)
    merged = [name for name in names[:first] if name != "point" and name not in keys]
    return file, rows, tuple(dict.fromkeys((*keys, *merged)))


def _remedy(path: Path) -> str:
    """How to come by results that aren't there."""
    if path.exists():
        return ""
    name = path.parent.name if path.name == TABLE else path.name
    if name in config_names("sweeps"):
        return f". `clustersim sweep {name}` makes it"
    return ". Give the folder or the results.csv of a sweep"
