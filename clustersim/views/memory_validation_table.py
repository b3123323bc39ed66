"""Published memory beside predictions, and rows that ran although they are predicted not to fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.studies.validation.memory import MemorySummary, summarize_memory
from clustersim.studies.validation.validation import ValidationReport
from clustersim.views.words import percent


def memory_parts(report: ValidationReport) -> Iterator[RenderableType]:
    """Errors of memory by source and quantity, and why rows ran that are predicted not to fit."""
    if report.memory:
        yield Text("memory: predicted / published - 1", style="bold")
        yield _table(summarize_memory(report.memory))
    tight = Counter(row.shortage for row in report.rows if row.shortage)
    if tight:
        yield Text(f"{tight.total()} simulated rows are predicted not to fit in memory, and yet they ran", style="bold")
        for shortage, count in tight.most_common():
            named = next(row.id for row in report.rows if row.shortage == shortage)
            who = named if count == 1 else f"{count} rows as {named}"
            yield Padding(f"{who}: {shortage}", (0, 0, 0, 2))


def _table(summaries: tuple[MemorySummary, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("quantity")
    for name in ("rows", "mean |error|", "bias", "worst"):
        table.add_column(name, justify="right", no_wrap=True)
    for summary in summaries:
        table.add_row(
            summary.source.split(" (")[0],
            summary.quantity,
            str(summary.rows),
            percent(summary.mean_absolute),
            f"{100 * summary.bias:+.1f} %",
            f"{100 * summary.worst:+.1f} %",
        )
    return table
