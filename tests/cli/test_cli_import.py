"""`clustersim import` and `clustersim run` of launchers' files."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.inputs.load import load_scenario

SCRIPT = Path(__file__).parent.parent / "data" / "launchers" / "megatron" / "mixtral_slurm.sh"


def test_yaml_goes_out_and_notes_go_to_stderr() -> None:
    result = CliRunner().invoke(cli, ["import", str(SCRIPT)])
    assert result.exit_code == 0
    scenario = yaml.safe_load(result.stdout)
    assert scenario["layout"]["pipeline"] == 4
    assert load_scenario(scenario).resolved_layout.expert == 8
    assert "no counterpart" in result.stderr
    assert "layout.pipeline" not in result.stdout


def test_json_has_a_note_with_line_and_status_for_every_flag() -> None:
    result = CliRunner().invoke(cli, ["import", str(SCRIPT), "--json"])
    document = json.loads(result.stdout)
    assert set(document) == {"scenario", "notes"}
    assert {note["status"] for note in document["notes"]} == {"taken", "assumed", "no counterpart"}
    texts = " ".join(note["text"] for note in document["notes"])
    for flag in ("--num-layers", "--moe-aux-loss-coeff", "--expert-tensor-parallel-size", "--bf16", "--lr"):
        assert flag in texts


def test_a_file_that_holds_nothing_known_is_refused_with_what_is_known(tmp_path: Path) -> None:
    file = tmp_path / "list.sh"
    file.write_text("#!/bin/bash\nls -l\n")
    result = CliRunner().invoke(cli, ["import", str(file)])
    assert result.exit_code == 2
    assert "Megatron-LM" in result.stderr


def test_a_variable_from_outside_is_asked_for_and_defined(tmp_path: Path) -> None:
    file = tmp_path / "outside.sh"
    file.write_text(
        "torchrun --nnodes 2 --nproc_per_node 8 pretrain_gpt.py --num-layers 32 --hidden-size 4096 "
        "--num-attention-heads 32 --seq-length 4096 --micro-batch-size 1 --bf16 --tensor-model-parallel-size $TP\n"
    )
    refused = CliRunner().invoke(cli, ["import", str(file)])
    assert refused.exit_code == 2
    assert "TP isn't known before a run; --define gives it" in refused.stderr
    result = CliRunner().invoke(cli, ["import", str(file), "--define", "TP=4", "--cluster", "2xhgx-h200"])
    scenario = load_scenario(yaml.safe_load(result.stdout))
    assert (scenario.resolved_layout.tensor, scenario.resolved_layout.data) == (4, 4)
    assert scenario.cluster.accelerator.name.startswith("NVIDIA H200")


def test_a_script_runs_as_a_scenario_does(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli, ["run", str(SCRIPT), "--no-intervals", "--json", "--set", "layout.recompute=full"])
    assert run.exit_code == 0, run.stderr
    document = json.loads(run.stdout)
    assert document["layout"]["expert"] == 8
    assert document["layout"]["recompute"] == "full"
    assert any("assumed" in note for note in document["scenario"]["notes"])
