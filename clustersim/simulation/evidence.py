"""What was measured of each stack, and how far predictions lay from it: packaged, remade by `make calibrate`."""

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

    `quantiles`: of |log(measured / predicted)| over the spread, groups held out, by level. `departures`: what a spread
    grows by, in quadrature, on another chip, with a kind of model or layout, or at each doubling of the devices, that a
    stack was not measured with.
    """

    stacks: Mapping[str, StackEvidence]  # by name as people write it
    accelerators: frozenset[str]  # chips that any stack was measured on
    quantiles: Mapping[str, float]
    departures: Mapping[str, float]


@lru_cache(maxsize=1)
def evidence() -> Evidence:
    """The packaged evidence."""
    text = files("clustersim.catalog").joinpath("measured", FILE).read_text(encoding="utf-8")
    document = json.loads(text)
    stacks = {
        name: StackEvidence(
            rows=told["rows"],
            groups=told["groups"],
            sources=tuple(told["sources"]),
            accelerators=tuple(told["accelerators"]),
            devices=told["devices"],
            kinds=frozenset(told["kinds"]),
        )
        for name, told in document["stacks"].items()
    }
    chips = frozenset(chip for stack in stacks.values() for chip in stack.accelerators)
    quantiles, departures = (
        {str(name): float(width) for name, width in document[part].items()} for part in ("quantiles", "departures")
    )
    return Evidence(stacks, chips, quantiles, departures)
