"""Records among the packaged measured runs: what was reached on a chip, counted from step times by every convention."""

from __future__ import annotations

import csv
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files

from clustersim.errors import InputError
from clustersim.inputs.catalog import load
from clustersim.inputs.model import Model
from clustersim.inputs.training import Training
from clustersim.studies.measured.csv_cells import CsvRow, number, text, whole
from clustersim.studies.measured.model import model_of
from clustersim.studies.measured.runs import group_of
from clustersim.studies.published import CONVENTIONS, Record
from clustersim.workload.flops import model_flops_per_token

ONE_NODE = 8  # devices


OF_A_KIND = ("n_devices", "seq_len", "document_len", "precision")  # columns that tell a group's runs apart


@cache
def measured_records(accelerator: str) -> tuple[Record, ...]:
    """The fastest packaged run of each group, size and precision on a chip, by its name."""
    fastest: dict[tuple[str, ...], tuple[float, CsvRow]] = {}
    for row in measured_rows():
        rate = tokens_per_s(row) if chip_name(text(row, "accelerator")) == accelerator else None
        if rate:
            kind = (group_of(row), *(text(row, column) for column in OF_A_KIND))
            fastest[kind] = max(fastest.get(kind, (0.0, row)), (rate, row), key=lambda found: found[0])
    records = (record_of(row, rate) for rate, row in fastest.values())
    return tuple(record for record in records if record is not None)


def measured_chips() -> tuple[str, ...]:
    """Catalog names of the chips that packaged runs were measured on, as the rows name them."""
    return tuple(sorted({text(row, "accelerator") for row in measured_rows()}))


def fastest_measured(accelerator: str) -> tuple[Record, ...]:
    """The fastest packaged run on a chip, by its name: of each kind of model and precision, on one node and on more.

    By causal attention, so that long sequences don't win by what they count alone.
    """
    best: dict[tuple[str, str, bool], Record] = {}
    for record in measured_records(accelerator):
        key = (record.kind, record.precision, record.devices <= ONE_NODE)
        best[key] = max(record, best.get(key, record), key=lambda found: found.flops_by("causal") or 0.0)
    return tuple(sorted(best.values(), key=lambda record: -record.flops))


@cache
def measured_rows() -> tuple[CsvRow, ...]:
    """Every packaged row, of all tables."""
    folder = files("clustersim.catalog").joinpath("measured")
    tables = sorted(entry.name for entry in folder.iterdir() if fnmatch(entry.name, "measured_runs*.csv"))
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in tables]
    return tuple(row for text in texts for row in csv.DictReader(text.splitlines()))


@cache
def chip_name(slug: str) -> str:
    """The name of a chip that rows call by its catalog name."""
    return load("accelerators", slug).name


def tokens_per_s(row: CsvRow) -> float | None:
    """Tokens a second and device of a row; None where it lacks something."""
    sequence, devices = whole(row, "seq_len"), whole(row, "n_devices")
    seconds, batch = number(row, "measured_step_time_s"), whole(row, "global_batch_seqs")
    rate = number(row, "measured_tokens_per_s_per_device")
    if sequence and devices and not rate and seconds and batch:
        return batch * sequence / seconds / devices
    return rate if sequence and devices else None


@cache
def measured_record(place: int) -> Record | None:
    """The record of one of `measured_rows`; None where its model can't be read, or it lacks something."""
    row = measured_rows()[place]
    rate = tokens_per_s(row)
    return record_of(row, rate) if rate else None


def record_of(row: CsvRow, rate: float) -> Record | None:
    """Model FLOP/s a device of a row by full attention; None where its model can't be read."""
    try:
        model = Model.model_validate(model_of(row, []))
    except (InputError, ValueError):
        return None
    sequence = whole(row, "seq_len") or 1
    training = Training(sequence_length=sequence, global_batch=1, document_length=whole(row, "document_len") or None)
    per_token: dict[str, float] = {
        convention: model_flops_per_token(model, training, convention) for convention in CONVENTIONS
    }
    return Record(
        group_of(row),
        chip_name(text(row, "accelerator")),
        f"{text(row, 'source')}, {text(row, 'model')}",
        "moe" if model.moe else "dense",
        whole(row, "n_devices") or 1,
        sequence,
        "full",
        rate * per_token["full"],
        per_token,
        text(row, "precision") or "unstated",
        model.name,
    )
