"""Reading a sweep's table back, as it is drawn and shown."""

from __future__ import annotations

from pathlib import Path

from clustersim.errors import InputError, Problem
from clustersim.inputs.files import UnreadableError, read_csv
from clustersim.inputs.load import config_names
from clustersim.studies.sweeps.result_columns import COLUMNS
from clustersim.studies.sweeps.results_table import unquoted
from clustersim.views.columns import Cell

TABLE = "results.csv"
MAX_BYTES, MAX_CELLS = 200_000_000, 8_000_000  # of some hundred thousand points, all of them in memory


def read_table(path: Path) -> tuple[Path, list[dict[str, Cell]], tuple[str, ...]]:
    """The file, its rows and the columns that varied (those before the first that every sweep has).

    `path` is a sweep's folder, its name in ./results or any CSV file with a header. Raises InputError without one.
    """
    folder = path if path.exists() else Path("results") / path
    file = folder / TABLE if folder.is_dir() else path
    try:
        _, read = read_csv(file, most_bytes=MAX_BYTES, most_cells=MAX_CELLS)
    except UnreadableError as error:
        raise InputError(str(path), [Problem(f"{file}: {error}{_remedy(path)}", "RESULTS")]) from None
    rows: list[dict[str, Cell]] = [{key: unquoted(cell) for key, cell in row.items() if key} for row in read]
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
