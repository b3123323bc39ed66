"""A chip calibrated to its own kernels: what the rows say beside the catalog, and how far off kernels are by either."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.inputs.amounts import counted
from clustersim.studies.kernels.node_file import with_unit
from clustersim.studies.kernels.own_chip import OwnChip
from clustersim.views.words import percent, significant


def own_chip_view(found: OwnChip, output: Path | None) -> RenderableType:
    """One screen."""
    parts: list[RenderableType] = [Text(f"{found.chip} in {found.node}, by its kernels", style="bold"), _numbers(found)]
    for kind, (before, after) in found.errors.items():
        parts.append(Padding(f"{kind}: median error {percent(after)}; by the catalog {percent(before)}", (0, 0, 0, 2)))
    if found.host_launch_s is not None:
        words = (
            f"host_launch of eager PyTorch is {significant(found.host_launch_s * 1e6)} us a kernel, layers around it"
        )
        parts.append(Padding(f"{words} not counted: the least that a stack's file may say", (0, 0, 0, 2)))
    if found.unused:
        parts.append(Padding(f"not used: {counted(found.unused, 'row')} of other work or units", (0, 0, 0, 2)))
    if output is not None:
        parts.append(Text(f"written to {output}; use it as the node of a cluster: {{node: {output}, nodes: 128}}"))
    return Group(*parts)


def _numbers(found: OwnChip) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("number")
    for name in ("value", "+-", "catalog", "rows"):
        table.add_column(name, justify="right", no_wrap=True)
    for figure in found.figures:
        shown = [
            "-" if value is None else str(with_unit(figure.place, value))
            for value in (figure.value, figure.deviation, figure.catalog)
        ]
        table.add_row(figure.place, *shown, str(figure.rows))
    return table
