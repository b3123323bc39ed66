"""Another tool beside us on the rows that it predicts: for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.studies.validation.predictions import Score, ScoredSet, ToolComparison
from clustersim.views.words import percent

NAME = 24  # characters of a tool's name
HEAD = ("", "rows", "", "error", "bias", "in 80 %", "score")


def comparison_parts(found: ToolComparison) -> Iterator[RenderableType]:
    """A table, and what its columns mean."""
    yield Text(f"{found.name} beside clustersim, on the rows that it predicts", style="bold")
    if found.overall is None:
        yield Padding("it predicts no row that was measured and simulated", (0, 0, 0, 2))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, name in enumerate(HEAD):
        table.add_column(name, justify="left" if at in (0, 2) else "right", no_wrap=at > 0)
    for name, scored in ({**found.by_source, **found.by_kind} | {"all": found.overall}).items():
        _add(table, found.name, name, scored)
    yield table
    yield Padding(
        "error: mean |predicted / measured - 1|, over all with sources counted alike; ours with the row's whole source "
        "held out, where that is known; score: of the 80 % interval of log step time, smaller is better; constant: one "
        "efficiency for all",
        (0, 0, 0, 2),
    )


def _add(table: Table, tool: str, name: str, scored: ScoredSet) -> None:
    """Three lines: the tool, ourselves, one efficiency for all."""
    table.add_row(name, f"{scored.rows} of {scored.measured}", tool[:NAME], *_cells(scored.tool))
    table.add_row("", "", "clustersim", *_cells(scored.ours))
    table.add_row("", "", "constant", percent(scored.constant_efficiency), "", "", "")
    table.add_section()


def _cells(score: Score) -> tuple[str, ...]:
    return (
        percent(score.mean_absolute),
        f"{100 * score.bias:+.1f} %",
        "-" if score.covered_80 is None else percent(score.covered_80, 0),
        "-" if score.interval_score is None else f"{score.interval_score:.2f}",
    )
