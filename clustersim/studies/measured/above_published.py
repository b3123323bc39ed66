"""Predictions beside what was ever published: is one above every run on its chip, with a model of its kind?

A run of the packaged tables is counted exactly (model FLOPs by convention) only where it might beat the prediction, in
the order of what it did by rough count: a prediction that isn't above all costs the reading of one or two models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from clustersim.inputs.search_path import slug
from clustersim.inputs.units import format_quantity
from clustersim.simulation.result_row import kind_of
from clustersim.simulation.results import StepResult
from clustersim.studies.measured.csv_cells import CsvRow, number, text, whole
from clustersim.studies.measured.records import chip_name, measured_chips, measured_record, measured_rows, tokens_per_s
from clustersim.studies.published import Record, training_records
from clustersim.studies.validation.baseline import FULL_RECOMPUTE, work_per_device

HALF = ("bf16", "fp16", "unstated", "")
KINDS = {"dense": "dense models", "moe": "mixtures of experts"}


@dataclass(frozen=True)
class AbovePublished:
    """What a prediction lies above: the best of so many published runs on its chip, of its kind of model."""

    runs: int
    kind: str  # dense or moe
    accelerator: str
    mfu: float  # predicted, as the best run is counted
    best_mfu: float  # of the best run, over the same base
    convention: str  # of both: causal or full
    best: str  # whose it is
    precision: str = ""  # of these runs, where it isn't the prediction's

    @property
    def words(self) -> str:
        """MFU 68.2 % (causal attention) is above the best of 41 published runs of dense models on A100: 65 % (GPT)."""
        ours, theirs = (format_quantity(share, "ratio") for share in (self.mfu, self.best_mfu))
        remark = f", all in {self.precision}" if self.precision else ""
        return (
            f"MFU {ours} ({self.convention} attention) is above the best of {self.runs:,} published runs of "
            f"{KINDS[self.kind]} on {self.accelerator}{remark}: {theirs} ({self.best})"
        )

    def to_dict(self) -> dict[str, Any]:
        """For programs, with the words."""
        return asdict(self) | {"words": self.words}


@dataclass(frozen=True)
class Reached:
    """What is predicted on a chip, as far as published runs compare with it."""

    accelerator: str  # its name
    kind: str  # of model: dense or moe
    precision: str
    mfu: float
    mfu_causal: float
    base: float  # FLOP/s that both are shares of


def above_published(step: StepResult) -> AbovePublished | None:
    """What a step's MFU lies above; None where some published run reached it, or where there is none."""
    scenario = step.scenario
    chip, precision = scenario.cluster.accelerator, scenario.training.precision
    return above_runs(Reached(chip.name, kind_of(scenario.model), precision, step.mfu, step.mfu_causal, chip.base_peak))


def row_above_published(row: Mapping[str, object]) -> AbovePublished | None:
    """The same of a point of a sweep, as it was simulated or as its table was read; None where a column is missing."""
    try:
        mfu, causal, flops = (float(str(row[name])) for name in ("mfu", "mfu_causal", "achieved_flops"))
        flops /= float(str(row["devices"]))
        chip, kind, precision = (str(row[name]) for name in ("accelerator", "model_kind", "precision"))
    except (KeyError, ValueError):
        return None
    return above_runs(Reached(chip, kind, precision, mfu, causal, flops / mfu)) if mfu > 0 and kind in KINDS else None


def above_runs(reached: Reached) -> AbovePublished | None:
    """What a prediction lies above; None where some published run reached it, or where there is none."""
    runs = _comparable(reached.accelerator, reached.kind, reached.precision)
    found: list[tuple[float, Record]] = []
    for record in _records(runs, reached.accelerator, reached.kind):
        ratio = _times(reached, record)
        if ratio <= 1.0:
            return None
        found.append((ratio, record))
    if not found:
        return None
    ratio, best = min(found, key=lambda each: each[0])
    convention = _convention(best)
    mfu = reached.mfu_causal if convention == "causal" else reached.mfu
    return AbovePublished(
        len(found), reached.kind, reached.accelerator, mfu, mfu / ratio, convention, best.label, runs.remark
    )


def _convention(record: Record) -> str:
    return "full" if record.flops_by("causal") is None else "causal"


def _times(reached: Reached, record: Record) -> float:
    """Predicted FLOP/s a device over a record's, counted alike; a record that counts more keeps what it counts."""
    convention = _convention(record)
    ours = (reached.mfu_causal if convention == "causal" else reached.mfu) * reached.base
    return ours / (record.flops_by(convention) or record.flops)


@dataclass(frozen=True)
class _Runs:
    """Measured rows to hold a prediction against, by place, the best by rough count first."""

    places: tuple[int, ...]
    precisions: tuple[str, ...]  # of these
    remark: str = ""  # on it, where it isn't the prediction's


@cache
def _comparable(accelerator: str, kind: str, precision: str) -> _Runs:
    """Rows of a chip, kind and precision; in 16 bits where there are none in fewer."""
    near = set(slug(accelerator).split("-"))
    likely = [chip for chip in measured_chips() if near & set(chip.split("-"))]
    chips = {chip for chip in likely if chip_name(chip) == accelerator}
    rows = measured_rows()
    of_kind = [
        place
        for place, row in enumerate(rows)
        if text(row, "accelerator") in chips and _kind(row) == kind and tokens_per_s(row)
    ]
    own = HALF if precision in HALF else (precision,)
    alike = [place for place in of_kind if text(rows[place], "precision") in own]
    if not alike and own != HALF:
        own, alike = HALF, [place for place in of_kind if text(rows[place], "precision") in HALF]
    ordered = sorted(alike, key=lambda place: _rough_flops(rows[place]), reverse=True)
    return _Runs(tuple(ordered), own, "" if precision in own else "16 bits")


def _kind(row: CsvRow) -> str:
    return "moe" if (number(row, "n_experts") or 0) > 1 else "dense"


def _rough_flops(row: CsvRow) -> float:
    """FLOP/s a device without what recomputation repeats; to order rows by, no more."""
    batch, devices = number(row, "global_batch_seqs") or 1.0, number(row, "n_devices") or 1.0
    work = work_per_device(row) / (FULL_RECOMPUTE if text(row, "recompute") == "full" else 1.0)
    a_token = work * devices / (batch * (whole(row, "seq_len") or 1))
    return a_token * (tokens_per_s(row) or 0.0)


def _records(runs: _Runs, accelerator: str, kind: str) -> Iterator[Record]:
    """Rows as records, as they are asked for; after them published runs that are no rows."""
    for place in runs.places:
        record = measured_record(place)
        if record is not None:
            yield record
    for record in _published():
        if (record.accelerator, record.kind) == (accelerator, kind) and record.precision in runs.precisions:
            yield record


@cache
def _published() -> tuple[Record, ...]:
    return training_records()
