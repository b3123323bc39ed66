"""The columns of a sweep's results: one flat row a point, SI units, fractions as fractions."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clustersim.inputs.figures import shown
from clustersim.inputs.layout import Layout
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.result_row import LAYOUT, Cell, ResultRow, run_row, system_cells
from clustersim.simulation.results import BREAKDOWN_PARTS, RunResult, StepResult

SYSTEM = ("devices", "accelerator", "model", "model_kind", "parameters", "precision", "stack")
SEARCHED, STATED = "searched", "stated"  # where a point's layout comes from
FIGURES = shown("column")
BOUNDS = tuple(
    f"{figure.name}_{side}_{level}" for figure in shown("interval") for level in (80, 95) for side in ("low", "high")
)
NUMBER = re.compile(r"\d[\d,.]*")
COLUMNS = (
    *SYSTEM,
    "layout_is",
    *LAYOUT,
    *(figure.name for figure in FIGURES if figure.of == "step"),
    "fits",
    *(figure.name for figure in FIGURES if figure.of == "run"),
    *(f"breakdown_{part}" for part in BREAKDOWN_PARTS),
    *BOUNDS,
    "warnings",
    "engine",
    "status",
    "reason",
)


@dataclass(frozen=True)
class Reasons:
    """Points of which one kind of thing is to be said: texts that differ in their numbers alone are one kind."""

    points: int
    reason: str  # of the first such point
    texts: int  # different ones

    @property
    def words(self) -> str:
        """4 x needs 93.2 GiB a device on stage 0, 79.1 GiB are usable (other points: other numbers)."""
        return f"{self.points:,} x {self.reason}" + (" (other points: other numbers)" if self.texts > 1 else "")


def refusals(rows: Sequence[Mapping[str, Cell]]) -> tuple[Reasons, ...]:
    """Why points aren't done, the commonest reason first; a point with several reasons counts for each."""
    return _kinds(str(row["reason"]).split("; ") for row in rows if row["status"] != "done")


def warned(rows: Sequence[Mapping[str, Cell]]) -> tuple[Reasons, ...]:
    """What must be read beside the figures of some points, the commonest first."""
    return _kinds([str(row["warnings"])] for row in rows if row.get("warnings"))


def _kinds(texts_of_points: Iterable[Sequence[str]]) -> tuple[Reasons, ...]:
    found: dict[str, Counter[str]] = {}
    for texts_of_point in texts_of_points:
        for text in dict.fromkeys(texts_of_point):
            found.setdefault(NUMBER.sub("#", text), Counter())[text] += 1
    kinds = [Reasons(texts.total(), next(iter(texts)), len(texts)) for texts in found.values()]
    return tuple(sorted(kinds, key=lambda kind: -kind.points))


def result_row(result: RunResult, *, searched: bool = False) -> ResultRow:
    """Every column of a point that was simulated. One that doesn't fit in memory is infeasible, its figures kept."""
    step = result.step
    row = run_row(result) | {"layout_is": SEARCHED if searched else STATED}
    row |= {f"breakdown_{part}": row.get(f"breakdown_{part}", 0.0) for part in BREAKDOWN_PARTS}
    row |= {"status": "done" if step.fits else "infeasible"}
    return row | {"reason": "" if step.fits else _too_much(step)}


def refused_row(status: str, reason: str, scenario: Scenario | None = None) -> ResultRow:
    """The columns that are known of a point that was not simulated."""
    row = {} if scenario is None else system_cells(scenario)
    return row | {"status": status, "reason": "; ".join(reason.split("\n"))}


def layout_of(row: Mapping[str, Cell]) -> Layout | None:
    """The layout that the cells of a row describe, as simulated or read from a CSV file; None where it has none."""
    cells = {name: _layout_value(row[name]) for name in LAYOUT if row.get(name) not in (None, "")}
    return Layout.model_validate(cells, strict=False) if "tensor" in cells else None


def _layout_value(cell: Cell) -> Any:
    if isinstance(cell, str) and cell.endswith(" layers"):
        return {"layers": int(cell.removesuffix(" layers"))}
    return json.loads(cell) if isinstance(cell, str) and cell.startswith("[") else cell


def _too_much(step: StepResult) -> str:
    held, usable = step.memory.peak_bytes / 2**30, step.memory.usable_bytes / 2**30
    return f"needs {held:.1f} GiB a device on stage {step.memory.stage}, {usable:.1f} GiB are usable"
