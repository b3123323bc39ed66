"""What claims assert: figures with their dimension, their unit in tables, and which side of them is the boast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clustersim.inputs.units import parse_quantity, shown

Metric = Literal[
    "utilization",
    "mfu",
    "mfu_causal",
    "mfu_6n",
    "hfu",
    "busy_any",
    "busy_compute",
    "gemm_efficiency",
    "scaling_efficiency",
    "goodput",
    "achieved_flops",
    "achieved_flops_per_device",
    "achieved_flops_ratio",
    "step_time_s",
    "tokens_per_s",
    "tokens_per_s_per_device",
    "training_days",
    "device_hours",
    "cost_usd",
    "energy_kwh",
    "memory_bytes",
    "parameters",
    "active_parameters",
    "data_bytes",
    "input_token_price",
    "output_token_price",
    "token_price_saving",
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
# What people write for a metric.
ALIASES = {
    "step_time": "step_time_s",
    "tokens_per_second": "tokens_per_s",
    "cost": "cost_usd",
    "energy": "energy_kwh",
    "memory": "memory_bytes",
    "ratio": "achieved_flops_ratio",
    "total_parameters": "parameters",
    "data": "data_bytes",
    "price_saving": "token_price_saving",
}


@dataclass(frozen=True)
class Figure:
    """How a metric is read and printed."""

    dimension: str  # a key of units.DIMENSIONS
    unit: str  # in tables
    at_most: bool = False  # less is the greater boast


RATIO = Figure("ratio", "%")  # above 1 it is a claim all the same
FIGURES: dict[str, Figure] = dict.fromkeys(("utilization", *sorted(MEANINGS)), RATIO) | {
    "achieved_flops": Figure("FLOP/s", "FLOP/s"),
    "achieved_flops_per_device": Figure("FLOP/s", "FLOP/s"),
    "achieved_flops_ratio": RATIO,
    "step_time_s": Figure("s", "s", at_most=True),
    "tokens_per_s": Figure("count", "tokens/s"),
    "tokens_per_s_per_device": Figure("count", "tokens/s"),
    "training_days": Figure("s", "days", at_most=True),
    "device_hours": Figure("count", "device-hours", at_most=True),
    "cost_usd": Figure("USD", "USD", at_most=True),
    "energy_kwh": Figure("count", "kWh", at_most=True),
    "memory_bytes": Figure("bytes", "bytes", at_most=True),
    "parameters": Figure("count", "parameters"),
    "active_parameters": Figure("count", "parameters"),
    "data_bytes": Figure("bytes", "bytes"),
    "input_token_price": Figure("USD", "USD", at_most=True),
    "output_token_price": Figure("USD", "USD", at_most=True),
    "token_price_saving": Figure("fraction", "%"),
}
# What `given` may state beside the parts of a scenario: taken as said, tied to the other figures, not judged by itself.
STATED = tuple(
    name
    for name, figure in FIGURES.items()
    if figure is not RATIO and name not in ("memory_bytes", "token_price_saving")
)
SECONDS_A_DAY = 86_400.0
LEAST, MOST = 1e-9, 1e30  # figures outside say nothing, and their quotients overflow


def read_figure(metric: str, value: float | str) -> float:
    """A claimed figure in SI, days for `training_days`. A plain number is in the metric's own unit.

    Raises ValueError, saying what would be accepted.
    """
    number = parse_quantity(value, FIGURES[metric].dimension)
    if metric == "training_days" and isinstance(value, str) and not _is_plain(value):
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
