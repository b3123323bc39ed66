"""Published figures by number of devices, to stand beside simulated curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clustersim.errors import InputError, Problem
from clustersim.inputs.catalog import document, load
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.units import shown


@dataclass(frozen=True)
class PublishedSeries:
    """MFU that somebody published, by number of devices, with the source's words for whose it is."""

    id: str
    label: str
    accelerator: str  # its name
    devices: tuple[float, ...]
    mfu: tuple[float, ...]
    source: str


def published_series(ids: Sequence[str]) -> tuple[PublishedSeries, ...]:
    """The series of these ids in the catalog's records. Raises InputError for one that isn't there."""
    entry = document("records", "published-mfu")
    known = {row["id"]: row for row in entry["series"]}
    problems = [
        Problem(f"no published series {shown(name)}{did_you_mean(name, known)}", "published")
        for name in ids
        if name not in known
    ]
    if problems:
        raise InputError("figures", problems)
    return tuple(_series(known[name], entry["sources"]) for name in ids)


def _series(row: dict[str, object], sources: dict[str, str]) -> PublishedSeries:
    cited = row["mfu_by_devices"]
    assert isinstance(cited, dict)
    points = sorted((float(devices), float(mfu)) for devices, mfu in cited["value"].items())
    return PublishedSeries(
        str(row["id"]),
        str(row["label"]),
        load("accelerators", str(row["accelerator"])).name,
        tuple(devices for devices, _ in points),
        tuple(mfu for _, mfu in points),
        sources[cited["source"]],
    )
