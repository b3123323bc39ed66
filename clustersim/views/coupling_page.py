"""The table of docs/coupling.md: how far coupling in a few passes lies from events. Written by `make coupling`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from clustersim.studies.validation.coupling_errors import PASSES, CouplingError, coupling_errors

PLACE = re.compile(r"(<!-- written by `make coupling` -->\n).*(<!-- up to here -->)", re.DOTALL)


def with_table(page: str, errors: Sequence[CouplingError]) -> str:
    """The page with the table of these errors in its place."""
    return PLACE.sub(lambda found: f"{found[1]}\n{coupling_table(errors)}\n{found[2]}", page)


def coupling_table(errors: Sequence[CouplingError]) -> str:
    """A row a case, and the largest error of each number of passes, as Markdown."""
    head = ["scenario", "fluid", *("default" if not passes else f"{passes}" for passes in PASSES)]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    rows += [
        [error.case.name, f"{error.fluid_s:.2f} s", *(_signed(error.of(passes)) for passes in PASSES)]
        for error in errors
    ]
    worst = [max(abs(error.of(passes)) for error in errors) for passes in PASSES]
    rows.append(["largest", "", *(f"{100 * error:.2f} %" for error in worst)])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _signed(share: float) -> str:
    return f"{round(100 * share, 2) + 0.0:+.2f} %"  # no -0.00


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.write_text(with_table(place.read_text(encoding="utf-8"), list(coupling_errors())), encoding="utf-8")
