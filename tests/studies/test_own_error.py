"""What is left of a source's own error after rows of its own; and a source's large runs judged by its small ones."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.errors import InputError
from clustersim.simulation.intervals import model_error
from clustersim.studies.calibration.calibration import calibrated, residual_of
from clustersim.studies.calibration.own_error import PRIOR_ROWS, Parts, posterior, strangers
from clustersim.studies.calibration.parameters import PARAMETERS
from clustersim.studies.calibration.predictor import FitRow, RowPredictor, predictor_of
from clustersim.studies.calibration.stack_file import with_unit
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.validation.validation import packaged_rows

PRIOR = Parts(0.08, 0.06)
ROWS = [row for row in read_rows(packaged_rows()) if row["source"] == "mosaicml-llm-foundry"]


def test_the_sources_part_shrinks_as_the_posterior_of_a_mean_says() -> None:
    """By the closed form, rows scattering as strangers' do."""
    for count in (1, 3, 10, 100):
        found = posterior([PRIOR.rows] * count, [1.0] * count, PRIOR)
        assert found.rows == pytest.approx(PRIOR.rows)
        assert found.source**-2 == pytest.approx(PRIOR.source**-2 + count / PRIOR.rows**2)
    assert posterior([], [], PRIOR) == PRIOR


def test_rows_of_ones_own_outweigh_strangers_and_those_of_a_group_count_less() -> None:
    calm = posterior([0.01] * 50, [1.0] * 50, PRIOR)
    assert 0.01 < calm.rows < 0.021
    assert posterior([0.01] * 50, [0.1] * 50, PRIOR).rows > calm.rows
    wild = posterior([0.3] * 50, [1.0] * 50, PRIOR)
    assert wild.rows > 0.25
    expected = np.sqrt((PRIOR_ROWS * PRIOR.rows**2 + 2 * 0.1**2) / (PRIOR_ROWS + 2))
    assert posterior([0.1, -0.1], [1.0, 1.0], PRIOR).rows == pytest.approx(expected)


def test_the_posterior_holds_what_it_says_on_sources_drawn_from_the_prior() -> None:
    """2,000 sources of five rows: the next row's error over the spread has unit variance; 80 % lie inside 1.28."""
    draw, scores = np.random.default_rng(2), []
    for _ in range(2000):
        shared = draw.normal(scale=PRIOR.source)
        errors = shared + draw.normal(scale=PRIOR.rows, size=6)
        fitted = errors[:5].mean() * PRIOR.source**2 / (PRIOR.source**2 + PRIOR.rows**2 / 5)  # as the fit takes it up
        left = posterior((errors[:5] - errors[:5].mean()) * np.sqrt(5 / 4), [1.0] * 5, PRIOR)
        scores.append(abs(errors[5] - fitted) / left.spread)
    assert np.mean(np.square(scores)) == pytest.approx(1.0, abs=0.12)
    assert np.mean(np.array(scores) < 1.2816) == pytest.approx(0.8, abs=0.03)


def test_strangers_parts_are_those_of_the_packaged_residuals() -> None:
    for experts in (False, True):
        parts = strangers(experts=experts)
        assert 0.02 < parts.source < 0.25
        assert 0.02 < parts.rows < 0.25
    assert strangers(experts=True).spread > strangers(experts=False).spread


@pytest.fixture(scope="module")
def usual_stack(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The software as it is, its numbers as one would guess them of any: nothing of the source is in them."""
    path = tmp_path_factory.mktemp("stacks") / "usual.yaml"
    numbers = {parameter.name: with_unit(parameter.name, parameter.usual) for parameter in PARAMETERS}
    path.write_text(yaml.safe_dump({"extends": "composer-fsdp-2023", "name": "usual", **numbers}), encoding="utf-8")
    return str(path)


def some(devices: tuple[int, ...], each: int) -> list[dict[str, str]]:
    """Rows of the source, of so many on every number of devices."""
    return [row for size in devices for row in [r for r in ROWS if r["n_devices"] == str(size)][:each]]


@pytest.mark.slow
def test_large_runs_of_a_source_are_judged_by_its_small_ones(usual_stack: str, tmp_path: Path) -> None:
    """MosaicML's A100 and H100: fitted up to 64 devices from numbers that never saw them, judged on 128 to 512."""
    rows = ROWS
    path = tmp_path / "mosaic.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    result = CliRunner().invoke(cli, ["calibrate", str(path), "--extends", usual_stack, "--up-to", "64", "--json"])
    assert result.exit_code == 0, result.stderr
    judged = json.loads(result.stdout)["judged"]
    assert judged["rows"] > 10
    assert judged["dense"] < 0.05
    assert judged["before"] > 2 * judged["dense"]
    assert judged["width_80"] < 0.5 * judged["stranger_width_80"]
    assert judged["covered_80"] >= 0.7


def test_synthetic_large_runs_are_recovered_and_said(usual_stack: str) -> None:
    truth = {"sustained": 0.8, "memory_factor": 1.5}
    found = predictor_of(some((8, 64, 128), 4), usual_stack)
    times = np.exp(found.log_predicted(truth) + np.random.default_rng(1).normal(scale=0.01, size=len(found)))
    rows = tuple(FitRow(row.run, row.scenario, float(time)) for row, time in zip(found.rows, times, strict=True))
    fitted = calibrated(RowPredictor(rows, {}), usual_stack, tuple(truth), largest=64)
    assert fitted.judged is not None
    assert fitted.devices == 64
    assert fitted.judged.mean_absolute < 0.03
    assert fitted.judged.before > 0.08
    for estimate in fitted.estimates:
        assert abs(estimate.value - truth[estimate.name]) < 3 * estimate.deviation


def test_a_run_tells_its_own_spread_and_a_strangers(usual_stack: str) -> None:
    found = predictor_of(some((8, 64), 4), usual_stack)
    times = np.exp(found.log_predicted({"sustained": 0.8}))
    rows = tuple(FitRow(row.run, row.scenario, float(time)) for row, time in zip(found.rows, times, strict=True))
    fitted = calibrated(RowPredictor(rows, {}), usual_stack, ("sustained",))
    scenario = found.rows[0].scenario
    stack = scenario.stack.model_copy(update={"residual": residual_of(fitted)})
    own, stranger = model_error(scenario.model_copy(update={"stack": stack})), model_error(scenario)
    assert own.stranger == stranger.spread > own.spread
    assert stranger.stranger is None
    assert "all alike off by" in own.evidence


@pytest.mark.parametrize(
    ("devices", "words"), [(4, "no run of 4 devices or fewer to fit"), (64, "no run of more than 64")]
)
def test_nothing_to_fit_or_to_judge_is_said(usual_stack: str, devices: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        calibrated(predictor_of(some((8, 64), 1), usual_stack), usual_stack, ("sustained",), largest=devices)
