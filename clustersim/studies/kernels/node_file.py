"""A calibrated chip as a node's file, which scenarios and the catalog can name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from clustersim.inputs.amounts import counted
from clustersim.inputs.references import is_path
from clustersim.studies.kernels.own_chip import ChipFigure, OwnChip

UNITS = {
    "launch": (1e-6, "us"),
    "latency": (1e-6, "us"),
    "start": (1e-6, "us"),
    "switch_bandwidth": (1e9, "GB/s"),
}  # of numbers that are no shares


def with_unit(place: str, value: float) -> str | float:
    """A number as files give it."""
    size, unit = UNITS.get(place.rpartition(".")[2], (1.0, ""))
    short = float(f"{value / size:.4g}")
    return f"{short:g} {unit}" if unit else short


def node_document(found: OwnChip, tables: str) -> dict[str, Any]:
    """The file's content: the node that it extends, its chip with measured kernels, its tiers with measured links."""
    document: dict[str, Any] = {
        "about": f"{found.name}: numbers of its kernels and links that {tables} tells, all others as in the catalog.",
        "extends": _reference(found.node),
        "name": found.name,
        "accelerator": {"extends": _reference(found.chip)},  # its name too: what was measured on the chip holds for it
    }
    for figure in found.figures:
        *parts, name = figure.place.split(".")
        table = document
        for part in parts:
            table = table.setdefault(part, {})
        table[name] = _cited(figure)
    document["sources"] = {
        "measured": "clustersim measure, read by clustersim calibrate --kernels: robust least squares."
    }
    return document


def _reference(name: str) -> str:
    """A name of the catalog; a path as it is from everywhere."""
    return os.path.abspath(name) if is_path(name) else name


def _cited(figure: ChipFigure) -> dict[str, Any]:
    catalog = "none" if figure.catalog is None else with_unit(figure.place, figure.catalog)
    off = "" if figure.deviation is None else f"+- {with_unit(figure.place, figure.deviation)}; "
    note = f"{off}{counted(figure.rows, 'row')}; the catalog has {catalog}"
    return {"value": with_unit(figure.place, figure.value), "source": "measured", "status": "computed", "note": note}


def write_node(found: OwnChip, tables: str, path: Path) -> None:
    """Write the node as YAML."""
    import yaml

    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(node_document(found, tables), sort_keys=False, allow_unicode=True, width=120)
    path.write_text(text, encoding="utf-8")
