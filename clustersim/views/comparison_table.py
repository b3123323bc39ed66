"""Another tool beside us on the rows that it predicts: for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.studies.validation.predictions import Comparison, Score, ScoredSet
from clustersim.views.words import percent

HEAD = ("rows", "its error", "bias", "in 80 %", "score", "ours", "bias", "in 80 %", "score", "constant")


def comparison_parts(found: Comparison) -> Iterator[RenderableType]:
    """A table, and what its columns mean."""
    yield Text(f"{found.name} beside clustersim, on the rows that it predicts", style="bold")
    if found.overall is None:
        yield Padding("it predicts no row that was measured and simulated", (0, 0, 0, 2))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in HEAD:
        table.add_column(name, justify="right", no_wrap=True)
    _add(table, found.by_source)
    _add(table, found.by_kind)
    table.add_row("all, sources counted alike", *_cells(found.overall), style="bold")
    yield table
    yield Padding(
        "error: mean |predicted / measured - 1|; ours: with the row's whole source held out, where that is known; "
        "score: of the 80 % interval of log step time, smaller is better; constant: one efficiency for all",
        (0, 0, 0, 2),
    )


def _add(table: Table, sets: Mapping[str, ScoredSet]) -> None:
    for name, scored in sets.items():
        table.add_row(name, *_cells(scored))
    table.add_section()


def _cells(scored: ScoredSet) -> tuple[str, ...]:
    rows = f"{scored.rows} of {scored.measured}"
    return rows, *_score(scored.tool), *_score(scored.ours), percent(scored.constant_efficiency)


def _score(score: Score) -> tuple[str, ...]:
    return (
        percent(score.mean_absolute),
        f"{100 * score.bias:+.1f} %",
        "-" if score.covered_80 is None else percent(score.covered_80, 0),
        "-" if score.interval_score is None else f"{score.interval_score:.2f}",
    )
