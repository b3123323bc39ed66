"""How well measured rows are predicted without them: their group held out, or their whole source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clustersim.studies.calibration.predictor import FitRow
from clustersim.studies.calibration.stack_fits import FamilyFit, Kept

COLUMNS = (
    "id",
    "source",
    "group",
    "stack",
    "accelerator",
    "vendor",
    "experts",
    "devices",
    "quality",
    "in_sample",
    "group_out",
    "source_out",
)


@dataclass(frozen=True)
class LeftOut:
    """log(measured / predicted) of one row: fitted with it, without its group, and without its whole source.

    Without its source a row is a stranger's: every level of software is refitted without what that source published.
    """

    row: FitRow
    stack: str
    in_sample: float
    group_out: float
    source_out: float

    def cells(self) -> dict[str, str | int | float]:
        """A line of the packaged table."""
        scenario = self.row.scenario
        return {
            "id": self.row.run.id,
            "source": self.row.run.source,
            "group": self.row.run.group,
            "stack": self.stack,
            "accelerator": self.row.run.accelerator,
            "vendor": scenario.cluster.accelerator.vendor,
            "experts": int(scenario.model.moe is not None),
            "devices": scenario.cluster.devices,
            "quality": self.row.run.quality,
            "in_sample": round(self.in_sample, 5),
            "group_out": round(self.group_out, 5),
            "source_out": round(self.source_out, 5),
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
            LeftOut(row, slug, *errors) for row, *errors in zip(rows, whole, without_group, without_source, strict=True)
        ]
    return found


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
) -> Sequence[float]:
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
