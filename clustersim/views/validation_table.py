"""Predictions against measurements: errors overall, by source and by group, and what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.inputs.amounts import counted
from clustersim.studies.validation.layout_order import LayoutOrder
from clustersim.studies.validation.summaries import Summary, ValidationRow
from clustersim.studies.validation.validation import ValidationReport
from clustersim.views.comparison_table import comparison_parts
from clustersim.views.kernel_tables import kernel_parts
from clustersim.views.memory_validation_table import memory_parts
from clustersim.views.words import percent, significant

FEW_ROWS = 24  # so many rows are shown one by one
MOST_REASONS = 8


def validation_view(report: ValidationReport) -> RenderableType:
    """Errors of step time: predicted over measured, less one."""
    parts: list[RenderableType] = [Text(f"step times of {report.path}: predicted / measured - 1", style="bold")]
    if not report.complete:
        parts.append(Text(f"interrupted: these are the first {counted(len(report.rows), 'row')}"))
    if len(report.rows) <= FEW_ROWS:
        parts.append(_rows(report.rows))
    parts.append(_summaries(report))
    parts += [Padding(line, (0, 0, 0, 2)) for line in _legend(report)]
    if report.order.pairs:
        parts.append(_orders(report))
    if report.comparison is not None:
        parts += comparison_parts(report.comparison)
    refused = Counter(row.reason for row in report.rows if row.status == "refused")
    if refused:
        parts.append(Text(f"refused: {counted(refused.total(), 'row')}", style="bold"))
        parts += [Padding(f"{count} x {reason}", (0, 0, 0, 2)) for reason, count in refused.most_common(MOST_REASONS)]
    parts += memory_parts(report)
    if report.kernels:
        parts += kernel_parts(report.kernels)
    return Group(*parts)


def _rows(rows: Sequence[ValidationRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("row")
    for name in ("measured", "predicted", "80 %", "error"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.id, *_cells(row))
    return table


def _cells(row: ValidationRow) -> Iterator[str]:
    if row.predicted_step_time_s is None:
        yield from ("", row.status, "", "")
        return
    low, high = row.interval_80 or (0.0, 0.0)
    yield "" if row.measured_step_time_s is None else f"{significant(row.measured_step_time_s)} s"
    yield f"{significant(row.predicted_step_time_s)} s"
    yield f"{significant(low)} to {significant(high)}" if row.interval_80 else ""
    yield "" if row.error is None else f"{100 * row.error:+.1f} %"


def _summaries(report: ValidationReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in ("rows", "simulated", "source out", "group out", "in-sample", "constant", "median", "bias", "worst"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("in 80 %", "in 95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    if len(report.by_group) <= FEW_ROWS:
        _add(table, report.by_group)
    _add(table, report.by_source)
    _add(table, report.by_stack)
    _add(table, {"rows of full quality": report.regular})
    table.add_row("all", *_summary(report.overall), style="bold")
    return table


def _add(table: Table, summaries: Mapping[str, Summary]) -> None:
    for name, summary in summaries.items():
        table.add_row(name, *_summary(summary))
    table.add_section()


def _summary(summary: Summary) -> Iterator[str]:
    yield str(summary.rows)
    yield str(summary.simulated)
    for share in (
        summary.stranger,
        summary.left_out,
        summary.mean_absolute,
        summary.constant_efficiency,
        summary.median_absolute,
    ):
        yield _share(share)
    yield "-" if summary.bias is None else f"{100 * summary.bias:+.1f} %"
    yield _share(summary.worst)
    yield _share(summary.covered_80, 0)
    yield _share(summary.covered_95, 0)


def _legend(report: ValidationReport) -> Iterator[str]:
    """What columns mean, where it isn't plain."""
    yield "mean |error|; in-sample: with all packaged rows fitted; constant: one efficiency for all rows of the line"
    if report.overall.left_out is not None:
        yield "source out, group out: every stack refitted without the row's whole source, or its group alone"
    held_out = report.overall.stranger_covered_80, report.overall.stranger_covered_95
    if held_out[0] is not None and held_out[1] is not None:
        shares = " and ".join(percent(share, 0) for share in held_out if share is not None)
        yield f"with sources held out, the 80 % and 95 % intervals hold {shares} of the rows, sources counted alike"


def _orders(report: ValidationReport) -> Table:
    """Which of two layouts is faster, and what the pick costs."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("order of layouts")
    for name in ("pairs", "right", "held out", "choices", "regret"):
        table.add_column(name, justify="right", no_wrap=True)
    for source, order in report.order_by_source.items():
        table.add_row(f"{source}, full quality", *_order(order, report.left_out_order_by_source.get(source)))
    table.add_section()
    table.add_row("all rows", *_order(report.order, report.left_out_order), style="bold")
    strange = [order.right for order in report.stranger_order_by_source.values() if order.right is not None]
    if strange:
        held_out = _share(sum(strange) / len(strange))
        table.add_row("mean over sources, each held out whole", "", "", held_out, "", "")
    return table


def _order(order: LayoutOrder, held: LayoutOrder | None) -> Iterator[str]:
    yield str(order.pairs)
    yield _share(order.right)
    yield _share(held.right if held else None)
    yield str(order.choices)
    yield _share(order.regret, 2)


def _share(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else percent(value, digits)
