"""`make calibrate`: the level of isolated kernels of every chip, read off the packaged tables and put into its file."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from clustersim.inputs.catalog import load
from clustersim.studies.kernels.accuracy import judged_products, level_of
from clustersim.studies.kernels.tables import TimedProduct

LINE = re.compile(r"(?m)^  looped: .*source: kernel-tables.*$")


def write_levels(accelerators: Path) -> None:
    """Rewrite the line of each chip whose file gives the tables as its source."""
    by_chip: dict[str, list[TimedProduct]] = defaultdict(list)
    for timed in judged_products():
        by_chip[timed.chip].append(timed)
    for chip, products in by_chip.items():
        path = accelerators / f"{chip}.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(LINE.sub(level_line(chip, products), text), encoding="utf-8")


def level_line(chip: str, products: list[TimedProduct]) -> str:
    """The line of a chip's file: the level over all shapes, and each source's own."""
    accelerator = load("accelerators", chip)
    by_source: dict[str, list[TimedProduct]] = defaultdict(list)
    for timed in products:
        by_source[timed.source].append(timed)
    own = ", ".join(
        f"{source} {level_of(some, accelerator):.2f} ({len(some)} shapes)" for source, some in sorted(by_source.items())
    )
    level = min(1.0, level_of(products, accelerator))
    return f'  looped: {{value: {level:.3f}, source: kernel-tables, status: computed, note: "by source: {own}"}}'
