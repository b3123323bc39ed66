"""What the sources of packaged measurements are, by the name that rows give them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from clustersim.inputs.table import as_plain
from clustersim.inputs.yaml import read_yaml

FILE = "sources.yaml"


@cache
def citations() -> Mapping[str, str]:
    """Citations by a row's `source`: authors and title, where they were published."""
    text = files("clustersim.catalog").joinpath("measured", FILE).read_text(encoding="utf-8")
    tables = as_plain(read_yaml(text, FILE, []))
    return {
        name: entry["citation"]
        for table in tables.values()
        if isinstance(table, dict)
        for name, entry in table.items()
        if isinstance(entry, dict) and "citation" in entry
    }
