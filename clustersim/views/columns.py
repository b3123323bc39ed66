"""What the columns of a result mean to a reader: labels with units, and numbers out of what files hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clustersim.inputs.figures import FIGURES, Figure
from clustersim.inputs.units import GIB, parse_quantity
from clustersim.views.words import PART_NAMES


@dataclass(frozen=True)
class Column:
    """How a column is shown on an axis."""

    label: str
    scale: float = 1.0  # of what is stored, to the label's unit
    percent: bool = False
    powers_of_two: bool = False  # sizes that people double


def _figure_column(figure: Figure) -> Column:
    """How a figure of a result is shown; shares of the whole in percent."""
    percent = figure.unit == "%"
    return Column(figure.axis_label, 1.0 if percent else figure.axis[1], percent)


COLUMNS = {figure.name: _figure_column(figure) for figure in FIGURES} | {
    "devices": Column("devices", powers_of_two=True),
    "parameters": Column("model parameters (billions)", 1e-9),
    "reliability.checkpoint.interval": Column("training between checkpoints (min)", 1 / 60),
    "reliability.repair": Column("repair of a node (h)", 1 / 3600),
    "reliability.spares": Column("spare nodes"),
    "reliability.rate_factor": Column("failure rates x"),
    "cluster.nodes": Column("nodes", powers_of_two=True),
    "cluster.devices": Column("devices", powers_of_two=True),
    "cluster.node.scale_out.bandwidth": Column("scale-out bandwidth a device, one direction (GB/s)", 1e-9),
    "cluster.node.scale_up.bandwidth": Column("scale-up bandwidth a device, one direction (GB/s)", 1e-9),
    "training.sequence_length": Column("sequence length (tokens)", powers_of_two=True),
    "training.global_batch": Column("global batch (sequences)", powers_of_two=True),
    "training.tokens": Column("training tokens (billions)", 1e-9),
    "layout.micro_batch": Column("micro-batch (sequences)", powers_of_two=True),
    "layout.tensor": Column("tensor-parallel ranks", powers_of_two=True),
    "layout.pipeline": Column("pipeline stages", powers_of_two=True),
    "layout.virtual_stages": Column("virtual stages a device"),
}
# How a quantity is shown whose column has no entry above, by its dimension.
BY_DIMENSION = {
    "bytes/s": ("GB/s", 1e-9),
    "bytes": ("GiB", 1 / GIB),
    "FLOP/s": ("TFLOP/s", 1e-12),
    "s": ("s", 1.0),
    "W": ("W", 1.0),
    "USD/h": ("USD an hour", 1.0),
    "fraction": ("%", 100.0),
    "count": ("billions", 1e-9),
}
DIMENSION_ORDER = ("bytes/s", "FLOP/s", "s", "W", "USD/h", "fraction", "ratio", "bytes", "count")

Cell = str | float | int | bool | None


def column_of(name: str, cells: Sequence[Cell] = ()) -> Column:
    """How a column is shown; one that isn't known is named by its key, with the unit of its cells."""
    if name in COLUMNS:
        return COLUMNS[name]
    part = name.removeprefix("breakdown_")
    if part != name:
        return Column(f"{PART_NAMES.get(part, part)} (% of the step)", percent=True)
    label = name.replace("_", " ").replace(".", " ")
    dimension = _dimension(cells)
    if dimension is None:
        return Column(label)
    unit, scale = BY_DIMENSION[dimension]
    return Column(label, percent=True) if unit == "%" else Column(f"{label} ({unit})", scale)


def numbers(name: str, cells: Sequence[Cell]) -> list[float | None] | None:
    """The cells as SI numbers, None where a cell is empty; None in all where they are words."""
    found: list[float | None] = []
    dimension = _dimension(cells)
    if name == "training.tokens":
        dimension = "count"
    for cell in cells:
        number = _number(cell)
        if number is None and isinstance(cell, str) and cell.strip() and dimension is not None:
            number = _quantity(cell, dimension)
        if number is None and cell not in (None, ""):
            return None
        found.append(number)
    return found


def _number(cell: Cell) -> float | None:
    if isinstance(cell, bool) or cell is None:
        return None
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _quantity(cell: str, dimension: str) -> float | None:
    try:
        return parse_quantity(cell, dimension)
    except ValueError:
        return None


def _dimension(cells: Sequence[Cell]) -> str | None:
    """What all cells with a unit measure; None where none has a unit or they don't agree."""
    words = [cell for cell in cells if isinstance(cell, str) and cell.strip() and _number(cell) is None]
    if not words:
        return None
    for dimension in DIMENSION_ORDER:
        if all(_quantity(word, dimension) is not None for word in words):
            return dimension
    return None
