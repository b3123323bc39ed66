"""`clustersim export` and `clustersim search --export`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.cli.export import TARGETS
from clustersim.inputs.load import load_scenario
from clustersim.launchers import exporting
from clustersim.launchers.importing import import_file

BATCH = ("--set", "training.global_batch=640")


def test_the_command_knows_all_targets() -> None:
    assert set(TARGETS) == set(exporting.TARGETS)


def test_flags_go_to_stdout_and_what_cannot_be_said_to_stderr() -> None:
    changes = ["--set", "layout.virtual_stages=1", "--set", "layout.schedule=zb-h1"]
    result = CliRunner().invoke(cli, ["export", "gpt3_175b_a100", "--to", "megatron", *changes])
    assert result.exit_code == 0, result.stderr
    assert "--tensor-model-parallel-size 8" in result.stdout
    assert "layout.schedule" in result.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_writes_a_file(tmp_path: Path, target: str) -> None:
    file = tmp_path / "out" / "launch"
    result = CliRunner().invoke(cli, ["export", "gpt3_175b_a100", "--to", target, "-o", str(file), *BATCH])
    assert result.exit_code == 0, result.stderr
    assert "640" in file.read_text()


def test_a_search_exports_its_best_layout(tmp_path: Path) -> None:
    words = ["search", "llama-3.1-8b", "--cluster", "2xdgx-h100", "--quick", "--top", "1", "--export", "megatron"]
    file = tmp_path / "best.sh"
    result = CliRunner().invoke(cli, [*words, "--where", "pipeline <= 2 and context == 1", "--export-to", str(file)])
    assert result.exit_code == 0, result.stderr
    assert load_scenario(import_file(file).scenario).cluster.devices == 16
