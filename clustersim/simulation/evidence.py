"""What was measured, and how far strangers' runs lay from predictions: packaged, remade by `make calibrate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

FILE = "evidence.json"


@dataclass(frozen=True)
class StackEvidence:
    """The measured runs of one stack."""

    rows: int
    groups: int
    sources: tuple[str, ...]
    accelerators: tuple[str, ...]  # names as people write them
    devices: int  # of the largest run
    kinds: frozenset[str]  # of models and layouts met, as `layout_kinds` names them


@dataclass(frozen=True)
class Evidence:
    """All of it.

    `quantiles`: of |log(measured / predicted)| over the spread, whole sources held out, by level. `variances`: of that
    logarithm, by what a run has that others don't. `departures`: what the spread of a calibrated stack grows by, in
    quadrature, on another chip, with a kind of model or layout, or at each doubling of the devices, that it was not
    measured with. `nested`: shares of held-out runs inside their intervals, by class of runs and level, where the
    intervals were found without the run's source, too.
    """

    stacks: Mapping[str, StackEvidence]  # by name as people write it
    accelerators: frozenset[str]  # chips that any stack was measured on
    sources: int
    rows: int
    devices: int  # of the largest run
    quantiles: Mapping[str, float]
    variances: Mapping[str, float]
    departures: Mapping[str, float]
    nested: Mapping[str, Mapping[str, float]]


@lru_cache(maxsize=1)
def evidence() -> Evidence:
    """The packaged evidence."""
    text = files("clustersim.catalog").joinpath("measured", FILE).read_text(encoding="utf-8")
    document = json.loads(text)
    stacks = {
        name: StackEvidence(
            rows=runs["rows"],
            groups=runs["groups"],
            sources=tuple(runs["sources"]),
            accelerators=tuple(runs["accelerators"]),
            devices=runs["devices"],
            kinds=frozenset(runs["kinds"]),
        )
        for name, runs in document["stacks"].items()
    }
    quantiles, variances, departures = (
        {str(name): float(size) for name, size in document[part].items()}
        for part in ("quantiles", "variances", "departures")
    )
    return Evidence(
        stacks,
        accelerators=frozenset(chip for stack in stacks.values() for chip in stack.accelerators),
        sources=len({source for stack in stacks.values() for source in stack.sources}),
        rows=sum(stack.rows for stack in stacks.values()),
        devices=max((stack.devices for stack in stacks.values()), default=1),
        quantiles=quantiles,
        variances=variances,
        departures=departures,
        nested=document.get("nested", {}),
    )
