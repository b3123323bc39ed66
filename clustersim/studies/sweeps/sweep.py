"""Sweeps: many points of a scenario, simulated once each, kept in a journal, written as one table.

The results' folder holds `sweep.yaml` (what was asked for, whole), `journal.jsonl` (every finished point, in no order)
and `results.csv` (all points in order: the same bytes whatever the number of workers).
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clustersim.errors import WorkersLostError
from clustersim.inputs.load import Source
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.sweep import FigureSpec
from clustersim.studies.sweeps.journal import Journal, read_journal
from clustersim.studies.sweeps.points import PlaySettings, SweepPoint, batches_of, resolve_points, simulate_points
from clustersim.studies.sweeps.result_columns import COLUMNS, Cell, Refusals, ResultRow, refusals
from clustersim.studies.sweeps.sweep_file import read_sweep, written
from clustersim.studies.workers import run_chunks

Progress = Callable[[int, int], None]

JOURNAL, TABLE, REQUEST_FILE = "journal.jsonl", "results.csv", "sweep.yaml"


@dataclass(frozen=True)
class SweepResult:
    """All points of a sweep in order, and where they are kept."""

    name: str
    folder: Path
    keys: tuple[str, ...]  # what varied
    columns: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    figures: tuple[FigureSpec, ...]
    reused: int  # points that the journal already held

    def count(self, status: str) -> int:
        """How many points ended so: done, infeasible or failed."""
        return sum(row["status"] == status for row in self.rows)

    @property
    def refusals(self) -> tuple[Refusals, ...]:
        """Why points are not done, the commonest reason first."""
        return refusals(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim sweep --json` prints."""
        counts = {status: self.count(status) for status in ("done", "infeasible", "failed")}
        reasons = [{"points": each.points, "reason": each.reason} for each in self.refusals]
        return {
            "points": len(self.rows),
            **counts,
            "reasons": reasons,
            "reused": self.reused,
            "results": str(self.folder),
        }


def run_sweep(
    source: Source,
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    executor: Executor | None = None,
    workers: int | None = None,
    output: str | Path | None = None,
    resume: bool = True,
    engine: str = "auto",
    intervals: bool = True,
    progress: Progress | None = None,
) -> SweepResult:
    """Simulate every point of a sweep file, of a name in configs/sweeps, or of a scenario with `overrides` to vary.

    `overrides` are axes: `{"cluster.nodes": [16, 32]}` or `["cluster.nodes=16,32", "layout.micro_batch=1..8"]`. Results
    go to `output`, by default results/<name>; what its journal holds is not computed again unless `resume` is False.
    Points go to `executor`, or to `workers` processes. Raises InputError for mistakes in keys or values; a point that
    cannot run is a row that says why.
    """
    sweep, base = read_sweep(source, overrides)
    settings = PlaySettings(engine, intervals)
    points = resolve_points(sweep, base, settings)
    folder = Path("results") / sweep.name if output is None else Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / REQUEST_FILE, written(sweep, base, settings))
    tell = progress or (lambda done, total: None)
    kept = f"what was finished is kept in {folder}: the same command goes on from there"
    try:
        finished, reused = _finish(points, settings, folder / JOURNAL, resume, workers, executor, tell)
    except WorkersLostError as error:
        raise WorkersLostError(f"{error}; {kept}") from error
    except KeyboardInterrupt as error:
        error.add_note(kept)
        raise
    columns = ("point", *sweep.keys, *(name for name in COLUMNS if name not in sweep.keys))
    rows = tuple(_row(number, point, finished) for number, point in enumerate(points))
    _write(folder / TABLE, table(columns, rows))
    return SweepResult(sweep.name, folder, sweep.keys, columns, rows, sweep.figures, reused)


def _finish(
    points: Sequence[SweepPoint],
    settings: PlaySettings,
    path: Path,
    resume: bool,
    workers: int | None,
    executor: Executor | None,
    tell: Progress,
) -> tuple[dict[str, ResultRow], int]:
    """The row of every point that has a scenario, by key, and how many were in the journal."""
    wanted = {point.key: point.scenario for point in points if point.scenario is not None}
    kept = read_journal(path) if resume else {}
    finished: dict[str, ResultRow] = {key: kept[key] for key in wanted if key in kept}
    reused = len(finished)
    batches = batches_of([(key, scenario) for key, scenario in wanted.items() if key not in finished])
    tell(len(finished), len(wanted))
    with Journal(path, fresh=not resume) as journal:
        for chunk, rows in run_chunks(batches, partial(_work, settings=settings), workers=workers, executor=executor):
            keys = [key for batch in chunk for key, _ in batch]
            fresh = dict(zip(keys, (row for batch in rows for row in batch), strict=True))
            journal.append(fresh)
            finished |= fresh
            tell(len(finished), len(wanted))
    return finished, reused


def _work(batches: list[list[tuple[str, Scenario]]], settings: PlaySettings) -> list[list[ResultRow]]:
    return [simulate_points([scenario for _, scenario in batch], settings) for batch in batches]


def _row(number: int, point: SweepPoint, finished: Mapping[str, ResultRow]) -> ResultRow:
    """A point's results, with what varied as it was written."""
    result = point.refusal if point.refusal is not None else finished[point.key]
    return {"point": number} | result | {key: _cell(value) for key, value in point.values.items()}


def _cell(value: Any) -> Cell:
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, separators=(",", ":"))
    return value if isinstance(value, (str, float, int, bool)) else None


def table(columns: Sequence[str], rows: Iterable[ResultRow]) -> str:
    """Rows as CSV: floats in the shortest form that reads back equal, an empty cell for what isn't known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = [row.get(column) for column in columns]
        writer.writerow([str(cell).lower() if isinstance(cell, bool) else cell for cell in cells])
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    """Write a whole file or none of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
