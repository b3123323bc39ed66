"""What a training script was called with, where a row's notes list it: `script flags: use-mc2=True,kv-channels=256`."""

from __future__ import annotations

import re

from clustersim.studies.measured.csv_cells import CsvRow, text

LIST = re.compile(r"script flags: ([^;]*)")


def script_flags(row: CsvRow) -> dict[str, str]:
    """Flags by name; empty where the notes list none. A comma inside a value ends it, as in a list of layers."""
    found = LIST.search(text(row, "notes"))
    pairs = (pair.partition("=") for pair in found[1].split(",")) if found else ()
    return {name.strip(): value.strip().strip("'\"") for name, equals, value in pairs if equals}
