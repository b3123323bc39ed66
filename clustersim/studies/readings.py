"""What a bare "utilization" can mean, and what a simulated step gives for each meaning on each base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clustersim.inputs.hardware import Accelerator
from clustersim.simulation.results import StepResult

NO_BASE = "wall clock"


@dataclass(frozen=True)
class Reading:
    """One meaning: its value for a step, and the most that the hardware allows."""

    definition: str
    base: str  # name of the peak it refers to, or NO_BASE
    base_flops: float | None  # FLOP/s of that peak, one device
    value: Callable[[StepResult], float]
    bound: Callable[[StepResult], float]
    counts: bool  # whether an unstated utilization may be read so (the MFU rows)
    convention: str | None = None  # of the FLOPs, for comparison with published records


def bases(accelerator: Accelerator) -> dict[str, float]:
    """Every peak in print for a chip, FLOP/s: the dense matrix peak first, then the others by size."""
    main = accelerator.base_peak
    others = {name: peak for name, peak in accelerator.other_peaks.items() if abs(peak / main - 1) > 0.005}
    return {"matrix peak": main} | dict(sorted(others.items(), key=lambda item: -item[1]))


def readings(accelerator: Accelerator) -> list[Reading]:
    """Every meaning of utilization, the MFU ones by base."""
    rows = [
        Reading(
            definition,
            name,
            peak,
            _scaled(attribute, accelerator, peak),
            _bound(convention, accelerator, peak),
            True,
            convention,
        )
        for definition, attribute, convention in (("mfu", "mfu", "full"), ("mfu_causal", "mfu_causal", "causal"))
        for name, peak in bases(accelerator).items()
    ]
    ceiling = accelerator.kernels.gemm_ceiling
    rows.append(
        Reading("hfu", "matrix peak", accelerator.base_peak, lambda step: step.hfu, _hfu_bound(accelerator), False)
    )
    rows.append(
        Reading(
            "gemm_efficiency",
            "matrix peak",
            accelerator.base_peak,
            lambda step: step.gemm_efficiency,
            lambda step: ceiling,
            False,
        )
    )
    for definition in ("busy_any", "busy_compute"):
        rows.append(Reading(definition, NO_BASE, None, _attribute(definition), lambda step: 1.0, False))
    return rows


def _attribute(name: str) -> Callable[[StepResult], float]:
    return lambda step: float(getattr(step, name))


def _scaled(attribute: str, accelerator: Accelerator, peak: float) -> Callable[[StepResult], float]:
    return lambda step: float(getattr(step, attribute)) * accelerator.base_peak / peak


def _bound(convention: str, accelerator: Accelerator, peak: float) -> Callable[[StepResult], float]:
    """The best measured single-kernel rate for the whole step, nothing else taking any time.

    A causal step executes what the causal convention counts; the full convention counts more than is executed.
    """
    best = accelerator.kernels.gemm_ceiling * accelerator.base_peak / peak
    if convention == "causal":
        return lambda step: best
    return lambda step: best * step.mfu / step.mfu_causal


def _hfu_bound(accelerator: Accelerator) -> Callable[[StepResult], float]:
    return lambda step: accelerator.kernels.gemm_ceiling * step.mfu / step.mfu_causal
