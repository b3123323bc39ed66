"""What claims assert: the figures of `figures.py` that they may name, and what a bare utilization can mean."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from clustersim.inputs.base import refusal
from clustersim.inputs.figures import FIGURES
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.units import SECONDS_A_DAY, parse_quantity, shown

METRICS = {figure.name: figure for figure in FIGURES if "claim" in figure.shown_in}
ALIASES = {alias: name for name, figure in METRICS.items() for alias in figure.aliases}
# What `given` may state beside the parts of a scenario: taken as said, tied to the other figures, not judged by itself.
STATED = tuple(name for name, figure in METRICS.items() if "given" in figure.shown_in)


def long_name(name: Any) -> Any:
    """The name of a metric where it goes by a shorter one."""
    return ALIASES.get(name, name) if isinstance(name, str) else name


def _known_metric(name: Any) -> str:
    metric = long_name(name)
    if not isinstance(metric, str) or metric not in METRICS:
        hint = did_you_mean(name, [*METRICS, *ALIASES]) if isinstance(name, str) else ""
        raise refusal(f"expected {', '.join(METRICS)}; got {shown(name)}{hint}")
    return metric


Metric = Annotated[
    str, BeforeValidator(_known_metric), WithJsonSchema({"enum": [*METRICS, *ALIASES], "type": "string"})
]
Definition = Literal[
    "unstated",
    "mfu",
    "mfu_causal",
    "mfu_6n",
    "hfu",
    "busy_any",
    "busy_compute",
    "gemm_efficiency",
    "scaling_efficiency",
    "goodput",
    "ratio",
]
MFU = ("mfu", "mfu_causal", "mfu_6n")
WITH_BASE = frozenset({"unstated", *MFU, "hfu", "gemm_efficiency"})  # definitions over a peak
# Names of one meaning of utilization that stand for `utilization` with that definition.
MEANINGS = frozenset({*MFU, "hfu", "busy_any", "busy_compute", "gemm_efficiency", "scaling_efficiency", "goodput"})
LEAST, MOST = 1e-9, 1e30  # figures outside say nothing, and their quotients overflow


def read_figure(metric: str, value: float | str) -> float:
    """A claimed figure in SI, days where its unit is days. A plain number is in the metric's own unit.

    Raises ValueError, saying what would be accepted.
    """
    number = parse_quantity(value, METRICS[metric].dimension)
    if METRICS[metric].unit == "days" and isinstance(value, str) and not _is_plain(value):
        number /= SECONDS_A_DAY
    if not LEAST <= number <= MOST:
        raise ValueError(f"{shown(value)} is not a figure that anybody asserts")
    return number


def _is_plain(text: str) -> bool:
    """Whether a string is a number without a unit."""
    try:
        float(text)
    except ValueError:
        return False
    return True
