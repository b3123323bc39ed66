"""Predicted memory beside published figures: states and activations of Megatron's GPTs, and measured peaks.

`memory_published.csv` has a figure a row. A row that `measured_runs.csv` holds too is that run; others are runs of the
papers' own software, described by their columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from statistics import mean

from clustersim.errors import InfeasibleError
from clustersim.inputs.load import load_scenario
from clustersim.simulation.results import MemoryReport
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.measured.csv_cells import CsvRow, number, problem, read_rows, text
from clustersim.studies.measured.runs import measured_run

REQUIRED = ("id", "quantity", "value", "unit")
STATES = ("parameters", "gradients", "optimizer")
UNITS = {"GiB": 2.0**30, "GB as printed": 2.0**30, "%": 0.01}  # PyTorch and the papers print 2^30 bytes as GB
# What Korthikanti et al. 2022 ran, where their columns don't say it.
MEGATRON = {
    "accelerator": "a100-sxm-80gb",
    "stack": "megatron-lm-2022",
    "flash_attention": "0",
    "sharding": "none",
}
SIZES = ("layers", "hidden", "heads", "seq_len", "ffn_hidden", "tp", "pp", "vpp", "dp", "micro_batch")


@dataclass(frozen=True)
class MemoryRow:
    """One published figure beside its prediction, both in bytes (or as a fraction)."""

    id: str
    source: str
    quantity: str
    published: float
    predicted: float

    @property
    def error(self) -> float:
        """Predicted over published, less one."""
        return self.predicted / self.published - 1


@dataclass(frozen=True)
class MemorySummary:
    """How far predictions of one quantity of one source lie from what was published."""

    source: str
    quantity: str
    rows: int
    mean_absolute: float
    bias: float
    worst: float  # the error of largest size, with its sign


def packaged_memory() -> Path:
    """The published memory figures that come with the package."""
    return Path(str(files("clustersim.catalog").joinpath("measured", "memory_published.csv")))


def validate_memory(runs: Mapping[str, CsvRow]) -> tuple[MemoryRow, ...]:
    """Every published memory figure beside its prediction; `runs` are the measured runs by id.

    Figures of a schedule that can't be played are left out. Raises InputError where the file can't be read.
    """

    @cache
    def report_of(cells: tuple[tuple[str, str], ...]) -> MemoryReport:
        return simulate_step(load_scenario(measured_run(dict(cells)).mapping), intervals=False).memory

    def report(run: CsvRow) -> MemoryReport:
        return report_of(tuple((column, cell) for column, cell in run.items() if column != "id"))

    rows = []
    for row in read_rows(packaged_memory(), REQUIRED):
        try:
            predicted = _predicted(row, runs.get(text(row, "id")) or _megatron_run(row), report)
        except InfeasibleError:
            continue
        published = (number(row, "value") or 0.0) * UNITS[text(row, "unit")]
        rows.append(MemoryRow(text(row, "id"), text(row, "source"), text(row, "quantity"), published, predicted))
    return tuple(rows)


def _megatron_run(row: CsvRow, recompute: str | None = None) -> CsvRow:
    """A row of Korthikanti et al. as a measured run: `selective + sequence parallel` is two columns there."""
    words = (recompute or text(row, "recompute")).split(" + ")
    devices = int(row["tp"]) * int(row["pp"]) * int(row["dp"])
    cells = (
        {column: text(row, column) for column in ("id", "model", "precision", *SIZES)}
        | MEGATRON
        | {"n_devices": str(devices)}
    )
    filled = 2 * int(row["pp"]) * int(row["dp"]) * int(row["micro_batch"])  # more sequences don't raise the peak
    cells["global_batch_seqs"] = str(min(int(row["global_batch_seqs"]), filled))
    return cells | {"recompute": words[0], "sequence_parallel": str(int("sequence parallel" in words))}


def _predicted(row: CsvRow, run: CsvRow, report: Callable[[CsvRow], MemoryReport]) -> float:
    """Bytes (or the share) that a row asks for. Published states leave embeddings out: those of a middle stage do, too.

    Raises InputError for a quantity that isn't known.
    """
    stages, quantity = report(run).stages, text(row, "quantity")
    if quantity == "parameters + gradients + optimizer":
        middle = stages[len(stages) // 2]
        return sum(middle.parts[name] for name in STATES)
    if quantity == "activations (first stage)":
        return stages[0].parts["activations"]
    if quantity == "activations as a share of none without sequence parallel":
        return stages[0].parts["activations"] / report(_megatron_run(row, "none")).stages[0].parts["activations"]
    if quantity.startswith("peak"):
        return max(stage.allocated_bytes for stage in stages)
    raise problem(row, "quantity", f"{quantity} is not known")


def summarize_memory(rows: tuple[MemoryRow, ...]) -> tuple[MemorySummary, ...]:
    """Errors by source and quantity, in the order of the file."""
    groups = dict.fromkeys((row.source, row.quantity) for row in rows)
    return tuple(_summary(*key, [row.error for row in rows if (row.source, row.quantity) == key]) for key in groups)


def _summary(source: str, quantity: str, errors: list[float]) -> MemorySummary:
    return MemorySummary(
        source, quantity, len(errors), mean(map(abs, errors)), mean(errors), max(errors, key=lambda error: abs(error))
    )
