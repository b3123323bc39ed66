"""The sweeps that come with the package: every point is well formed, every figure can be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustersim.inputs.load import config_names
from clustersim.studies.published import published_series
from clustersim.studies.sweeps.points import PlaySettings, resolve_points
from clustersim.studies.sweeps.result_columns import COLUMNS
from clustersim.studies.sweeps.sweep import run_sweep
from clustersim.studies.sweeps.sweep_file import read_sweep
from clustersim.views.plots import draw

SHIPPED = config_names("sweeps")


def test_the_main_ones_are_there() -> None:
    assert {"utilization_vs_scale", "mfu_vs_model_size", "mfu_vs_bandwidth", "ascend_vs_a100"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_point_has_a_scenario(name: str) -> None:
    asked = read_sweep(name)
    assert asked.sweep.name == name
    assert not asked.ad_hoc
    found = resolve_points(asked.sweep, asked.base, PlaySettings())
    assert len(found.points) == asked.sweep.count > 1
    assert all(point.refusal is None for point in found.points)
    assert len(found.keys) == len(found.points)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_figure_names_columns(name: str) -> None:
    sweep = read_sweep(name).sweep
    for figure in sweep.figures:
        assert {figure.x, figure.y, figure.by or figure.x, *figure.where} <= {*sweep.keys, *COLUMNS}
        assert len(published_series(figure.published)) == len(figure.published)


@pytest.mark.slow
def test_the_demo_sweep_draws_what_it_promises(tmp_path: Path) -> None:
    result = run_sweep("utilization_vs_scale", output=tmp_path)
    assert result.count("done") == len(result.rows) == 16
    mfu = {(row["accelerator"], row["devices"]): row["mfu"] for row in result.rows}
    for chip in {row["accelerator"] for row in result.rows}:
        falling = [mfu[chip, devices] for devices in (128, 512, 2048, 8192)]
        assert falling == sorted(falling, reverse=True)  # strong scaling: the bubble grows
    for figure in result.figures:
        assert draw(result.rows, result.keys, figure).axes


@pytest.mark.slow
def test_the_eight_that_calculon_is_validated_on(tmp_path: Path) -> None:
    """Step times of 22B and 175B: Korthikanti et al. 2022, arXiv 2205.05198, table 5. Full recomputation first."""
    rows = run_sweep("calculon_validation", output=tmp_path, workers=1).rows
    assert [row["status"] for row in rows] == ["done"] * 8
    seconds = [row["step_time_s"] for row in rows]
    assert seconds[:4] == pytest.approx([1.42, 1.10, 18.13, 13.75], rel=0.05)
    for full, selective in zip(seconds[::2], seconds[1::2], strict=True):
        assert 1.25 < full / selective < 1.35  # published: 29 and 32 % more throughput
