"""`clustersim init`: what it writes runs as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.cli.init import KINDS
from clustersim.inputs.load import load_claim, load_scenario
from clustersim.views.templates import TEMPLATES


def written(kind: str, folder: Path) -> Path:
    file = folder / f"{kind}.yaml"
    result = CliRunner().invoke(cli, ["init", kind, "-o", str(file)])
    assert result.exit_code == 0, result.stderr
    return file


def test_there_is_a_file_of_every_kind() -> None:
    assert set(KINDS) == set(TEMPLATES)


def test_the_scenario_runs(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["run", str(written("scenario", tmp_path)), "--no-intervals"])
    assert result.exit_code == 0, result.stderr


def test_the_cluster_differs_from_its_node_as_it_says(tmp_path: Path) -> None:
    words = {"model": "llama-3.1-8b", "training": {"sequence_length": 4096, "global_batch": 128}}
    scenario = load_scenario({**words, "cluster": str(written("cluster", tmp_path)), "stack": "megatron-core-2025"})
    assert scenario.cluster.devices == 128
    assert scenario.cluster.node.scale_out.bandwidth == pytest.approx(25e9)


def test_the_claim_is_read(tmp_path: Path) -> None:
    claim = load_claim(written("claim", tmp_path))
    assert [assertion.metric for assertion in claim.assertions] == ["mfu"]


def test_the_sweep_plays_every_point(tmp_path: Path) -> None:
    file = written("sweep", tmp_path)
    result = CliRunner().invoke(
        cli, ["sweep", str(file), "--output", str(tmp_path / "out"), "--no-intervals", "--json"]
    )
    assert result.exit_code == 0, result.stderr
    assert '"done": 4' in result.stdout


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    file = written("sweep", tmp_path)
    file.write_text("mine")
    result = CliRunner().invoke(cli, ["init", "sweep", "-o", str(file)])
    assert result.exit_code == 2
    assert file.read_text() == "mine"
