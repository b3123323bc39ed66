"""How far a predicted peak may lie from a measured one, and how likely it is that a layout fits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import NormalDist

FILE = "memory_evidence.json"
NORMAL = NormalDist()
LEVELS = {"80": NORMAL.inv_cdf(0.90), "95": NORMAL.inv_cdf(0.975)}


@dataclass(frozen=True)
class MemoryEvidence:
    """Spreads of log(measured / predicted) peaks, one sd each."""

    rows: int
    any: float  # of software that nothing was measured of
    stacks: Mapping[str, float]  # by the stack's name, and with experts


@cache
def memory_evidence() -> MemoryEvidence:
    """What published peaks told (`clustersim validate --memory`)."""
    text = files("clustersim.catalog").joinpath("measured", FILE).read_text(encoding="utf-8")
    document = json.loads(text)
    return MemoryEvidence(document["rows"], document["any"], document["stacks"])


def evidence_name(stack: str, *, experts: bool) -> str:
    """What peaks of a stack are summed up under: models with experts apart."""
    return f"{stack}, experts" if experts else stack


def memory_spread(stack: str, *, experts: bool) -> float:
    """One sd of log(measured / predicted) peak memory with a stack, by its name."""
    known = memory_evidence()
    return known.stacks.get(evidence_name(stack, experts=experts), known.any)


def fit_probability(peak_bytes: float, usable_bytes: float, spread: float) -> float:
    """How likely a device with `usable_bytes` holds a predicted peak: P(log-normal error <= log(usable / peak))."""
    if peak_bytes <= 0.0:
        return 1.0
    return NORMAL.cdf(math.log(usable_bytes / peak_bytes) / spread)


def largest_peak(usable_bytes: float, spread: float, probability: float) -> float:
    """Bytes of the largest predicted peak that fits so likely."""
    return usable_bytes * math.exp(-spread * NORMAL.inv_cdf(probability))


def peak_interval(peak_bytes: float, spread: float, level: str = "80") -> tuple[float, float]:
    """Bytes between which a measured peak lies with 80 or 95 %."""
    width = math.exp(LEVELS[level] * spread)
    return peak_bytes / width, peak_bytes * width
