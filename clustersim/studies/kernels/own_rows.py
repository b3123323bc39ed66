"""Kernels that a user timed, as the simulator's own operations: every cell that is wrong is an error, all at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clustersim.errors import InputError, Problem
from clustersim.inputs.units import shown
from clustersim.studies.kernels.tables import (
    KINDS,
    PRECISIONS,
    TimedCollective,
    TimedProduct,
    collective_of,
    product_of,
)
from clustersim.studies.timing.table_file import read_table

SIZE = re.compile(r"\b(\w+)\s*=\s*(\d{1,12})\b")
MOST_PROBLEMS = 20
LEAST, MOST = 1e-6, 1e9  # of any figure, in the table's own units
MOST_DEVICES = 10_000_000
UNITS = {  # that the figures of an operation are read in
    "gemm": "TFLOP/s",
    "attention_fwd": "TFLOP/s (causal)",
    "attention_bwd": "TFLOP/s (causal)",
    "copy": "GB/s",
    "add": "GB/s",
    "launch_host": "us",
    "launch_device": "us",
    **dict.fromkeys(KINDS, "GB/s busbw"),
}


@dataclass(frozen=True)
class TimedRate:
    """A figure of attention, memory-bound work or a launch, in the table's unit; its size in tokens or bytes."""

    op: str
    size: float
    value: float


@dataclass(frozen=True)
class TimedMessage:
    """A collective, and over how many nodes it went."""

    timed: TimedCollective
    nodes: int


@dataclass(frozen=True)
class OwnKernels:
    """All rows that can be used."""

    chip: str  # as the table calls it; empty where rows name several
    products: tuple[TimedProduct, ...]
    rates: tuple[TimedRate, ...]
    messages: tuple[TimedMessage, ...]
    unused: int  # rows of other operations, precisions or units

    def rates_of(self, *ops: str) -> list[TimedRate]:
        """Figures of some operations."""
        return [rate for rate in self.rates if rate.op in ops]


def read_kernels(paths: Sequence[str | Path], chip: str, node: str) -> OwnKernels:
    """Rows of tables of the form of kernels.csv, to be held against a `chip` and a `node` of the catalog.

    Raises InputError with every cell that is wrong, and where no row can be used.
    """
    products, rates, messages, chips = [], [], [], set()
    unused = 0
    for path in paths:
        problems: list[Problem] = []
        for line, row in enumerate(read_table(path), start=2):
            if not _is_usable(row):
                unused += 1
                continue
            wrong = list(_problems(row, line))
            problems += wrong
            if wrong:
                continue
            chips.add(row["chip"])
            if row["op"] == "gemm":
                products.append(product_of(_folded(row), chip))
            elif row["op"] in KINDS:
                messages.append(TimedMessage(collective_of(row, node), int(row["n_nodes"])))
            else:
                rates.append(TimedRate(row["op"], _size(row), float(row["value"])))
        if problems:
            raise InputError(str(path), problems[:MOST_PROBLEMS])
    if not (products or rates or messages):
        accepted = ", ".join(f"{op} in {unit}" for op, unit in UNITS.items())
        raise InputError(", ".join(map(str, paths)), [Problem(f"no row that can be used; accepted: {accepted}")])
    name = chips.pop() if len(chips) == 1 else ""
    return OwnKernels(name, tuple(products), tuple(rates), tuple(messages), unused)


def _is_usable(row: Mapping[str, str]) -> bool:
    """Whether it is an operation that is known, in the unit and the precision that the fit goes by."""
    op, unit = row["op"], row["unit"]
    if op == "gemm" and (row["dtype"] not in PRECISIONS or "best" in row["shape_or_bytes"]):
        return False
    return UNITS.get(op) == unit or (op in KINDS and unit.startswith("GB/s busbw"))


def _problems(row: Mapping[str, str], line: int) -> list[Problem]:
    found = [
        Problem(f"{shown(row[column])} is not a number from {low:g} to {high:g}", key=column, line=line)
        for column, low, high in (
            ("value", LEAST, MOST),
            *((("n_devices", 2, MOST_DEVICES), ("n_nodes", 1, MOST_DEVICES)) if row["op"] in KINDS else ()),
        )
        if not _is_between(row[column], low, high, whole=column != "value")
    ]
    if not found and row["op"] in KINDS and int(row["n_devices"]) % int(row["n_nodes"]):
        found.append(Problem("the devices are not spread evenly over the nodes", key="n_nodes", line=line))
    if _size(row) <= 0.0 and row["op"] not in ("launch_host", "launch_device"):
        expected = {"gemm": "a shape such as M=4096 N=4096 K=4096"}.get(
            row["op"], "bytes" if not row["op"].startswith("attention") else "a shape with seq_len=4096"
        )
        found.append(Problem(f"{shown(row['shape_or_bytes'])}: expected {expected}", key="shape_or_bytes", line=line))
    return found


def _size(row: Mapping[str, str]) -> float:
    """FLOP/2 of a product, tokens of attention, bytes of others; 0 where the cell says none."""
    cell = row["shape_or_bytes"]
    sizes = {name.lower(): float(size) for name, size in SIZE.findall(cell)}
    if row["op"] == "gemm":
        return sizes.get("m", 0.0) * sizes.get("n", 0.0) * sizes.get("k", 0.0)
    if row["op"].startswith("attention"):
        return sizes.get("seq_len", 0.0)
    return float(cell) if cell.isdecimal() and len(cell) <= 15 else 0.0


def _folded(row: Mapping[str, str]) -> Mapping[str, str]:
    """A product's shape as the reader of the packaged tables has it."""
    sizes = {name.lower(): size for name, size in SIZE.findall(row["shape_or_bytes"])}
    return {**row, "shape_or_bytes": " ".join(f"{name.upper()}={sizes[name]}" for name in ("m", "n", "k"))}


def _is_between(cell: str, low: float, high: float, *, whole: bool) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return False
    return low <= value <= high and (not whole or cell.strip().isdecimal())
