"""Published peaks beside predictions: errors by framework, and what was refused."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.studies.validation.memory_runs import MemoryRunsReport, PeakSummary
from clustersim.views.words import percent

COLUMNS = ("rows", "simulated", "median |error|", "bias", "within 12 %", "in 80 %", "ran: fits", "OOM: no fit")


def memory_runs_view(report: MemoryRunsReport) -> RenderableType:
    """Errors by framework; then why rows were refused."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for name, summary in report.by_family.items():
        table.add_row(name, *_cells(summary))
    table.add_section()
    table.add_row("all", *_cells(report.overall))
    parts: list[RenderableType] = [Text(f"peak memory of {report.path}: predicted / measured - 1", style="bold"), table]
    refused = Counter(row.reason for row in report.rows if row.status == "refused")
    if refused:
        parts.append(Text(f"{refused.total()} rows are not simulated", style="bold"))
        parts += [Padding(f"{count} times: {reason}", (0, 0, 0, 2)) for reason, count in refused.most_common()]
    return Group(*parts)


def _cells(summary: PeakSummary) -> list[str]:
    bias = "-" if summary.bias is None else f"{100 * summary.bias:+.1f} %"
    shares = (summary.close, summary.covered, summary.ran_likely, summary.failed_unlikely)
    error = "-" if summary.median_absolute is None else percent(summary.median_absolute)
    words = ["-" if share is None else percent(share, 0) for share in shares]
    return [str(summary.rows), str(summary.simulated), error, bias, *words]
