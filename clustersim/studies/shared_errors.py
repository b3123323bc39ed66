"""How far two predictions can err apart: what their errors share cancels in a comparison.

Two runs that one team measures, on the same hardware and software, miss their predictions alike. How much alike is read
off the packaged runs, sources held out whole: in every source, log(measured / predicted) of one run less that of
another, over what the two spreads come to if nothing were shared. The quantiles of that, every source counted alike, by
what the two runs have in common, make the interval of a ratio (split conformal, as `simulation/intervals.py`).
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.evidence import evidence
from clustersim.simulation.intervals import LOW_PRECISION, ModelError
from clustersim.studies.measured.csv_cells import CsvRow, number, text
from clustersim.studies.measured.records import measured_rows
from clustersim.studies.validation.validation import packaged_rows

LEVELS = {"80": 0.80, "95": 0.95}
SHARDED = ("zero2", "zero3", "fsdp", "hybrid")
FEWEST = 10  # pairs of a source, for it to count: five runs or more; fewer say nothing of a quantile
# What two runs have in common, from the most to the least.
SAME_RUN, SAME_SOFTWARE, ELSE = "model, chip and software", "chip and software", "less than chip and software"


class _Held(NamedTuple):
    """A measured run as its source's absence leaves it."""

    group: str  # of one source, chip and model
    software: tuple[str, str]  # chip and stack
    error: float  # log(measured / predicted)
    spread: float  # that a stranger's run of its traits has


def common(one: Scenario, other: Scenario) -> str:
    """What two scenarios have in common that predictions may err alike by."""
    if one.cluster.accelerator.name != other.cluster.accelerator.name or one.stack.name != other.stack.name:
        return ELSE
    return SAME_RUN if one.model.name == other.model.name else SAME_SOFTWARE


def ratio_widths(one: Scenario, other: Scenario, errors: tuple[ModelError, ModelError]) -> dict[str, float]:
    """Half-widths of log(ratio) of two step times by level; 0 where both are one scenario.

    quantile(|d| / sqrt(s1^2 + s2^2)) * sqrt(s1^2 + s2^2), never wider than of independent ones.
    """
    if is_same(one, other):
        return dict.fromkeys(LEVELS, 0.0)
    apart = math.hypot(errors[0].spread, errors[1].spread)
    shared, alone = shared_quantiles()[common(one, other)], evidence().quantiles
    return {level: apart * min(shared[level], alone[level]) for level in LEVELS}


def is_same(one: Scenario, other: Scenario) -> bool:
    """Whether two scenarios describe one run: all but their names and notes."""
    plain = {"name": "", "notes": ()}
    return one.model_copy(update=plain) == other.model_copy(update=plain)


@cache
def shared_quantiles() -> Mapping[str, Mapping[str, float]]:
    """Of |difference of errors| over the spread of independent ones, by what two runs share and by level."""
    pairs: dict[str, list[Floats]] = defaultdict(list)
    for runs in _by_source().values():
        for what, distances in _distances(runs).items():
            if len(distances) >= FEWEST:
                pairs[what].append(distances)
    return {what: {level: _quantile(found, share) for level, share in LEVELS.items()} for what, found in pairs.items()}


def _by_source() -> dict[str, list[_Held]]:
    rows = {text(row, "id"): row for row in measured_rows()}
    found: dict[str, list[_Held]] = defaultdict(list)
    with packaged_rows().with_name("left_out.csv").open(newline="", encoding="utf-8") as file:
        for held in csv.DictReader(file):
            if held["id"] in rows and held["quality"] in ("", "complete"):
                spread = _spread(rows[held["id"]], held["vendor"])
                run = _Held(held["group"], (held["accelerator"], held["stack"]), float(held["source_out"]), spread)
                found[held["source"]].append(run)
    return found


def _spread(row: CsvRow, vendor: str) -> float:
    """Of a stranger's run with the traits that a row states, as `simulation.intervals.traits` names them."""
    experts, low = (number(row, "n_experts") or 0) > 1, text(row, "precision") in LOW_PRECISION
    met = {
        "any run": True,
        "experts": experts,
        "experts in low precision": experts and low,
        "context parallelism": (number(row, "cp") or 1) > 1,
        "fully sharded parameters": text(row, "sharding") in SHARDED,
        "eager software": vendor == "huawei",
    }
    variances = evidence().variances
    return math.sqrt(sum(variances.get(name, 0.0) for name, holds in met.items() if holds))


def _distances(runs: list[_Held]) -> dict[str, Floats]:
    """|e1 - e2| / sqrt(s1^2 + s2^2) of all pairs of one source, by what they have in common."""
    errors, spreads = np.array([run.error for run in runs]), np.array([run.spread for run in runs])
    groups = np.unique([f"{run.group} {run.software}" for run in runs], return_inverse=True)[1]
    software = np.unique([str(run.software) for run in runs], return_inverse=True)[1]
    first, second = np.triu_indices(len(runs), 1)
    apart = np.abs(errors[first] - errors[second]) / np.hypot(spreads[first], spreads[second])
    alike, near = groups[first] == groups[second], software[first] == software[second]
    return {SAME_RUN: apart[alike], SAME_SOFTWARE: apart[near & ~alike], ELSE: apart[~near]}


def _quantile(found: list[Floats], share: float) -> float:
    """Of the values of all sources, each source counted alike."""
    values = np.concatenate(found)
    weights = np.concatenate([np.full(len(each), 1.0 / len(each)) for each in found])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, share)), len(values) - 1)])
