"""The first minutes: sweeps counted before they are played, models by the hub's names, runs that are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clustersim.cli import cli


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_a_dry_run_counts_points_shapes_and_refusals_and_writes_nothing(here: Path) -> None:
    axes = ("cluster.nodes=8,16", "layout.micro_batch=1,3", "layout.data=auto")
    result = invoke("sweep", "gpt3_175b_a100", *axes, "--dry-run", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["points"] == 4
    assert found["refused"] == sum(reason["points"] for reason in found["reasons"]) == 2
    assert found["scenarios"] == 2
    assert 1 <= found["shapes"] <= found["scenarios"]
    assert "micro_batch 3" in found["reasons"][0]["reason"]
    assert list(here.iterdir()) == []
    words = invoke("sweep", "gpt3_175b_a100", *axes, "--dry-run").stdout
    assert "4 points" in words
    assert "2 refused" in words
    assert "2 x training.global_batch" in words


def test_a_dry_run_is_what_is_played() -> None:
    axes = ("layout.micro_batch=1,2,5", "layout.data=auto")
    found = json.loads(invoke("sweep", "gpt3_175b_a100", *axes, "--dry-run", "--json").stdout)
    played = json.loads(invoke("sweep", "gpt3_175b_a100", *axes, "--json").stdout)
    assert found["points"] == played["points"]
    assert found["refused"] == played["infeasible"]


def test_a_dry_run_says_how_many_layouts_are_searched() -> None:
    found = json.loads(invoke("sweep", "gpt3_175b_a100", "layout=search", "seed=1,2", "--dry-run", "--json").stdout)
    assert found["searches"] == 2


def test_a_dry_run_of_a_wrong_key_is_refused() -> None:
    assert invoke("sweep", "gpt3_175b_a100", "layout.mikro_batch=1,2", "--dry-run").exit_code == 2


def test_a_model_of_the_hub_runs_and_one_with_a_known_run_names_it() -> None:
    result = invoke("run", "meta-llama/Llama-3.1-8B", "--cluster", "8xh100", "--global-batch", "64", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["scenario"]["model"]["layers"] == 32


@pytest.mark.parametrize(
    ("model", "known"), [("deepseek-ai/DeepSeek-V3", "deepseek_v3_h800_2048"), ("gpt-3-175b", "gpt3_175b_a100")]
)
def test_scenarios_that_train_a_model_are_known_by_any_of_its_names(model: str, known: str) -> None:
    from clustersim.cli.scenarios import scenario_from
    from clustersim.inputs.from_model import scenarios_of

    assert known in scenarios_of(model)
    flags = {"cluster": "64xdgx-a100-80gb"}
    assert any(f"clustersim run {known}" in note for note in scenario_from(model, [], flags).notes)
    chosen = scenario_from(model, ["training.precision=bf16"], flags)
    assert not any("clustersim run" in note for note in chosen.notes)
    assert scenarios_of("no-such-model") == []


def test_the_first_example_of_run_is_a_published_run() -> None:
    text = invoke("run", "--help").stdout
    assert text.split("Examples:")[1].split()[:3] == ["clustersim", "run", "deepseek_v3_h800_2048"]
