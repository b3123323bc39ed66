"""What has been published: series of MFU by number of devices, and the best throughput anybody showed on a chip."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clustersim.errors import InputError, Problem
from clustersim.inputs.amounts import counted
from clustersim.inputs.catalog import document, load, names, plain_document
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.search_path import slug
from clustersim.inputs.training import Training
from clustersim.inputs.units import parse_quantity, shown
from clustersim.workload.flops import Convention, model_flops_per_token

CONVENTIONS: tuple[Convention, ...] = ("full", "causal", "6N")
WORDS = {
    "full": "full attention",
    "causal": "causal attention",
    "6N": "6N",
    "hardware": "recomputed work counted",
    "unstated": "convention unstated",
}
SMALLER = 64  # MegaScale lost 15 % of its rate from 256 to 12,288 devices: smaller runs say little of larger ones
# By the convention of a claimed figure: records that count no more than it does, or don't say what they count.
COMPARABLE = {
    "full": ("full", "causal", "6N", "unstated"),
    "causal": ("causal", "6N", "unstated"),
    "6N": ("6N", "unstated"),
    "hardware": tuple(WORDS),
}


@dataclass(frozen=True)
class Record:
    """One published run: model FLOP/s a device, and how they were counted."""

    id: str
    accelerator: str  # its name
    label: str
    kind: str  # dense or moe
    devices: int
    sequence_length: int
    convention: str  # full, causal, 6N, hardware or unstated
    flops: float  # FLOP/s a device
    per_token: Mapping[str, float] = field(default_factory=dict)  # model FLOPs by convention, of a known model
    precision: str = "unstated"  # of the matrix products
    model: str = ""  # its name, where it is known

    def flops_by(self, convention: str) -> float | None:
        """FLOP/s a device to hold against a figure of `convention`: recounted where the model is known.

        None where the record counts more than the figure does and can't be recounted.
        """
        if self._recounts(convention):
            return self.flops * self.per_token[convention] / self.per_token[self.convention]
        return self.flops if self.convention in COMPARABLE[convention] else None

    def counted_by(self, convention: str) -> str:
        """How `flops_by` counts, in words."""
        own = WORDS[self.convention]
        return f"{WORDS[convention]}, recounted from {own}" if self._recounts(convention) else own

    def _recounts(self, convention: str) -> bool:
        return convention != self.convention and {convention, self.convention} <= set(self.per_token)


def training_records() -> tuple[Record, ...]:
    """Every record in the catalog: a series of published MFU gives one for each number of devices."""
    known = set(names("models"))
    return tuple(
        Record(
            series["id"],
            load("accelerators", series["accelerator"]).name,
            series["label"],
            series["kind"],
            int(devices),
            series["sequence_length"],
            series["convention"],
            mfu * parse_quantity(series["base"], "FLOP/s"),
            _per_token(series) if series["model"] in known else {},
            series["precision"],
            load("models", series["model"]).name if series["model"] in known else "",
        )
        for series in plain_document("records", "published-mfu")["series"]
        for devices, mfu in series["mfu_by_devices"].items()
    )


def _per_token(series: Mapping[str, Any]) -> dict[str, float]:
    model = load("models", series["model"])
    training = Training(sequence_length=series["sequence_length"], global_batch=1)
    return {convention: model_flops_per_token(model, training, convention) for convention in CONVENTIONS}


@dataclass(frozen=True)
class PublishedRun:
    """The best published run to hold against a figure."""

    flops: float  # FLOP/s a device, by the figure's convention
    described: str  # how much, counted how, by whom, on how many
    same_kind: bool  # of model; one of another kind shows what the chip can do, no more
    groups: int = 1  # that published such runs
    same_model: bool = False


def best_published(
    records: Iterable[Record],
    accelerator: str,
    kind: str,
    convention: str,
    *,
    longest_sequence: int,
    devices: int,
    more_than: int,
    model: str = "",
    at_most: float = math.inf,
) -> PublishedRun | None:
    """The highest record of a chip by a `convention`: of the `model`, else of its `kind`, else of another kind.

    Only records `at_most` so many FLOP/s a device are looked at.
    Longer sequences flatter attention, so records past the longest sequence in question are left out; and so are
    those of `more_than` devices or fewer, such as runs on one node where a cluster is claimed, and of a cluster that is
    SMALLER times smaller, unless there are no others.
    """
    fitting = [
        (record, flops)
        for record in records
        if record.accelerator == accelerator
        and record.sequence_length <= longest_sequence
        and record.devices > more_than
        and (flops := record.flops_by(convention)) is not None
        and flops <= at_most
    ]
    fitting = [found for found in fitting if found[0].devices * SMALLER >= devices] or fitting
    if not fitting:
        return None
    same = [found for found in fitting if found[0].kind == kind]
    own = [found for found in same if model and slug(found[0].model) == slug(model)]
    nearest = own or same or fitting
    record, flops = max(nearest, key=lambda found: found[1])
    words = f"{flops / 1e12:.0f} TFLOP/s ({record.counted_by(convention)})"
    words += f", {record.label} ({record.kind}), {counted(record.devices, 'device')}"
    return PublishedRun(flops, words, bool(same), len({found[0].id for found in nearest}), bool(own))


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
