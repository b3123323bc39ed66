"""Do the figures of a claim agree with each other? Arithmetic on what is stated, base by base."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from clustersim.inputs.amounts import amount, number, whole


@dataclass(frozen=True)
class Equation:
    """Two or more stated figures tied by arithmetic, on one base."""

    base: str
    equation: str  # with numbers, for people
    implied: float
    limit: float | None  # physical limit of what is implied, where there is one
    verdict: str  # consistent, inconsistent or informative
    reason: str
    ties: tuple[str, ...] = ()  # ids of the figures that it ties together
    definition: str = ""  # the meaning of a utilization that it is about; empty: any

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class Devices:
    """How many devices a claim speaks of."""

    fewest: int
    most: int
    stated: bool  # not left open

    @property
    def words(self) -> str:
        """2,048 or, where several were tried, 2,048 to 6,144."""
        return f"{self.most:,}" if self.fewest == self.most else f"{self.fewest:,} to {self.most:,}"


def chips_of(
    total_flops: float,
    utilization: float,
    base: str,
    peak: float,
    devices: Devices,
    tolerance: float = 0.05,
    ties: tuple[str, ...] = (),
) -> Equation:
    """How many devices make `total_flops` at a utilization of a peak: total / (utilization x peak)."""
    chips = total_flops / (utilization * peak)
    verdict, reason = "informative", f"the claim doesn't state its number of devices, and {devices.words} were tried"
    if devices.stated:
        verdict = "consistent" if abs(chips / devices.most - 1) <= tolerance else "inconsistent"
        reason = f"the claim states {devices.words}"
    equation = f"{amount(total_flops, 'FLOP/s')} / ({share(utilization)} x {amount(peak, 'FLOP/s')}) = "
    return Equation(base, f"{equation}{whole(chips)} devices", chips, None, verdict, reason, ties)


def other_utilization(
    utilization: float,
    base: str,
    peak: float,
    ratio: float,
    other: str,
    other_peak: float,
    ties: tuple[str, ...] = (),
) -> Equation:
    """What the other cluster must run at: utilization x peak / ratio, over its own peak. Above 100 % it cannot."""
    mine, theirs = utilization * peak, utilization * peak / ratio
    implied = theirs / other_peak
    equation = (
        f"{share(utilization)} x {amount(peak, 'FLOP/s')} = {amount(mine, 'FLOP/s')}; / {share(ratio)} = "
        f"{amount(theirs, 'FLOP/s')}, {share(implied, 1)} of the {amount(other_peak, 'FLOP/s')} of {other}"
    )
    if implied > 1.0:
        reason = f"the other cluster would have to run at {share(implied)} of its peak"
        return Equation(base, equation, implied, 1.0, "inconsistent", reason, ties)
    reason = f"the other cluster would have to run at {share(implied)}, which is judged by itself"
    return Equation(base, equation, implied, 1.0, "consistent", reason, ties)


def share(value: float, digits: int = 0) -> str:
    """82 %, 97.4 %; whole unless the figure has more digits of its own."""
    percent = 100 * value
    if percent >= 1000:
        return f"{number(percent)} %"
    if digits == 0 and abs(percent - round(percent)) > 1e-9 and percent < 100:
        return f"{percent:.3g} %"
    return f"{percent:.{digits}f} %"
