"""What a utilization can mean, and what bounds it."""

from __future__ import annotations

import builders
import pytest

from clustersim.inputs.catalog import load
from clustersim.simulation.results import StepResult
from clustersim.simulation.step import simulate_step
from clustersim.studies.readings import (
    MATRIX_PEAK,
    NO_BASE,
    Reading,
    bases,
    kernel_rate,
    most_model_flops,
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
        ("hfu", MATRIX_PEAK, False),
        ("gemm_efficiency", MATRIX_PEAK, False),
        ("busy_any", NO_BASE, False),
        ("busy_compute", NO_BASE, False),
    ]
    assert rows[1].base_words == "110 (marketed)"
    assert rows[-1].base_words == NO_BASE
    assert [row.convention for row in rows[3:]] == ["causal", "hardware", None, None, None]


def test_values_are_those_of_the_step_over_the_base(step: StepResult) -> None:
    assert Reading("mfu", "half", 50e12).value(step) == pytest.approx(2 * step.mfu)
    assert Reading("mfu", MATRIX_PEAK, 100e12).value(step) * 100e12 * 8 == pytest.approx(step.achieved_flops)
    assert Reading("busy_any", NO_BASE, None).value(step) == step.busy_any


def test_no_value_is_past_its_bound(step: StepResult) -> None:
    for reading in readings(step.scenario.cluster.accelerator):
        assert 0 < reading.value(step) <= reading.bound(step), reading.definition


def test_the_bound_is_the_best_measured_kernel(step: StepResult) -> None:
    chip = builders.accelerator(kernels=step.scenario.cluster.accelerator.kernels.model_dump() | {"gemm_ceiling": 0.8})
    slower = _with_chip(step, chip.kernels.model_copy(update={"best_measured": 0.9}))
    assert kernel_rate(slower) == pytest.approx(90e12)
    assert kernel_rate(_with_chip(step, chip.kernels)) == pytest.approx(80e12)
    causal, full = (Reading(name, MATRIX_PEAK, 100e12).bound(slower) for name in ("mfu_causal", "mfu"))
    assert causal == pytest.approx(0.9)
    assert full == pytest.approx(0.9 * step.mfu / step.mfu_causal)
    assert full * 100e12 == pytest.approx(most_model_flops(slower))
    assert Reading("gemm_efficiency", MATRIX_PEAK, 100e12).bound(slower) == pytest.approx(0.9)
    assert Reading("busy_compute", NO_BASE, None).bound(slower) == 1.0


def test_the_a100s_bound_is_not_below_what_was_measured() -> None:
    chip = load("accelerators", "a100-sxm-80gb")
    assert chip.kernels.best_rate * 312 == pytest.approx(298.34, abs=0.1)
    assert chip.kernels.best_rate > chip.kernels.gemm_ceiling


def test_kernels_of_the_trainings_precision_bound_it() -> None:
    step = simulate_step(builders.scenario(nodes=1, precision="fp8"))
    assert kernel_rate(step) == pytest.approx(200e12)


def _with_chip(step: StepResult, kernels: object) -> StepResult:
    """The same step on a chip of other kernels."""
    from dataclasses import replace

    cluster = step.scenario.cluster
    chip = cluster.accelerator.model_copy(update={"kernels": kernels})
    node = cluster.node.model_copy(update={"accelerator": chip})
    changed = cluster.model_copy(update={"node": node})
    return replace(step, scenario=step.scenario.model_copy(update={"cluster": changed}))
