"""Calibration: known stacks recovered from synthetic runs, and what can't be told said."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from clustersim.errors import InputError
from clustersim.inputs.catalog import load
from clustersim.studies.calibration.calibration import Calibration, calibrate, calibrated
from clustersim.studies.calibration.parameters import checked_names
from clustersim.studies.calibration.predictor import FitRow, RowPredictor, predictor_of
from clustersim.studies.calibration.stack_file import write_stack
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.validation.validation import packaged_rows

STACK = "megatron-lm-2022"
TRUTH = {"sustained": 0.82, "memory_factor": 1.7, "kernel_gap": 25e-6, "scale_up_efficiency": 0.7}
NOISE = 0.01
ROWS = read_rows(packaged_rows())


def synthetic(seed: int = 3) -> RowPredictor:
    """Rows of Korthikanti and vTrain under one stack with known numbers and 1 % of noise."""
    rows = [row for row in ROWS if row["source"].startswith("korthikanti")]
    rows += [row for row in ROWS if row["source"] == "vtrain" and row["quality"] == "complete"][::3]
    found = predictor_of(rows, STACK)
    noise = np.random.default_rng(seed).normal(scale=NOISE, size=len(found))
    times = np.exp(found.log_predicted(TRUTH) + noise)
    return RowPredictor(
        tuple(FitRow(row.run, row.scenario, float(time)) for row, time in zip(found.rows, times, strict=True)), {}
    )


@pytest.fixture(scope="module")
def found() -> Calibration:
    return calibrated(synthetic(), STACK, tuple(TRUTH))


def test_known_numbers_are_recovered_within_their_uncertainty(found: Calibration) -> None:
    for estimate in found.estimates:
        assert abs(estimate.value - TRUTH[estimate.name]) < 3 * estimate.deviation, estimate
        assert estimate.identified
    assert found.values["sustained"] == pytest.approx(TRUTH["sustained"], rel=0.05)
    assert found.mean_absolute < 2 * NOISE
    assert found.left_out is not None
    assert found.left_out >= 0.5 * found.mean_absolute


def test_residuals_are_by_group(found: Calibration) -> None:
    assert len(found.groups) == 4
    assert sum(errors.rows for errors in found.groups.values()) == found.rows
    assert all(errors.left_out is not None for errors in found.groups.values())


def test_what_runs_do_not_tell_is_said() -> None:
    """One device: no network is met."""
    rows = synthetic().subset([0, 1])
    alone = calibrated(rows, STACK, ("scale_out_efficiency", "sustained"))
    told = {estimate.name: estimate.identified for estimate in alone.estimates}
    assert told["scale_out_efficiency"] is False


def test_the_file_is_a_stack(found: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    write_stack(found, path)
    stack = load("stacks", str(path))
    assert stack.name == "mine"
    assert stack.sustained == pytest.approx(found.values["sustained"], rel=1e-3)
    assert stack.kernel_gap == pytest.approx(found.values["kernel_gap"], rel=1e-3)
    assert stack.residual.spread == pytest.approx(found.spread, rel=1e-2)
    assert "of your measured runs" in stack.residual.evidence


def test_a_file_of_rows_names_its_stack(tmp_path: Path) -> None:
    rows = [row for row in ROWS if row["source"].startswith("korthikanti")]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, rows[0] | {"id": "bad", "layers": "many"}])
    found = calibrate(str(path), parameters=("memory_factor",))
    assert found.extends == STACK
    assert found.rows == 4
    assert "many" in found.refused["bad"]


def test_what_cannot_be_calibrated_is_said(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,accelerator,seq_len,global_batch_seqs,n_devices\na,a100-sxm-80gb,2048,8,8\n", encoding="utf-8")
    with pytest.raises(InputError, match="no row names a stack"):
        calibrate(str(path))
    with pytest.raises(InputError, match=r"rows\.csv"):
        calibrate(str(path), extends=STACK)
    with pytest.raises(InputError, match="accepted: sustained"):
        checked_names("sustained,sped")
    assert checked_names("sustained, kernel-gap") == ("sustained", "kernel_gap")


def test_a_stack_of_ones_own_is_the_one_that_is_fitted(tmp_path: Path) -> None:
    """`--extends PATH`: rows run under that file, not under the nearest stack of the catalog."""
    path = tmp_path / "mine.yaml"
    path.write_text("extends: megatron-lm-2022\nname: mine\nsustained: 0.5\n", encoding="utf-8")
    rows = [row for row in ROWS if row["source"].startswith("korthikanti")]
    found = predictor_of(rows, str(path))
    assert {row.scenario.stack.name for row in found.rows} == {"mine"}
    assert found.log_predicted({}).min() > predictor_of(rows, STACK).log_predicted({}).min() + 0.2
    assert "no such file" in next(iter(predictor_of(rows, str(tmp_path / "none.yaml")).refused.values()))
