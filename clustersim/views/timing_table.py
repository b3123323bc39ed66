"""What was measured on a machine, a line a kind of work: the best rate, and where."""

from __future__ import annotations

from collections import Counter, defaultdict

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.inputs.amounts import counted
from clustersim.studies.timing.measure import Measurement
from clustersim.studies.timing.table_file import KernelRow

MOST_REASONS = 8


def timing_view(found: Measurement) -> RenderableType:
    """One screen."""
    among = f", {counted(found.ranks, 'rank')}" if found.ranks > 1 else ""
    head = f"{found.chip} ({found.device}{among}, {found.software}): {counted(len(found.rows), 'row')} measured"
    parts: list[RenderableType] = [Text(head, style="bold")]
    if not found.complete:
        parts.append(Text("interrupted: these are the rows that were done"))
    parts.append(_table(found.rows))
    if found.kept:
        parts.append(Text(f"{counted(found.kept, 'row')} kept from before"))
    if found.left_out:
        parts.append(Text(f"left out: {counted(len(found.left_out), 'row')}"))
        reasons = Counter(found.left_out.values()).most_common(MOST_REASONS)
        parts += [Padding(f"{count} x {reason}", (0, 0, 0, 2)) for reason, count in reasons]
    parts.append(Text(f"written to {found.path}"))
    return Group(*parts)


def _table(rows: list[KernelRow]) -> Table:
    by_kind: dict[tuple[str, str, str], list[KernelRow]] = defaultdict(list)
    for row in rows:
        by_kind[row["op"], row["dtype"], row["unit"]].append(row)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "precision"):
        table.add_column(name)
    for name in ("rows", "best", "unit"):
        table.add_column(name, justify="left" if name == "unit" else "right", no_wrap=True)
    table.add_column("at")
    for (op, dtype, unit), some in by_kind.items():
        best = (min if unit == "us" else max)(some, key=lambda row: float(row["value"]))
        table.add_row(op, dtype, str(len(some)), best["value"], unit, best["shape_or_bytes"])
    return table
