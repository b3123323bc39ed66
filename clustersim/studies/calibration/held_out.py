"""How well measured rows are predicted without them: their group held out, or their whole source."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from clustersim.studies.calibration.predictor import FitRow
from clustersim.studies.calibration.stack_fits import REGULAR, FamilyFit, Kept

SHRINKING = 2.0  # sources that are taken to have missed nothing

COLUMNS = (
    "id",
    "source",
    "group",
    "stack",
    "accelerator",
    "experts",
    "devices",
    "in_sample",
    "group_out",
    "source_out",
    "inherited",
)


@dataclass(frozen=True)
class LeftOut:
    """log(measured / predicted) of one row: fitted with it, without its group, and without its source.

    Without its source a stack is predicted by its parents' numbers (`inherited`), and by how much longer than those the
    vendor's other sources took (`source_out`).
    """

    row: FitRow
    stack: str
    in_sample: float
    group_out: float
    source_out: float
    inherited: float

    def cells(self) -> dict[str, str | int | float]:
        """A line of the packaged table."""
        scenario = self.row.scenario
        return {
            "id": self.row.run.id,
            "source": self.row.run.source,
            "group": self.row.run.group,
            "stack": self.stack,
            "accelerator": self.row.run.accelerator,
            "experts": int(scenario.model.moe is not None),
            "devices": scenario.cluster.devices,
            "in_sample": round(self.in_sample, 5),
            "group_out": round(self.group_out, 5),
            "source_out": round(self.source_out, 5),
            "inherited": round(self.inherited, 5),
        }


def left_out(fits: FamilyFit, progress: Callable[[str], None] = lambda name: None) -> list[LeftOut]:
    """Every row of every stack, predicted three times."""
    found = []
    for slug, predictor in fits.predictors.items():
        progress(slug)
        rows = list(predictor.rows)
        whole = _residuals(fits, slug, rows, lambda row: "", lambda held: None)
        without_group = _residuals(fits, slug, rows, lambda row: row.run.group, _other_groups)
        without_source = _residuals(fits, slug, rows, lambda row: row.run.source, _other_sources)
        found += [
            LeftOut(row, slug, fitted, near, far, far)
            for row, fitted, near, far in zip(rows, whole, without_group, without_source, strict=True)
        ]
    return [_among_others(row, found) for row in found]


def shortfall(found: Sequence[LeftOut], vendor: str, but: str = "") -> float:
    """Share by which steps of a vendor's sources took longer than inherited numbers say.

    The mean over the vendor's sources, a source as good as another, and as if two more had missed nothing (shrunk: few
    sources tell little). Only rows of full quality count; a vendor without runs is taken as all of them; at least 0.
    `but`: a source that isn't counted. Source of the shrinking: Efron and Morris 1975, doi 10.2307/2285814.
    """
    missed: dict[str, list[float]] = defaultdict(list)
    for row in [row for row in found if vendor_of(row) == vendor] or found:
        if row.row.run.source != but and row.row.run.quality in REGULAR:
            missed[row.row.run.source].append(row.inherited)
    return max(0.0, math.expm1(sum(map(mean, missed.values())) / (len(missed) + SHRINKING)))


def vendor_of(row: LeftOut) -> str:
    """Who makes the chips that it ran on."""
    return row.row.scenario.cluster.accelerator.vendor


def _among_others(row: LeftOut, found: Sequence[LeftOut]) -> LeftOut:
    return replace(row, source_out=row.inherited - math.log1p(shortfall(found, vendor_of(row), row.row.run.source)))


def _other_groups(held: str) -> Kept:
    return lambda row: row.run.group != held


def _other_sources(held: str) -> Kept:
    return lambda row: row.run.source != held


def _residuals(
    fits: FamilyFit,
    slug: str,
    rows: list[FitRow],
    fold: Callable[[FitRow], str],
    kept_without: Callable[[str], Kept | None],
) -> list[float]:
    """log(measured / predicted) of each row, with numbers refitted without its fold."""
    folds: dict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        folds[fold(row)].append(at)
    errors = [0.0] * len(rows)
    for name, chosen in folds.items():
        some = fits.predictors[slug].subset(chosen)
        missed = some.log_measured() - some.log_predicted(fits.values(slug, kept_without(name)))
        for at, error in zip(chosen, missed, strict=True):
            errors[at] = float(error)
    return errors
