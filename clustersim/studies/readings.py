"""What a bare "utilization" can mean, and what a simulated step gives for each meaning on each base."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.inputs.hardware import Accelerator, Precision
from clustersim.simulation.results import StepResult

NO_BASE = "wall clock"
MATRIX_PEAK = "matrix peak"
CONVENTIONS = {"mfu": "full", "mfu_causal": "causal", "hfu": "hardware"}  # how the FLOPs are counted
SAME_PEAK = 0.005  # peaks that differ by less are printed roundings of one


@dataclass(frozen=True)
class Reading:
    """One meaning: its value for a step, and the most that the hardware allows."""

    definition: str  # a figure of StepResult
    base: str  # name of the peak it refers to, or NO_BASE
    base_flops: float | None  # FLOP/s of that peak, one device

    @property
    def counts(self) -> bool:
        """Whether an unstated utilization may be read so: the MFU rows."""
        return self.definition in ("mfu", "mfu_causal")

    @property
    def convention(self) -> str | None:
        """How its FLOPs are counted, for comparison with published records; None where none are."""
        return CONVENTIONS.get(self.definition)

    @property
    def base_words(self) -> str:
        """For a table: the peak in TFLOP/s with its name."""
        return self.base if self.base_flops is None else f"{self.base_flops / 1e12:.4g} ({self.base})"

    def value(self, step: StepResult) -> float:
        """What the step reaches."""
        value = float(getattr(step, self.definition))
        if self.base_flops is None:
            return value
        return value * step.scenario.cluster.accelerator.base_peak / self.base_flops

    def bound(self, step: StepResult) -> float:
        """What no layout gets past: the best measured kernel for the whole step, nothing else taking any time."""
        if self.base_flops is None:
            return 1.0
        rate = kernel_rate(step) if self.convention in (None, "causal") else most_model_flops(step)
        return rate / self.base_flops


def bases(accelerator: Accelerator, precision: Precision | None = None) -> dict[str, float]:
    """Every peak in print for a chip, FLOP/s: the dense matrix peak first, then the others by size.

    The peak of the training's own precision is among them where it is another.
    """
    main = accelerator.base_peak
    others = dict(accelerator.other_peaks)
    if precision is not None:
        others[f"{precision} peak"] = accelerator.peak.get(precision, main)
    different = {name: peak for name, peak in others.items() if abs(peak / main - 1) > SAME_PEAK}
    return {MATRIX_PEAK: main} | dict(sorted(different.items(), key=lambda item: -item[1]))


def readings(accelerator: Accelerator, precision: Precision | None = None) -> list[Reading]:
    """Every meaning of utilization, the MFU ones by base."""
    peaks = bases(accelerator, precision)
    rows = [Reading(definition, name, peak) for definition in ("mfu", "mfu_causal") for name, peak in peaks.items()]
    rows += [Reading(definition, MATRIX_PEAK, accelerator.base_peak) for definition in ("hfu", "gemm_efficiency")]
    return rows + [Reading(definition, NO_BASE, None) for definition in ("busy_any", "busy_compute")]


def kernel_rate(step: StepResult) -> float:
    """FLOP/s of the chip's best measured matrix kernel at the precision of the training."""
    chip = step.scenario.cluster.accelerator
    return chip.kernels.best_rate * chip.peak.get(step.scenario.training.precision, chip.base_peak)


def most_model_flops(step: StepResult) -> float:
    """Model FLOP/s a device (full attention) that the best kernel would give.

    A causal step executes what the causal convention counts; the full convention counts more than is executed.
    """
    return kernel_rate(step) * step.mfu / step.mfu_causal
