"""Everything that comes with the package runs from end to end, as a user runs it; warnings are errors in all tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from claims_library import FALSE, TRUE
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.inputs.catalog import names
from clustersim.inputs.load import config_names

DONE, INFEASIBLE, IMPLAUSIBLE = 0, 3, 1
CLUSTERS = ("a100-1024", "ascend-910b-2048", "h100-16384")
SCORED = (*TRUE, *FALSE)  # claims that the library's own tests run
# What a sweep of points that are searched or played takes; the others take a second each.
LONG_SWEEPS = {"ascend_vs_a100", "mfu_vs_model_size", "utilization_vs_scale"}


def run(*arguments: str, accepted: tuple[int, ...] = (DONE,)) -> dict[str, Any]:
    """The document of a command that ends as it should."""
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code in accepted, (arguments, result.stderr or result.exception)
    document: dict[str, Any] = json.loads(result.stdout or "{}")
    return document


@pytest.mark.parametrize("name", config_names("scenarios"))
def test_every_scenario_runs(name: str) -> None:
    step = run("run", name)
    assert sum(step["breakdown"].values()) == pytest.approx(step["step_time_s"])
    assert step["fits"]


@pytest.mark.parametrize("name", config_names("serving"))
def test_every_serving_file_runs(name: str) -> None:
    assert run("serve", name)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG_SWEEPS)) for name in config_names("sweeps")]
)
def test_every_sweep_runs(name: str, tmp_path: Path) -> None:
    counted = run("sweep", name, "--output", str(tmp_path), "--workers", "1")
    assert counted["done"] == counted["points"]
    assert counted["failed"] == counted["infeasible"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in config_names("claims") if name not in SCORED])
def test_every_claim_is_judged(name: str) -> None:
    assert run("check", name, accepted=(DONE, IMPLAUSIBLE))["assertions"]


@pytest.mark.slow
@pytest.mark.parametrize("model", names("models"))
def test_every_model_runs_on_a_cluster_by_name(model: str) -> None:
    """Or says on all of them that it doesn't fit: what a user asks first, with everything left open."""
    for cluster in CLUSTERS:
        run("run", model, "--cluster", cluster, accepted=(DONE, INFEASIBLE))
