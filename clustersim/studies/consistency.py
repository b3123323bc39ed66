"""Do the figures of a claim agree with each other? Arithmetic on what is stated, base by base."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Equation:
    """Two or more stated figures tied by arithmetic, on one base."""

    base: str
    equation: str  # with numbers, for people
    implied: float
    limit: float | None  # physical limit of what is implied, where there is one
    verdict: str  # consistent, inconsistent or informative
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def chips_of(total_flops: float, utilization: float, base: str, peak: float) -> Equation:
    """How many devices make `total_flops` at a utilization of a peak: total / (utilization x peak)."""
    chips = total_flops / (utilization * peak)
    equation = f"{total_flops / 1e15:.4g} PFLOP/s / ({100 * utilization:.3g} % x {peak / 1e12:.4g} TFLOP/s) = {chips:,.0f} devices"
    return Equation(base, equation, chips, None, "informative", "the claim does not state its number of devices")


def other_utilization(
    utilization: float, base: str, peak: float, ratio: float, other: str, other_peak: float
) -> Equation:
    """What the other cluster must run at: utilization x peak / ratio, over its own peak. Above 100 % it cannot."""
    required = utilization * peak / ratio
    implied = required / other_peak
    equation = (
        f"{100 * utilization:.3g} % x {peak / 1e12:.4g} = {utilization * peak / 1e12:.4g} TFLOP/s; "
        f"/ {100 * ratio:.3g} % = {required / 1e12:.4g} TFLOP/s, {100 * implied:.1f} % of {other_peak / 1e12:.4g} ({other})"
    )
    if implied > 1.0:
        reason = f"the other cluster would have to run at {100 * implied:.0f} % of its peak"
        return Equation(base, equation, implied, 1.0, "inconsistent", reason)
    reason = f"the other cluster would have to run at {100 * implied:.0f} %, which has to be judged by itself"
    return Equation(base, equation, implied, 1.0, "consistent", reason)
