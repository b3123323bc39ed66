"""What a utilization can mean, and what bounds it."""

from __future__ import annotations

import builders
import pytest

from clustersim.inputs.catalog import load
from clustersim.simulation.results import StepResult
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.claims.definitions import (
    MATRIX_PEAK,
    NO_BASE,
    bases,
    flops_a_token,
    kernel_rate,
    most_flops,
    readings,
)


@pytest.fixture(scope="module")
def step() -> StepResult:
    return simulate_step(builders.scenario(nodes=1, tensor=2))


def test_bases_are_every_peak_in_print_the_matrix_peak_first() -> None:
    peaks = {name: peak / 1e12 for name, peak in bases(load("accelerators", "ascend-910b2")).items()}
    assert list(peaks.values()) == [353.9, 400, 376, 320, 313, 280]
    assert next(iter(peaks)) == MATRIX_PEAK


def test_the_peak_of_the_training_is_a_base_where_it_is_another() -> None:
    chip = load("accelerators", "h800-sxm-80gb")
    assert list(bases(chip, "bf16")) == [MATRIX_PEAK]
    assert bases(chip, "fp8")["fp8 peak"] == chip.peak["fp8"]


def test_a_printed_rounding_is_no_base_of_its_own() -> None:
    chip = builders.accelerator(other_peaks={"rounded": 100.4e12, "marketed": 110e12})
    assert list(bases(chip)) == [MATRIX_PEAK, "marketed"]


def test_every_meaning_has_a_row_and_mfu_counts() -> None:
    rows = readings(builders.accelerator(other_peaks={"marketed": 110e12}))
    assert [(row.definition, row.base, row.counts) for row in rows] == [
        ("mfu", MATRIX_PEAK, True),
        ("mfu", "marketed", True),
        ("mfu_causal", MATRIX_PEAK, True),
        ("mfu_causal", "marketed", True),
        ("mfu_6n", MATRIX_PEAK, True),
        ("mfu_6n", "marketed", True),
        ("hfu", MATRIX_PEAK, False),
        ("gemm_efficiency", MATRIX_PEAK, False),
        ("busy_any", NO_BASE, False),
        ("busy_compute", NO_BASE, False),
    ]
    assert rows[1].base_words == "110 (marketed)"
    assert rows[-1].base_words == NO_BASE
    assert [row.convention for row in rows[5:]] == ["6N", "hardware", None, None, None]


def test_flops_a_token_by_convention(step: StepResult) -> None:
    full, causal, bare, hardware = (flops_a_token(step, name) for name in ("full", "causal", "6N", "hardware"))
    assert full / causal == pytest.approx(step.mfu / step.mfu_causal)
    assert full - causal == pytest.approx(causal - bare), "half of the attention"
    assert hardware / full == pytest.approx(step.hfu / step.mfu)


def test_no_step_is_past_its_bound(step: StepResult) -> None:
    rate = step.scenario.training.tokens_per_step / step.step_time_s / step.devices
    for convention in ("full", "causal", "6N"):
        assert 0 < rate * flops_a_token(step, convention) <= most_flops(step.scenario, convention)


def test_the_bound_is_the_best_measured_kernel(step: StepResult) -> None:
    chip = builders.accelerator(kernels=step.scenario.cluster.accelerator.kernels.model_dump() | {"gemm_ceiling": 0.8})
    slower = _with_chip(step, chip.kernels.model_copy(update={"best_measured": 0.9}))
    assert kernel_rate(slower.scenario) == pytest.approx(90e12)
    assert kernel_rate(_with_chip(step, chip.kernels).scenario) == pytest.approx(80e12)
    assert most_flops(slower.scenario, "causal") == pytest.approx(90e12)
    assert most_flops(slower.scenario, "full") == pytest.approx(90e12 * step.mfu / step.mfu_causal)
    assert most_flops(slower.scenario, "hardware") == most_flops(slower.scenario, "full")
    parameters, causal = (most_flops(slower.scenario, convention) for convention in ("6N", "causal"))
    assert parameters < causal, "attention is executed and not counted"


def test_the_a100s_bound_is_not_below_what_was_measured() -> None:
    chip = load("accelerators", "a100-sxm-80gb")
    assert chip.kernels.best_rate * 312 == pytest.approx(298.34, abs=0.1)
    assert chip.kernels.best_rate > chip.kernels.gemm_ceiling


def test_kernels_of_the_trainings_precision_bound_it() -> None:
    step = simulate_step(builders.scenario(nodes=1, precision="fp8"))
    assert kernel_rate(step.scenario) == pytest.approx(200e12)


def _with_chip(step: StepResult, kernels: object) -> StepResult:
    """The same step on a chip of other kernels."""
    from dataclasses import replace

    cluster = step.scenario.cluster
    chip = cluster.accelerator.model_copy(update={"kernels": kernels})
    node = cluster.node.model_copy(update={"accelerator": chip})
    changed = cluster.model_copy(update={"node": node})
    return replace(step, scenario=step.scenario.model_copy(update={"cluster": changed}))
