"""Published and measured training throughput, run by run, chip by chip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clustersim.errors import InputError, Problem
from clustersim.inputs import catalog
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.search_path import known_words, slug
from clustersim.inputs.units import parse_quantity, shown
from clustersim.studies.measured.records import fastest_measured, measured_chips
from clustersim.studies.published import Record
from clustersim.views.words import percent

ENTRY = "published-mfu"  # the catalog entry that holds the series
COUNTED = {"full": "full", "causal": "causal", "6N": "6N", "hardware": "recomputed", "unstated": "-"}
COLUMNS = ("devices", "kind", "tokens", "counted", "TFLOP/s", "MFU", "status")
THOUSAND = 1024  # tokens, as sequence lengths go


def is_entry(name: str) -> bool:
    """Whether a name is one of the section's entries, and not a chip to list the records of."""
    return slug(name) in catalog.names("records")


def records_document(chip: str | None = None) -> dict[str, Any]:
    """Every series, or those of a chip, as the catalog cites them, and the fastest measured runs beside them."""
    entry = catalog.document("records", ENTRY)
    sources: Mapping[str, str] = entry["sources"]
    wanted = None if chip is None else catalog.load("accelerators", _known(chip)).name
    rows = [_published(series, sources) for series in entry["series"]]
    rows += [_measured(record, name) for name in measured_chips() for record in fastest_measured(_name(name))]
    shown = [row for row in rows if wanted is None or _name(row["accelerator"]) == wanted]
    return {
        "records": sorted(shown, key=lambda row: (_name(row["accelerator"]), -max(row["tflops_by_devices"].values())))
    }


def records_view(chip: str | None = None) -> RenderableType:
    """One line a series under its chip, the fastest first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("run", overflow="fold", min_width=12, ratio=1)
    for column in COLUMNS:
        right = column in ("devices", "tokens", "TFLOP/s", "MFU")
        wraps = column in ("devices", "kind", "TFLOP/s")
        table.add_column(column, justify="right" if right else "left", no_wrap=not wraps)
    before = ""
    for record in records_document(chip)["records"]:
        if _name(record["accelerator"]) != before:
            before = _name(record["accelerator"])
            table.add_row(Text(before, style="bold"))
        conflict = " *" if record["conflicts_with"] else ""
        rates = record["tflops_by_devices"]
        table.add_row(
            f"  {record['label']}{conflict}",
            _ends([f"{devices:,}" for devices in rates]),
            record["kind"] if record["precision"] == "unstated" else f"{record['kind']} {record['precision']}",
            _tokens(record["sequence_length"]),
            COUNTED[record["convention"]],
            _ends([f"{rate:,.0f}" for rate in rates.values()]),
            percent(max(record["mfu_by_devices"].values())),
            record["status"],
        )
    return Group(
        table,
        Text("TFLOP/s: of the model, a device. MFU: the best, over the 16-bit peak. tokens: of a sequence."),
        Text("counted: full or causal attention, none (6N), recomputed work too; - where the source doesn't say."),
        Text("measured: the fastest of measured_runs.csv of its sort. * its source also states another figure."),
        Text(
            f"clustersim show records CHIP lists a chip's runs, and every source: {', '.join(catalog.names('records'))}"
        ),
    )


def _name(accelerator: str) -> str:
    return catalog.load("accelerators", accelerator).name


def _canonical(accelerator: str) -> str:
    """The name of a chip's own entry, which other names may stand for."""
    return next(name for name in catalog.names("accelerators") if _name(name) == _name(accelerator))


def _known(chip: str) -> str:
    """The name of a chip. Raises InputError, with the nearest, for a word that is neither chip nor entry."""
    try:
        catalog.load("accelerators", chip)
    except InputError:
        hint = did_you_mean(slug(chip), [*catalog.names("records"), *known_words("accelerators")])
        reason = f"no entry and no accelerator {shown(chip)}{hint}"
        raise InputError("show", [Problem(reason, "NAME")]) from None
    return chip


def _published(series: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, Any]:
    cited = series["mfu_by_devices"]
    base = parse_quantity(series["base"]["value"], "FLOP/s")
    return {
        "id": series["id"],
        "label": series["label"],
        "accelerator": series["accelerator"],
        "model": series["model"],
        "kind": series["kind"],
        "precision": series["precision"],
        "sequence_length": series["sequence_length"],
        "convention": series["convention"],
        "base_tflops": base / 1e12,
        "mfu_by_devices": {int(devices): mfu for devices, mfu in cited["value"].items()},
        "tflops_by_devices": {int(devices): mfu * base / 1e12 for devices, mfu in cited["value"].items()},
        "status": cited["status"],
        "source": sources[cited["source"]],
        "note": cited.get("note", ""),
        "conflicts_with": series.get("conflicts_with"),
    }


def _measured(record: Record, accelerator: str) -> dict[str, Any]:
    base = catalog.load("accelerators", accelerator).base_peak
    return {
        "id": record.id,
        "label": record.label,
        "accelerator": _canonical(accelerator),
        "model": record.label.rpartition(", ")[2],
        "kind": record.kind,
        "precision": record.precision,
        "sequence_length": record.sequence_length,
        "convention": record.convention,
        "base_tflops": base / 1e12,
        "mfu_by_devices": {record.devices: record.flops / base},
        "tflops_by_devices": {record.devices: record.flops / 1e12},
        "status": "measured",
        "source": "measured/measured_runs.csv, counted from step times",
        "note": "",
        "conflicts_with": None,
    }


def _tokens(length: int) -> str:
    """8K; a length that is no whole number of thousands as it is."""
    return f"{length // THOUSAND}K" if length % THOUSAND == 0 else f"{length:,}"


def _ends(values: list[str]) -> str:
    """The first to the last of several, or the only one."""
    return values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"
