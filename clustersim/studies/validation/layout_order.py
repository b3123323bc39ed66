"""Whether layouts are put in the right order: what a planner needs before the seconds are right.

Rows are compared where everything is the same but the layout: source, chip, model, devices, sequence, batch, software
and precision. Rows that state the same layout are one that was measured several times: their mean stands for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import combinations
from statistics import mean

from clustersim.studies.measured.csv_cells import CsvRow, text

SAME = ("source", "accelerator", "model", "n_devices", "seq_len", "global_batch_seqs", "framework", "precision")
FRAMEWORK_IS_LAYOUT = "moe-folding"  # its `framework` names ways to lay out experts in one code base
ABOUT_THE_MEASUREMENT = frozenset(
    ("id", "locator", "year", "quality", "group", "chip_as_stated", "notes", "mfu_as_stated", "peak_tflops_as_stated")
)
BETWEEN_REPLICAS = frozenset(("sharding", "grad_reduce_precision"))
HIDDEN_BETWEEN_REPLICAS = frozenset(("grad_reduce", "param_gather", "fsdp", "none"))
WORTH_ORDERING = 0.02  # measured times that differ less are taken as equal
TOLD_APART = 1e-4  # predicted times that differ less are no answer, and count as a wrong one


@dataclass(frozen=True)
class LayoutOrder:
    """How often the faster of two layouts was told, and what it costs to take the layout that is predicted fastest."""

    pairs: int
    right: float | None  # share of pairs
    repeats: int  # rows that measured a layout of their setting again
    choices: int  # settings with two layouts or more
    regret: float | None  # measured time of the pick over that of the best, less one; mean over choices


@dataclass(frozen=True)
class LaidOut:
    """One row as its order counts it: what all of its setting share, its layout, and seconds a step."""

    setting: Hashable
    layout: Hashable
    measured: float
    predicted: float


def setting_of(row: CsvRow) -> tuple[str, ...]:
    """What two rows must share for their layouts to be compared."""
    cells = [text(row, column) for column in SAME]
    if text(row, "source").startswith(FRAMEWORK_IS_LAYOUT):
        cells[SAME.index("framework")] = ""
    return tuple(cells)


def layout_key(row: CsvRow) -> frozenset[tuple[str, str]]:
    """All that a row states of what ran: two rows alike in it are one layout, measured twice.

    What replicas share, and what of that is hidden, is nothing where there is one replica.
    """
    cells = {
        column: text(row, column)
        for column in row
        if column not in ABOUT_THE_MEASUREMENT and not column.startswith("measured_")
    }
    if cells.get("dp") == "1" and cells.get("cp", "") in ("", "1"):
        cells = {column: cell for column, cell in cells.items() if column not in BETWEEN_REPLICAS}
        words = set(cells.get("overlap", "").split("|")) - HIDDEN_BETWEEN_REPLICAS
        cells["overlap"] = "|".join(sorted(words))
    return frozenset(cells.items())


def layout_order(rows: Iterable[LaidOut]) -> LayoutOrder:
    """Order and regret over all settings of some rows."""
    settings: dict[Hashable, dict[Hashable, list[LaidOut]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        settings[row.setting][row.layout].append(row)
    right, regrets, repeats = [], [], 0
    for layouts in settings.values():
        repeats += sum(len(same) - 1 for same in layouts.values())
        if len(layouts) < 2:
            continue
        times = [(mean(row.measured for row in same), mean(row.predicted for row in same)) for same in layouts.values()]
        for (first, first_told), (second, second_told) in combinations(times, 2):
            if abs(first - second) / first > WORTH_ORDERING:
                apart = abs(first_told - second_told) / first_told > TOLD_APART
                right.append(apart and (first > second) == (first_told > second_told))
        pick = min(times, key=lambda pair: pair[1])
        regrets.append(pick[0] / min(measured for measured, _ in times) - 1.0)
    share, regret = (mean(figures) if figures else None for figures in (right, regrets))
    return LayoutOrder(len(right), share, repeats, len(regrets), regret)
