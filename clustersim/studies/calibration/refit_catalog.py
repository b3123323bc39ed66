"""`make calibrate`: the packaged stacks refitted, residuals with groups and sources held out, and the evidence.

Rewrites, in the catalog: the level of isolated kernels of chips; numbers of stacks whose source is `fit`;
`measured/left_out.csv` and `measured/evidence.json`.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clustersim.inputs.amounts import counted
from clustersim.inputs.catalog import load
from clustersim.simulation.evidence import FILE
from clustersim.simulation.intervals import layout_kinds
from clustersim.studies.calibration.extrapolation import Departure, departures, widening
from clustersim.studies.calibration.held_out import COLUMNS, LeftOut, left_out
from clustersim.studies.calibration.lineage import Member, members
from clustersim.studies.calibration.stack_file import with_unit
from clustersim.studies.calibration.stack_fits import FamilyFit, LevelFit
from clustersim.studies.calibration.strangers import (
    conformal_widths,
    evenly_covering,
    nested_coverage,
    stranger_spreads,
    trait_variances,
)
from clustersim.studies.kernels.levels import write_levels
from clustersim.studies.measured.csv_cells import CsvRow

FEWEST_ROWS = 5  # of a kind of model or layout, for a stack to count as measured with it


def remake(rows: Iterable[CsvRow], catalog: Path, progress: Callable[[str], None] = lambda what: None) -> list[LeftOut]:
    """Refit everything and rewrite the `catalog` folder; the residuals."""
    write_levels(catalog / "accelerators")
    fits = FamilyFit(rows)
    fits.run(lambda level: progress(f"fitting {level}"))
    found = left_out(fits, lambda slug: progress(f"holding out of {slug}"))
    for member in members().values():
        write_numbers(catalog / "stacks" / f"{member.slug}.yaml", member, fits)
    write_table(catalog / "measured" / "left_out.csv", found)
    progress("holding out chips, kinds and large runs")
    write_evidence(catalog / "measured" / FILE, found, departures(fits, found))
    return found


def write_numbers(path: Path, member: Member, fits: FamilyFit) -> None:
    """Put fitted numbers and their uncertainty into a stack's file, line by line: the rest of it is people's.

    A stack without runs has its family's numbers, or those of all software of its vendor.
    """
    level = next((level for level in reversed(member.levels) if level in fits.fits), None)
    if level is None:
        return
    known, values = fits.fits[level], fits.values(member.slug)
    deviations = dict(zip((p.name for p in known.parameters), np.sqrt(np.diag(known.fit.covariance)), strict=True))
    text = path.read_text(encoding="utf-8")
    for parameter in known.parameters:
        name = parameter.name
        if name in member.fitted:
            value, deviation = values[name], parameter.deviation(values[name], float(deviations[name]))
            note = f'"+- {with_unit(name, deviation)}"'
            line = f"{name}: {{value: {with_unit(name, value)}, source: fit, status: computed, note: {note}}}"
            text = _with_line(text, name, line)
    text = _with_source(text, _words(member, level, known))
    path.write_text(text, encoding="utf-8")


def _with_line(text: str, name: str, line: str) -> str:
    """The file with a number on its line; a new one goes behind the year."""
    if re.search(rf"(?m)^{name}:", text):
        return re.sub(rf"(?m)^{name}: .*$", line, text)
    return re.sub(r"(?m)^(year: .*)$", rf"\1\n{line}", text)


def _with_source(text: str, words: str) -> str:
    line = f'  fit: "{words}"'
    if re.search(r"(?m)^  fit: ", text):
        return re.sub(r"(?m)^  fit: .*$", line, text)
    return re.sub(r"(?m)^sources:\n", f"sources:\n{line}\n", text)


def _words(member: Member, level: str, known: LevelFit) -> str:
    groups = len(set(known.rows.groups))
    whose = "Fitted to" if level == member.slug else f"No run of its own: those of its {level}, fitted to"
    return f"{whose} {counted(len(known.rows), 'measured run')} in {counted(groups, 'group')} (make calibrate)."


def write_table(path: Path, found: Sequence[LeftOut]) -> None:
    """The residuals of every row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.cells() for row in found)


def write_evidence(path: Path, found: Sequence[LeftOut], left: Mapping[str, Sequence[Departure]]) -> None:
    """What intervals need to know of the measured runs."""
    by_stack: dict[str, list[LeftOut]] = defaultdict(list)
    for row in found:
        by_stack[row.stack].append(row)
    variances = evenly_covering(found, trait_variances(found))
    document = {
        "about": "Written by `make calibrate`: clustersim/studies/calibration/refit_catalog.py.",
        "quantiles": _rounded(conformal_widths(found, stranger_spreads(found, variances))),
        "variances": _rounded(variances, 6),
        "nested": {name: _rounded(held) for name, held in sorted(nested_coverage(found).items())},
        "departures": {name: round(widening(some), 4) for name, some in left.items()},
        "departures_of": {
            name: [
                f"{one.stack}: {one.what}, {one.rows} rows, {one.spread_near:.3f} -> {one.spread:.3f}" for one in some
            ]
            for name, some in left.items()
        },
        "stacks": {load("stacks", slug).name: _stack_evidence(rows) for slug, rows in sorted(by_stack.items())},
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _rounded(numbers: Mapping[str, float], digits: int = 4) -> dict[str, float]:
    return {name: round(number, digits) for name, number in numbers.items()}


def _stack_evidence(rows: Sequence[LeftOut]) -> dict[str, Any]:
    kinds = Counter(kind for row in rows for kind in layout_kinds(row.row.scenario))
    return {
        "rows": len(rows),
        "groups": len({row.row.run.group for row in rows}),
        "sources": sorted({row.row.run.source for row in rows}),
        "accelerators": sorted({row.row.scenario.cluster.accelerator.name for row in rows}),
        "devices": max(row.row.scenario.cluster.devices for row in rows),
        "kinds": sorted(kind for kind, count in kinds.items() if count >= FEWEST_ROWS),
    }
