"""Whether layouts are put in the right order: what a planner needs before the seconds are right.

Rows are compared where everything is the same but the layout: source, chip, model, devices, sequence, batch, software
and precision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import combinations
from statistics import mean

from clustersim.studies.cells import Row, text

SAME = ("source", "accelerator", "model", "n_devices", "seq_len", "global_batch_seqs", "framework", "precision")
FRAMEWORK_IS_LAYOUT = "moe-folding"  # its `framework` names ways to lay out experts in one code base
WORTH_ORDERING = 0.02  # measured times that differ less are taken as equal


@dataclass(frozen=True)
class LayoutOrder:
    """How often the faster of two layouts was told, and what it costs to take the layout that is predicted fastest."""

    pairs: int
    right: float | None  # share of pairs
    choices: int  # settings with two layouts or more
    regret: float | None  # measured time of the pick over that of the best, less one; mean over choices


def setting_of(row: Row) -> tuple[str, ...]:
    """What two rows must share for their layouts to be compared."""
    cells = [text(row, column) for column in SAME]
    if text(row, "source").startswith(FRAMEWORK_IS_LAYOUT):
        cells[SAME.index("framework")] = ""
    return tuple(cells)


def layout_order(rows: Iterable[tuple[Hashable, float, float]]) -> LayoutOrder:
    """Order and regret of rows given as (setting, measured seconds, predicted seconds)."""
    settings: dict[Hashable, list[tuple[float, float]]] = defaultdict(list)
    for setting, measured, predicted in rows:
        settings[setting].append((measured, predicted))
    right, regrets = [], []
    for times in settings.values():
        if len(times) < 2:
            continue
        for (first, first_told), (second, second_told) in combinations(times, 2):
            if abs(first - second) / first > WORTH_ORDERING:
                right.append((first > second) == (first_told > second_told))
        pick = min(times, key=lambda pair: pair[1])
        regrets.append(pick[0] / min(measured for measured, _ in times) - 1.0)
    return LayoutOrder(len(right), mean(right) if right else None, len(regrets), mean(regrets) if regrets else None)
