"""Sweeps: many points of a scenario, simulated once each, kept in a journal, written as one table.

The results' folder holds `sweep.yaml` (what was asked for, whole), `journal.jsonl` (every finished point, in no order)
and `results.csv` (all points in order: the same bytes whatever the number of workers). Points and rows lie in files
while a sweep runs: memory holds some hundred bytes a point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from clustersim.answer import Answer
from clustersim.errors import WorkersLostError
from clustersim.inputs.amounts import counted
from clustersim.inputs.load import Source
from clustersim.inputs.sweep import FigureSpec
from clustersim.simulation.result_row import Cell, ResultRow
from clustersim.studies.progress import Progress
from clustersim.studies.sweeps.code_digest import code_digest
from clustersim.studies.sweeps.folder import JOURNAL, begin, finish, folder_for, only_writer
from clustersim.studies.sweeps.journal import Journal
from clustersim.studies.sweeps.points import PlaySettings, SweepPoints, play_batches, resolve_points
from clustersim.studies.sweeps.records import Records
from clustersim.studies.sweeps.result_columns import COLUMNS, Reasons, refusals
from clustersim.studies.sweeps.results_table import cell_of, line_of
from clustersim.studies.sweeps.sweep_file import read_sweep, written
from clustersim.studies.workers import run_chunks

Say = Callable[[str], None]


@dataclass(frozen=True, repr=False)
class SweepResult(Answer):
    """All points of a sweep in order, and where they are kept."""

    name: str
    folder: Path
    keys: tuple[str, ...]  # what varied
    columns: tuple[str, ...]
    rows: Sequence[ResultRow]
    figures: tuple[FigureSpec, ...]
    reused: int  # points that the journal already held

    def count(self, status: str) -> int:
        """How many points ended so: done, infeasible or failed."""
        return self._counts[status]

    @cached_property
    def _counts(self) -> Counter[str]:
        return Counter(str(row["status"]) for row in self.rows)

    @cached_property
    def refusals(self) -> tuple[Reasons, ...]:
        """Why points are not done, the commonest reason first."""
        return refusals(self.rows)

    def headline(self) -> tuple[str, dict[str, str]]:
        """Name, points and how they ended."""
        ended = {status: f"{self.count(status):,}" for status in ("done", "infeasible", "failed")}
        return f"{self.name}, {counted(len(self.rows), 'point')}", ended | {"results in": str(self.folder)}

    def table(self) -> list[dict[str, Cell]]:
        """The rows of `results.csv`, a point each, with all its columns."""
        return [{column: row.get(column) for column in self.columns} for row in self.rows]

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
    say: Say | None = None,
) -> SweepResult:
    """Simulate every point of a sweep file, of a name in configs/sweeps, or of a scenario with `overrides` to vary.

    `overrides` are axes: `{"cluster.nodes": [16, 32]}` or `["cluster.nodes=16,32", "layout.micro_batch=1..8"]`. Results
    go to `output`, by default results/<name> (or <name>_2, ... where another sweep's are). What its journal holds is
    not computed again unless it failed, or `resume` is False; `say` hears of that, and of keys under other words.
    Points go to `executor`, or to `workers` processes. Raises InputError for mistakes in keys or values; a point that
    cannot run is a row that says why.
    """
    asked = read_sweep(source, overrides)
    sweep, settings = asked.sweep, PlaySettings(engine, intervals)
    points = resolve_points(sweep, asked.base, settings)
    hear = say or (lambda remark: None)
    for note in points.key_notes:
        hear(note)
    request = written(asked, settings)
    folder = folder_for(sweep.name, request, output, fresh=not resume)
    columns = ("point", *sweep.keys, *(name for name in COLUMNS if name not in sweep.keys))
    kept = f"what was finished is kept in {folder}: the same command goes on from there"
    with only_writer(folder), Journal(folder / JOURNAL) as journal:
        begin(folder, request)
        wanted, reused = _wanted(points, journal, resume, hear)
        try:
            _play(points, wanted, journal, settings, workers, executor, progress or (lambda done, total: None))
            rows = _rows(points, journal)
            finish(folder, request, _lines(columns, rows))
        except WorkersLostError as error:
            raise WorkersLostError(f"{error}; {kept}") from error
        except (KeyboardInterrupt, OSError) as error:
            error.add_note(kept)
            raise
        if not resume or journal.damage:
            with suppress(OSError):  # of no room, say: nothing is lost, the file is longer than it need be
                journal.keep_only(None if resume else points.keys)
    return SweepResult(sweep.name, folder, sweep.keys, columns, rows, sweep.figures, reused)


def _wanted(points: SweepPoints, journal: Journal, resume: bool, say: Say) -> tuple[set[str], int]:
    """The keys whose results must be computed, and how many are there already."""
    for damage in journal.damage:
        say(f"{journal.path}: {damage}; what it was of is played again")
    if not resume:
        return set(points.keys), 0
    again = sum(journal.holds_failure(key) for key in points.keys)
    if again:
        say(f"{again:,} point{'s' * (again > 1)} that failed before {'are' if again > 1 else 'is'} tried again")
    wanted = {key for key in points.keys if not journal.holds(key)}
    return wanted, len(points.keys) - len(wanted)


def _play(
    points: SweepPoints,
    wanted: set[str],
    journal: Journal,
    settings: PlaySettings,
    workers: int | None,
    executor: Executor | None,
    tell: Progress,
) -> None:
    """Compute what is wanted, into the journal."""
    total = len(points.keys)
    done = total - len(wanted)
    tell(done, total)
    work = partial(play_batches, settings=settings, code=code_digest())
    for chunk, answers in run_chunks(points.batches(wanted.__contains__), work, workers=workers, executor=executor):
        keys = [key for batch in chunk for key in batch.keys]
        journal.append(dict(zip(keys, (row for rows in answers for row in rows), strict=True)))
        done += len(keys)
        tell(done, total)


def _rows(points: SweepPoints, journal: Journal) -> Records[ResultRow]:
    """Every point's results in order, with what varied as it was written."""
    rows: Records[ResultRow] = Records()
    for number, point in enumerate(points.points):
        result = point.refusal if point.refusal is not None else journal.result(point.key)
        rows.append({"point": number} | result | {key: cell_of(value) for key, value in point.values.items()})
    return rows


def _lines(columns: Sequence[str], rows: Sequence[ResultRow]) -> Iterator[str]:
    """The table as CSV, line by line."""
    yield line_of(columns)
    for row in rows:
        yield line_of([row.get(column) for column in columns])
