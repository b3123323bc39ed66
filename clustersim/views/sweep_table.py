"""A sweep's points, one a line, and where everything is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clustersim.studies.sweep import SweepResult
from clustersim.views.columns import Cell
from clustersim.views.words import gib, percent, significant

MOST_ROWS = 40
FIGURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "step_time_s": ("step time", lambda value: f"{significant(value)} s"),
    "mfu": ("MFU full", percent),
    "mfu_causal": ("causal", percent),
    "tokens_per_s_per_device": ("tokens/s a device", significant),
    "memory_bytes": ("memory", gib),
    "training_days": ("days", significant),
}


def sweep_view(result: SweepResult, figures: Sequence[Path]) -> RenderableType:
    """What varied with the main figures, how many points ended how, and the paths of table and figures."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for key in result.keys:
        table.add_column(key.removeprefix("cluster.").removeprefix("training."))
    shown = [name for name in FIGURES if any(row.get(name) is not None for row in result.rows)]
    for name in shown:
        table.add_column(FIGURES[name][0], justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in result.rows[:MOST_ROWS]:
        cells = [str(row.get(key, "")) for key in result.keys]
        table.add_row(*cells, *(_figure(row.get(name), name) for name in shown), _remark(row))
    parts: list[RenderableType] = [table]
    if len(result.rows) > MOST_ROWS:
        parts.append(Text(f"... and {len(result.rows) - MOST_ROWS:,} more points in the table below\n"))
    parts.append(Text(_counts(result)))
    parts += [Text(f"  {path}") for path in (result.folder / "results.csv", *figures)]
    return Group(*parts)


def _figure(value: Cell, name: str) -> str:
    return FIGURES[name][1](float(value)) if isinstance(value, (int, float)) else ""


def _remark(row: dict[str, Cell]) -> str:
    return "" if row["status"] == "done" else f"{row['status']}: {row['reason']}"


def _counts(result: SweepResult) -> str:
    said = [f"{len(result.rows):,} points: {result.count('done'):,} done"]
    said += [f"{result.count(status):,} {status}" for status in ("infeasible", "failed") if result.count(status)]
    if result.reused:
        said.append(f"{result.reused:,} of them kept from before (--fresh computes them again)")
    return ", ".join(said)
