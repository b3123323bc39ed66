"""Published training throughput, run by run, chip by chip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clustersim.errors import InputError, Problem
from clustersim.inputs import catalog
from clustersim.inputs.library import known_words, slug
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.units import parse_quantity, shown
from clustersim.views.words import percent

ENTRY = "published-mfu"  # the catalog entry that holds the series
COUNTED = {"full": "full", "causal": "causal", "6N": "6N", "hardware": "recomputed", "unstated": "-"}
COLUMNS = ("devices", "kind", "tokens", "counted", "TFLOP/s", "MFU", "status")
THOUSAND = 1024  # tokens, as sequence lengths go


def is_entry(name: str) -> bool:
    """Whether a name is one of the section's entries, and not a chip to list the records of."""
    return slug(name) in catalog.names("records")


def records_document(chip: str | None = None) -> dict[str, Any]:
    """Every series, or those of a chip, as the catalog cites them, with model TFLOP/s a device."""
    entry = catalog.document("records", ENTRY)
    sources: Mapping[str, str] = entry["sources"]
    return {"records": [_plain(series, sources) for series in _series(entry["series"], chip)]}


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
        if record["accelerator"] != before:
            before = record["accelerator"]
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
        Text("* its source states another figure of the same run."),
        Text(
            f"clustersim show records CHIP lists a chip's runs, and every source: {', '.join(catalog.names('records'))}"
        ),
    )


def _series(series: list[dict[str, Any]], chip: str | None) -> Iterator[dict[str, Any]]:
    """The series of one chip or of all, chips by name and the highest throughput first."""
    wanted = None if chip is None else catalog.load("accelerators", _known(chip)).name
    chips = {row["accelerator"]: catalog.load("accelerators", row["accelerator"]).name for row in series}
    for row in sorted(series, key=lambda row: (row["accelerator"], -_fastest(row))):
        if wanted is None or chips[row["accelerator"]] == wanted:
            yield row


def _known(chip: str) -> str:
    """The name of a chip. Raises InputError, with the nearest, for a word that is neither chip nor entry."""
    try:
        catalog.load("accelerators", chip)
    except InputError:
        hint = did_you_mean(slug(chip), [*catalog.names("records"), *known_words("accelerators")])
        reason = f"no entry and no accelerator {shown(chip)}{hint}"
        raise InputError("show", [Problem(reason, "NAME")]) from None
    return chip


def _plain(series: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, Any]:
    cited = series["mfu_by_devices"]
    base = _base(series)
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


def _fastest(series: Mapping[str, Any]) -> float:
    return float(max(series["mfu_by_devices"]["value"].values())) * _base(series)


def _base(series: Mapping[str, Any]) -> float:
    return parse_quantity(series["base"]["value"], "FLOP/s")


def _tokens(length: int) -> str:
    """8K; a length that is no whole number of thousands as it is."""
    return f"{length // THOUSAND}K" if length % THOUSAND == 0 else f"{length:,}"


def _ends(values: list[str]) -> str:
    """The first to the last of several, or the only one."""
    return values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"
