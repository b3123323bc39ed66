"""A sweep's points, one a line, and where everything is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from clustersim.inputs.amounts import counted
from clustersim.inputs.figures import shown
from clustersim.simulation.result_row import ResultRow
from clustersim.studies.measured.above_published import AbovePublished, row_above_published
from clustersim.studies.sweeps.preview import SweepPreview
from clustersim.studies.sweeps.result_columns import SEARCHED, layout_of, warned
from clustersim.studies.sweeps.sweep import SweepResult
from clustersim.views.columns import Cell
from clustersim.views.fitting_table import FittingTable, Heading
from clustersim.views.words import figure_words, layout_words

MOST_ROWS = 40
RANKS = {
    "step_time_s": 1,
    "mfu": 0,
    "mfu_causal": 4,
    "tokens_per_s_per_device": 5,
    "memory_bytes": 3,
}  # what goes first
MOST_REASONS = 5
FIGURES = {figure.name: figure for figure in shown("sweep")}
HIDDEN_VALUES = {"goodput": (None, 1.0)}  # a figure isn't shown where it is nothing else


def preview_words(found: SweepPreview) -> str:
    """How many points, shapes and refusals there would be, and why."""
    lines = [
        f"{found.name}: {counted(found.points, 'point')} of {', '.join(found.keys)}",
        f"{counted(found.scenarios, 'different scenario')} of {counted(found.shapes, 'shape')} to play"
        + (f"; the layout of {found.searches:,} is searched" if found.searches else ""),
        f"{found.refused:,} refused, as their parts don't fit each other" + (":" if found.refusals else ""),
        *(f"  {kind.words}" for kind in found.refusals[:MOST_REASONS]),
    ]
    if len(found.refusals) > MOST_REASONS:
        lines.append(f"  ... and {len(found.refusals) - MOST_REASONS:,} more kinds of reasons (--json has all)")
    return "\n".join([*lines, "Whether a layout fits in memory shows when it is played"])


def sweep_view(result: SweepResult, figures: Sequence[Path]) -> RenderableType:
    """What varied with the main figures, how many points ended how and why, and the paths of table and figures."""
    keys = telling_keys(result)
    told = _told_figures(result.rows)
    headings = [Heading(key.removeprefix("cluster.").removeprefix("training.")) for key in keys]
    headings += [Heading(FIGURES[name].title, RANKS.get(name, 2), right=True) for name in told]
    rows, styles = [], []
    for row in result.rows[:MOST_ROWS]:
        done = row["status"] == "done"
        cells = [_word(row.get(key)) for key in keys]
        cells += [_figure(row.get(name), name) for name in told]
        rows.append([*cells, "" if done else str(row["status"])])
        styles.append("" if done else "dim")
    parts: list[RenderableType] = [FittingTable([*headings, Heading("")], rows, styles)]
    if len(result.rows) > MOST_ROWS:
        parts.append(Text(f"... and {len(result.rows) - MOST_ROWS:,} more points in the table below"))
        parts.append(Text(""))
    parts += _searched(result.rows[:MOST_ROWS], keys)
    parts.append(Text(_counts(result)))
    parts += [Text(f"  {kind.words}", style="dim") for kind in result.refusals[:MOST_REASONS]]
    if len(result.refusals) > MOST_REASONS:
        parts.append(
            Text(f"  ... and {len(result.refusals) - MOST_REASONS:,} more kinds of reasons in the table below")
        )
    parts += [Text(f"  {kind.words}", style="yellow") for kind in warned(result.rows)[:MOST_REASONS]]
    parts += [Text(f"  {line}", style="yellow") for line in _above(result.rows)]
    parts += [Text(f"  {path}") for path in (result.folder / "results.csv", *figures)]
    return Group(*parts)


def _above(rows: Sequence[ResultRow]) -> Iterator[str]:
    """Points that no published run of their chip and kind reached: how many of each, and the highest of them."""
    found: dict[tuple[str, str], list[AbovePublished]] = {}
    for row in rows:
        above = row_above_published(row) if row["status"] == "done" else None
        if above is not None:
            found.setdefault((above.accelerator, above.kind), []).append(above)
    for points in found.values():
        yield f"{len(points):,} x {max(points, key=lambda above: above.mfu).words}" + (
            " (the highest of them)" if len(points) > 1 else ""
        )


def telling_keys(result: SweepResult) -> list[str]:
    """The keys that tell the points apart: not those that follow from one key before, nor mappings that fill lines."""
    columns: dict[str, list[str]] = {key: [] for key in result.keys}
    for row in result.rows:  # once: they may lie in a file
        for key, values in columns.items():
            values.append(str(row.get(key)))
    chosen: list[str] = []
    for key, values in columns.items():
        told = any(_follows(columns[other], values) for other in chosen)
        if not told and len(set(values)) > 1 and not any(value.startswith(("{", "[")) for value in values):
            chosen.append(key)
    return chosen


def _told_figures(rows: Sequence[ResultRow]) -> list[str]:
    """The figures that some point has, and not as nothing."""
    left = dict(FIGURES)
    for row in rows:
        for name in [name for name in left if row.get(name) not in HIDDEN_VALUES.get(name, (None,))]:
            del left[name]
        if not left:
            break
    return [name for name in FIGURES if name not in left]


def _follows(given: Sequence[str], values: Sequence[str]) -> bool:
    """Whether a value follows from what is given at its point."""
    return len(set(zip(given, values, strict=True))) == len(set(given))


def _searched(rows: Sequence[ResultRow], keys: Sequence[str]) -> Iterator[RenderableType]:
    """The layouts that were chosen where nobody stated one."""
    chosen = [(row, layout) for row in rows if row.get("layout_is") == SEARCHED and (layout := layout_of(row))]
    if not chosen:
        return
    yield Text("layouts, searched", style="bold")
    for row, layout in chosen:
        point = ", ".join(f"{key.split('.')[-1].replace('_', ' ')} {_word(row.get(key))}" for key in keys)
        yield Text(f"  {point}: {layout_words(layout)}" if point else f"  {layout_words(layout)}")
    yield Text("")


def _word(value: Cell) -> str:
    return str(value).lower() if isinstance(value, bool) else str("" if value is None else value)


def _figure(value: Cell, name: str) -> str:
    return figure_words(FIGURES[name], float(value)) if isinstance(value, (int, float)) else ""


def _counts(result: SweepResult) -> str:
    said = [f"{counted(len(result.rows), 'point')}: {result.count('done'):,} done"]
    said += [f"{result.count(status):,} {status}" for status in ("infeasible", "failed") if result.count(status)]
    if result.reused:
        said.append(f"{result.reused:,} of them kept from before (--fresh computes them again)")
    if not result.count("done"):
        said.append("so that there is no figure to show")
    return ", ".join(said)
