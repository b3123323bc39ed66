"""What a sweep would be: its points resolved, none played, nothing written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clustersim.inputs.load import Source
from clustersim.studies.sweeps.points import PlaySettings, resolve_points
from clustersim.studies.sweeps.result_columns import Reasons, refusals
from clustersim.studies.sweeps.sweep_file import read_sweep


@dataclass(frozen=True)
class SweepPreview:
    """How many points there would be, and which of them could not be played."""

    name: str
    keys: tuple[str, ...]
    points: int
    scenarios: int  # different ones among the points that can be played
    shapes: int  # of scenarios that are played side by side
    searches: int  # scenarios whose layout is searched
    refused: int  # points whose parts don't fit each other
    refusals: tuple[Reasons, ...]  # why, the commonest first

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim sweep --dry-run --json` prints."""
        reasons = [{"points": each.points, "reason": each.reason} for each in self.refusals]
        counts = {name: getattr(self, name) for name in ("points", "scenarios", "shapes", "searches", "refused")}
        return {"name": self.name, "keys": list(self.keys), **counts, "reasons": reasons}


def preview_sweep(
    source: Source,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    settings: PlaySettings | None = None,
) -> SweepPreview:
    """The points of a sweep, counted. Raises InputError for mistakes in keys and values, as playing it would.

    What is out of memory shows only when a point is played, and is no refusal here.
    """
    asked = read_sweep(source, overrides)
    resolved = resolve_points(asked.sweep, asked.base, settings or PlaySettings())
    rows = [point.refusal for point in resolved.points if point.refusal is not None]
    return SweepPreview(
        asked.sweep.name,
        asked.sweep.keys,
        len(resolved.points),
        len(resolved.keys),
        resolved.structures,
        resolved.searches,
        len(rows),
        refusals(rows),
    )
