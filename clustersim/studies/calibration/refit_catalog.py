"""`make calibrate`: the packaged stacks refitted, their residuals with groups and sources held out, and the evidence.

Rewrites, in the catalog: the level of isolated kernels of chips; numbers of stacks whose source is `fit`; every stack's
residual; `measured/left_out.csv` and `measured/evidence.json`.
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

from clustersim.inputs.catalog import load, names
from clustersim.simulation.evidence import FILE
from clustersim.simulation.intervals import layout_kinds, spread_of
from clustersim.studies.amounts import counted
from clustersim.studies.calibration.extrapolation import Departure, departures, widening
from clustersim.studies.calibration.held_out import COLUMNS, LeftOut, left_out, shortfall, vendor_of
from clustersim.studies.calibration.parameters import Parameter
from clustersim.studies.calibration.stack_file import with_unit
from clustersim.studies.calibration.stack_fits import FamilyFit
from clustersim.studies.kernels.levels import write_levels
from clustersim.studies.measured.csv_cells import CsvRow

LEVELS = {"80": 0.80, "95": 0.95}
POOLED_GROUPS = 2.0  # the vendor's spread counts as so many groups beside a stack's own
FEWEST_ROWS = 5  # of a kind of model or layout, for a stack to count as measured with it


def remake(rows: Iterable[CsvRow], catalog: Path, progress: Callable[[str], None] = lambda what: None) -> list[LeftOut]:
    """Refit everything and rewrite the `catalog` folder; the residuals."""
    write_levels(catalog / "accelerators")
    fits = FamilyFit(rows)
    fits.run(lambda slug: progress(f"fitting {slug}"))
    found = left_out(fits, lambda slug: progress(f"holding out of {slug}"))
    for slug, known in fits.fits.items():
        deviations = np.sqrt(np.diag(known.fit.covariance))
        values = fits.values(slug)
        told = [
            (parameter, values[parameter.name], parameter.deviation(values[parameter.name], float(sd)))
            for parameter, sd in zip(known.parameters, deviations, strict=True)
        ]
        groups = len(set(known.rows.groups))
        write_numbers(catalog / "stacks" / f"{slug}.yaml", told, len(known.rows), groups)
    write_table(catalog / "measured" / "left_out.csv", found)
    spreads = stack_spreads(found)
    for slug in names("stacks"):
        spread, evidence = spreads[slug]
        measured = any(row.stack == slug for row in found)
        late = 0.0 if measured else shortfall(found, load("stacks", slug).vendors[0])
        write_residual(catalog / "stacks" / f"{slug}.yaml", spread, evidence, late)
    progress("holding out chips, kinds and large runs")
    widths = {slug: spread for slug, (spread, _) in spreads.items()}
    write_evidence(catalog / "measured" / FILE, found, widths, departures(fits, found))
    return found


def stack_spreads(found: Sequence[LeftOut]) -> dict[str, tuple[float, str]]:
    """The spread of every packaged stack, and what it rests on.

    A measured stack's own residuals with groups held out, beside its vendor's; another stack's are its vendor's
    residuals with whole sources held out: a stack predicted by inheritance alone.
    """
    pools = {vendor: [row for row in found if vendor_of(row) == vendor] for vendor in {vendor_of(row) for row in found}}
    spreads = {}
    for slug in names("stacks"):
        own = [row for row in found if row.stack == slug]
        pool = pools.get(load("stacks", slug).vendors[0], list(found))
        if not own:
            evidence = "no measured run: what its vendor's stacks missed when predicted by inheritance alone"
            spreads[slug] = spread_of(_grouped(pool, lambda row: row.source_out)), evidence
            continue
        groups, shared = _grouped(own, lambda row: row.group_out), _grouped(pool, lambda row: row.group_out)
        mean = (len(groups) * spread_of(groups) + POOLED_GROUPS * spread_of(shared)) / (len(groups) + POOLED_GROUPS)
        sources = ", ".join(sorted({row.row.run.source for row in own}))
        rows = f"{counted(len(own), 'measured run')} in {counted(len(groups), 'group')}"
        evidence = f"{rows} ({sources}), each group held out in turn"
        spreads[slug] = mean, evidence
    return spreads


def conformal_widths(found: Sequence[LeftOut], spreads: dict[str, float]) -> dict[str, float]:
    """Half-widths in spreads, by level: quantiles of |residual| / spread, every group weighing the same.

    One group more is taken to lie beyond all (the conformal correction). Source: Dunn, Wasserman and Ramdas 2022.
    """
    groups = Counter((row.stack, row.row.run.group) for row in found)
    scores = np.array([abs(row.group_out) / spreads[row.stack] for row in found])
    weights = np.array([1.0 / groups[row.stack, row.row.run.group] for row in found]) / (len(groups) + 1)
    order = np.argsort(scores)
    reached, last = np.cumsum(weights[order]), len(found) - 1  # of few groups, the farthest
    return {
        level: float(scores[order][min(last, int(np.searchsorted(reached, share)))]) for level, share in LEVELS.items()
    }


def write_numbers(path: Path, numbers: Sequence[tuple[Parameter, float, float]], rows: int, groups: int) -> None:
    """Put fitted numbers and their evidence into a stack's file, line by line: the rest of it is people's."""
    text = path.read_text(encoding="utf-8")
    for parameter, value, deviation in numbers:
        shown, spread = with_unit(parameter.name, value), with_unit(parameter.name, deviation)
        note = f'"+- {spread}"'
        line = f"{parameter.name}: {{value: {shown}, source: fit, status: computed, note: {note}}}"
        text = re.sub(rf"(?m)^{parameter.name}: .*source: fit.*$", line, text)
    evidence = f"{counted(rows, 'measured run')} in {counted(groups, 'group')}"
    words = f"Fitted to {evidence}, the parent stack as prior (make calibrate)."
    text = re.sub(r"(?m)^  fit: .*$", f'  fit: "{words}"', text)
    path.write_text(text, encoding="utf-8")


def write_residual(path: Path, spread: float, evidence: str, late: float) -> None:
    """Put a stack's residual into its file; `late`: what it is predicted to fall short of what it inherits."""
    text = path.read_text(encoding="utf-8")
    if "\nresidual:\n" not in text:
        return  # a release has its stack's
    block = f"residual:\n  spread: {{value: {spread:.3g}, source: held-out, status: computed}}\n"
    block += f"  shortfall: {{value: {late:.3g}, source: held-out, status: computed}}\n"
    block += f'  evidence: "{evidence}"\n'
    text = re.sub(r"(?m)^residual:\n(?:  .*\n)+", block, text)
    text = re.sub(r"(?m)^  (?:residuals|held-out): .*\n", "", text)
    words = (
        '  held-out: "Residuals of the packaged measured runs, groups or sources held out: measured/left_out.csv."\n'
    )
    text = re.sub(r"(?m)^sources:\n", f"sources:\n{words}", text)
    if "source: assumed" not in text:
        text = re.sub(r"(?m)^  assumed: .*\n", "", text)
    path.write_text(text, encoding="utf-8")


def write_table(path: Path, found: Sequence[LeftOut]) -> None:
    """The residuals of every row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.cells() for row in found)


def write_evidence(
    path: Path, found: Sequence[LeftOut], spreads: dict[str, float], left: Mapping[str, Sequence[Departure]]
) -> None:
    """What intervals need to know of the measured runs."""
    by_stack: dict[str, list[LeftOut]] = defaultdict(list)
    for row in found:
        by_stack[row.stack].append(row)
    stacks = {load("stacks", slug).name: _stack_evidence(rows) for slug, rows in sorted(by_stack.items())}
    widths = {level: round(width, 4) for level, width in conformal_widths(found, spreads).items()}
    document = {
        "about": "Written by `make calibrate`: clustersim/studies/remake.py.",
        "quantiles": widths,
        "departures": {name: round(widening(some), 4) for name, some in left.items()},
        "departures_of": {
            name: [
                f"{one.stack}: {one.what}, {one.rows} rows, {one.spread_near:.3f} -> {one.spread:.3f}" for one in some
            ]
            for name, some in left.items()
        },
        "stacks": stacks,
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


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


def _grouped(rows: Sequence[LeftOut], error: Callable[[LeftOut], float]) -> list[tuple[str, list[float]]]:
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        groups[row.row.run.group].append(error(row))
    return list(groups.items())
