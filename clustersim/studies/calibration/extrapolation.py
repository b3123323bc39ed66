"""What leaving the evidence adds to the spread: how much farther off runs are of a kind that a stack never saw.

Every stack that was measured on several chips, with several kinds of models and layouts, or over a wide range of
devices, is refitted without one of them, which is then predicted. What the residuals have in excess of the same rows'
with only their group held out is what that departure adds to the spread, in quadrature.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

from clustersim.simulation.intervals import layout_kinds, spread_of
from clustersim.studies.calibration.held_out import LeftOut
from clustersim.studies.calibration.predictor import FitRow
from clustersim.studies.calibration.stack_fits import FamilyFit

FEWEST_ROWS = 5  # held out, and kept
FAR = 4.0  # times the devices of any row that is kept, for the largest runs that are held out

Leaves = Callable[[FitRow], bool]  # whether a row is of the kind that is held out


@dataclass(frozen=True)
class Departure:
    """Rows of one stack that it was refitted without. `steps`: how far they lie away, in units of what is told."""

    stack: str
    what: str
    rows: int
    spread: float  # of log(measured / predicted), without all of them
    spread_near: float  # of the same rows, without their own group alone
    steps: float = 1.0

    @property
    def excess(self) -> float:
        """Variance that leaving the evidence adds, a step squared; negative where it adds nothing."""
        return (self.spread**2 - self.spread_near**2) / self.steps**2


def departures(fits: FamilyFit, near: Sequence[LeftOut]) -> dict[str, list[Departure]]:
    """By what is left: `another_chip`, `another_kind`, `a_doubling` of the devices."""
    by_stack: dict[str, list[LeftOut]] = defaultdict(list)
    for row in near:
        by_stack[row.stack].append(row)
    found: dict[str, list[Departure]] = {"another_chip": [], "another_kind": [], "a_doubling": []}
    for rows in by_stack.values():
        for chip in sorted({row.row.run.accelerator for row in rows}):
            found["another_chip"] += _held_out(fits, rows, chip, _on(chip))
        for kind in sorted({kind for row in rows for kind in layout_kinds(row.row.scenario)}):
            found["another_kind"] += _held_out(fits, rows, kind, _of(kind))
        largest = max(row.row.scenario.cluster.devices for row in rows)
        found["a_doubling"] += _held_out(fits, rows, f"{largest} devices", _beyond(largest / FAR), by_doubling=True)
    return found


def widening(found: Sequence[Departure]) -> float:
    """What a departure adds to a spread, in quadrature: the root of the mean excess, every stack's counted alike."""
    return math.sqrt(max(0.0, mean(departure.excess for departure in found))) if found else 0.0


def _on(chip: str) -> Leaves:
    return lambda row: row.run.accelerator == chip


def _of(kind: str) -> Leaves:
    return lambda row: kind in layout_kinds(row.scenario)


def _beyond(devices: float) -> Leaves:
    return lambda row: row.scenario.cluster.devices > devices


def _held_out(
    fits: FamilyFit, rows: Sequence[LeftOut], what: str, leaves: Leaves, *, by_doubling: bool = False
) -> Iterator[Departure]:
    """The rows that `leaves` picks, where enough are held out and kept; `by_doubling`: a step is one of the devices."""
    away = [row for row in rows if leaves(row.row)]
    kept = [row for row in rows if not leaves(row.row)]
    if min(len(away), len(kept)) < FEWEST_ROWS:
        return
    stack = rows[0].stack
    values = fits.values(stack, lambda row: row.run.stack != stack or not leaves(row))
    chosen = [at for at, row in enumerate(fits.predictors[stack].rows) if leaves(row)]
    predictor = fits.predictors[stack].subset(chosen)
    missed = (predictor.log_measured() - predictor.log_predicted(values)).tolist()
    yield Departure(
        stack,
        what,
        len(away),
        _spread(zip(predictor.groups, missed, strict=True)),
        _spread((row.row.run.group, row.group_out) for row in away),
        max(1.0, _doublings(away, kept)) if by_doubling else 1.0,
    )


def _doublings(away: Sequence[LeftOut], kept: Sequence[LeftOut]) -> float:
    most = max(row.row.scenario.cluster.devices for row in kept)
    return mean(math.log2(row.row.scenario.cluster.devices / most) for row in away)


def _spread(errors: Iterator[tuple[str, float]]) -> float:
    groups: dict[str, list[float]] = defaultdict(list)
    for group, error in errors:
        groups[group].append(error)
    return spread_of(list(groups.items()))
