"""What a bare "utilization" can mean, and what a simulated step gives for each meaning on each base."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.inputs.claim_metrics import MFU
from clustersim.inputs.hardware import Accelerator
from clustersim.inputs.precisions import Precision
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import StepResult
from clustersim.workload.flops import Convention, model_flops_per_token

NO_BASE = "wall clock"
MATRIX_PEAK = "matrix peak"
CONVENTIONS = {"mfu": "full", "mfu_causal": "causal", "mfu_6n": "6N", "hfu": "hardware"}  # how FLOPs are counted
SAME_PEAK = 0.005  # peaks that differ by less are printed roundings of one


@dataclass(frozen=True)
class Reading:
    """One meaning, on one base."""

    definition: str  # mfu, mfu_causal, mfu_6n or a figure of StepResult
    base: str  # name of the peak it refers to, or NO_BASE
    base_flops: float | None  # FLOP/s of that peak, one device

    @property
    def counts(self) -> bool:
        """Whether an unstated utilization may be read so: the MFU rows."""
        return self.definition in MFU

    @property
    def convention(self) -> str | None:
        """How its FLOPs are counted, for comparison with published records; None where none are."""
        return CONVENTIONS.get(self.definition)

    @property
    def base_words(self) -> str:
        """For a table: the peak in TFLOP/s with its name."""
        return self.base if self.base_flops is None else f"{self.base_flops / 1e12:.4g} ({self.base})"


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
    """Every meaning that one device's step has, the MFU ones by base."""
    peaks = bases(accelerator, precision)
    rows = [Reading(definition, name, peak) for definition in MFU for name, peak in peaks.items()]
    rows += [Reading(definition, MATRIX_PEAK, accelerator.base_peak) for definition in ("hfu", "gemm_efficiency")]
    return rows + [Reading(definition, NO_BASE, None) for definition in ("busy_any", "busy_compute")]


def flops_a_token(step: StepResult, convention: str) -> float:
    """Model FLOP a token of a step's model by a convention; recomputed work is counted in `hardware`."""
    counted = model_flops_a_token(step.scenario, convention)
    return counted * step.hfu / step.mfu if convention == "hardware" else counted


def model_flops_a_token(scenario: Scenario, convention: str) -> float:
    """Model FLOP a token by a convention; `hardware` without any recomputed work, which is full attention."""
    known: Convention = "causal" if convention == "causal" else "6N" if convention == "6N" else "full"
    return model_flops_per_token(scenario.model, scenario.training, known)


def kernel_rate(scenario: Scenario) -> float:
    """FLOP/s of the chip's best measured matrix kernel at the precision of the training."""
    chip = scenario.cluster.accelerator
    return chip.kernels.best_rate * chip.peak.get(scenario.training.precision, chip.base_peak)


def most_flops(scenario: Scenario, convention: str) -> float:
    """Model FLOP/s a device, counted by a convention, that the best kernel would give with nothing else to do.

    A causal step executes what the causal convention counts, and recomputation more; the full convention counts more
    than is executed, and 6N less. Executed work that is computed twice counts twice on both sides, so that `hardware`
    is bounded as `full` is.
    """
    return kernel_rate(scenario) * model_flops_a_token(scenario, convention) / model_flops_a_token(scenario, "causal")
