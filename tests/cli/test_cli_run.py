"""`clustersim run` and `search`: scenarios, models with flags, what is assumed, what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from clustersim import __version__
from clustersim.cli import cli
from clustersim.inputs.load import load_scenario
from clustersim.simulation.run import simulate_run

CONTRACT = """step_time_s mfu mfu_causal hfu busy_any busy_compute tokens_per_s_per_device tokens_per_s devices layout
memory_bytes fits training_days device_hours cost_usd energy_kwh breakdown intervals engine scenario version seed"""
SMALL = ("--cluster", "a100-64", "--layout", "tensor=8,pp=2,recompute=full")
LLAMA_CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 16,
    "hidden_size": 2048,
    "num_attention_heads": 16,
    "intermediate_size": 8192,
    "vocab_size": 32000,
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def document(*arguments: str) -> dict[str, Any]:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_one_screen_with_the_answer_first() -> None:
    result = invoke("run", "gpt3_175b_a100", "--tokens", "300B")
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert len(lines) <= 30
    assert "GPT-3" in lines[0]
    assert "64 NVIDIA A100" in lines[0]
    assert "TP8 PP8 VP3" in lines[1]
    run = simulate_run(load_scenario("gpt3_175b_a100", {"training.tokens": "300B"}))
    for said in (f"{run.step.step_time_s:.1f} s", f"{run.step.mfu:.1%}".replace("%", " %"), "80 %:", "312 TFLOP/s"):
        assert said in result.stdout
    assert "utilization" not in result.stdout.lower()


def test_json_holds_what_the_contract_lists() -> None:
    found = document("run", "gpt3_175b_a100", "--seed", "7")
    assert set(CONTRACT.split()) <= set(found)
    assert found["seed"] == 7
    assert found["version"] == __version__
    assert found["scenario"]["model"]["layers"] == 96
    assert found["training_days"] is None
    assert found["missing"]["training_days"]
    assert document("run", "gpt3_175b_a100", "--no-intervals")["intervals"] == {}
    assert document("run", "gpt3_175b_a100", "--engine", "reference")["engine"] == "reference"
    assert document("run", "gpt3_175b_a100", "--seed", "7") == found


def test_changes_of_the_command_line() -> None:
    found = document(
        "run", "gpt3_175b_a100", "--set", "layout.micro_batch=2", "--set", "cluster.nodes=16", "--layout", "data=auto"
    )
    assert found["devices"] == 128
    assert found["layout"]["micro_batch"] == 2
    assert found["layout"]["data"] == 2
    other = document(
        "run", "gpt3_175b_a100", "--stack", "megatron-lm-2024", "--precision", "bf16", "--global-batch", "128"
    )
    assert other["scenario"]["stack"]["name"] == "Megatron-LM (2024)"
    assert other["scenario"]["training"]["global_batch"] == 128


def test_a_model_with_a_cluster_says_what_it_assumes() -> None:
    found = document("run", "llama-2-13b", *SMALL)
    training = found["scenario"]["training"]
    assert training["sequence_length"] == 4096
    assert training["global_batch"] == 1024
    assert training["precision"] == "bf16"
    assert found["scenario"]["stack"]["name"] == "Megatron-Core (2025)"
    assert found["layout"]["tensor"] == 8
    assert found["layout"]["pipeline"] == 2
    notes = " ".join(found["notes"] + found["scenario"]["notes"])
    for told in ("4,096 tokens", "1,024 sequences", "bf16", "megatron-core-2025"):
        assert told in notes
    longer = document("run", "llama-2-13b", *SMALL, "--sequence-length", "8192")
    assert longer["scenario"]["training"]["global_batch"] == 512
    assert document("run", "Llama_2_13B (chat)", *SMALL)["mfu"] == found["mfu"]


def test_a_hugging_face_config_is_taken_as_it_is(here: Path) -> None:
    (here / "config.json").write_text(json.dumps(LLAMA_CONFIG))
    given = document("run", "--model", "config.json", *SMALL)
    assert given["scenario"]["model"]["layers"] == 16
    assert document("run", "config.json", *SMALL)["mfu"] == given["mfu"]


def test_a_layout_that_is_not_given_is_searched_and_that_is_said() -> None:
    result = invoke("run", "gpt3-6.7b", "--cluster", "{node: dgx-a100-80gb, nodes: 1}", "--stack", "megatron-lm-2022")
    assert result.exit_code == 0
    assert "layouts searched" in result.stdout
    found = document(
        "run", "gpt3_175b_a100", "--layout", "search", "--set", "model=gpt3-6.7b", "--set", "cluster.nodes=1",
        "--no-intervals",
    )  # fmt: skip
    assert found["fits"]
    assert found["intervals"] == {}


def test_a_layout_that_does_not_fit_is_shown_first() -> None:
    result = invoke("run", "gpt3_175b_a100", "--set", "layout.micro_batch=8")
    assert result.exit_code == 3
    assert "step time" in result.stdout
    assert "does not fit" in result.stdout
    assert "too much" in result.stderr
    assert "what would help: layout.micro_batch=2 (" in result.stderr
    as_json = invoke("run", "gpt3_175b_a100", "--set", "layout.micro_batch=8", "--json")
    assert as_json.exit_code == 3
    assert json.loads(as_json.stdout)["fits"] is False


def test_nothing_fits() -> None:
    result = invoke("run", "megatron-gpt-1008b", "--cluster", "{node: dgx-a100-80gb, nodes: 1}")
    assert result.exit_code == 3
    assert "GiB" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Name a SCENARIO, or a --model"),
        (["run", "deepseek-v3"], "A model needs a --cluster"),
        (["run", "deepseek-v33", "--cluster", "h800-2048"], "Did you mean deepseek-v3"),
        (["run", "xyzzy"], "Scenarios: deepseek_r2_rumour_910b"),
        (["run", "none.yaml"], "none.yaml"),
        (["run", "deepseek-v3", "--cluster", "h800-2047"], "Did you mean h800-2048"),
        (["run", "gpt3_175b_a100", "--stack", "megatron-lm-2032"], "Did you mean megatron-lm-20"),
        (["run", "gpt3_175b_a100", "--tokens", "3 GB/s"], "unit of bytes/s"),
        (["run", "gpt3_175b_a100", "--layout", "tenso=8"], "Did you mean tensor"),
        (["run", "gpt3_175b_a100", "--layout", "tensor=7"], "does not divide"),
        (["run", "gpt3_175b_a100", "--set", "layout"], "KEY=VALUE"),
        (["run", "gpt3_175b_a100", "--precision", "fp9"], "precision"),
        (["search", "xyzzy"], "xyzzy"),
        (["search", "llama-2-7b"], "needs a --cluster"),
    ],
)
def test_mistakes_are_said_without_a_traceback(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_every_mistake_of_a_file_at_once(here: Path) -> None:
    (here / "my.yaml").write_text(
        "model: gpt3-175b\ncluster: {node: dgx-a100-80gb, nodes: 8}\nstack: megatron-lm-2022\n"
        "training: {sequence_length: 2048, global_batch: 64}\nlayout: {tensor: 7, pipeline: 8}\ncolour: blue\n"
    )
    result = invoke("run", "my.yaml")
    assert result.exit_code == 2
    assert "my.yaml: 3 problems" in result.stderr
    assert "line 5   layout.tensor: 7 does not divide" in result.stderr
    assert "line 6   colour: unknown key" in result.stderr


def test_search_lists_the_best_layouts() -> None:
    arguments = ("search", "gpt3-6.7b", "--cluster", "{node: dgx-a100-80gb, nodes: 1}", "--top", "2")
    result = invoke(*arguments)
    assert result.exit_code == 0
    assert "were played" in result.stdout
    found = document(*arguments)
    assert set(found) == {"candidates", "feasible", "played", "rejected", "complete", "best", "equals"}
    assert len(found["best"]) == 2
    assert set(CONTRACT.split()) <= set(found["best"][0])
    assert found["best"][0]["step_time_s"] <= found["best"][1]["step_time_s"]


def test_a_run_with_failures_is_played() -> None:
    result = invoke("run", "gpt3_175b_a100", "--tokens", "100B", "--reliability", "meta-rsc-1", "--seeds", "4")
    assert result.exit_code == 0
    for said in (
        "goodput",
        "days undisturbed",
        "MTTI",
        "what the run loses",
        "4 seeds of Meta RSC-1",
        "in closed form",
    ):
        assert said in result.stdout.replace("\n", " ") or said in " ".join(result.stdout.split())
    found = document("run", "gpt3_175b_a100", "--tokens", "100B", "--reliability", "meta-rsc-1", "--seeds", "4")
    assert found["runs"]["seeds"] == [0, 1, 2, 3]
    assert found["goodput"] == pytest.approx(found["ideal_days"] / found["training_days"])
    assert found["expected_goodput"] == pytest.approx(found["goodput"], abs=0.01)
    assert found["scenario"]["reliability"]["name"] == "Meta RSC-1 (A100)"


def test_ideal_days_are_said_to_be() -> None:
    told = " ".join(invoke("run", "gpt3_175b_a100", "--tokens", "300B").stdout.split())
    assert "ideal days: no failure, checkpoint or restart counts" in told
    assert "ideal days" not in invoke("run", "gpt3_175b_a100").stdout
    refused = invoke("run", "gpt3_175b_a100", "--seeds", "3")
    assert refused.exit_code == 2
    assert "--reliability" in refused.stderr


FAILING = ("run", "gpt3_175b_a100", "--tokens", "100B", "--reliability", "meta-rsc-1", "--seeds", "3")


def test_advice_comes_after_the_answer() -> None:
    result = invoke(*FAILING, "--advise", "--set", "reliability.repair=2 d", "--target-goodput", "90%")
    assert result.exit_code == 0, result.stderr
    for said in ("best checkpoint interval", "(now 60 min)", "spare", "half the failures", "days saved"):
        assert said in result.stdout
    assert result.stdout.index("goodput") < result.stdout.index("advice")
    found = document(*FAILING, "--advise")["advice"]
    assert found["spares"] is None
    assert found["best_interval_s"] > found["interval_s"]
    assert {"change", "goodput", "days", "days_saved", "usd_saved"} == set(found["options"][0])
    unreachable = invoke(*FAILING, "--advise", "--set", "reliability.repair=2 d", "--target-goodput", "99.9%")
    assert "none are enough for 99.9 %" in unreachable.stdout
    wrong = invoke(*FAILING, "--advise", "--target-goodput", "5 GiB")
    assert wrong.exit_code == 2
    assert "--target-goodput" in wrong.stderr


def test_figures_of_a_run(here: Path) -> None:
    result = invoke(*FAILING, "--output", "figures")
    assert result.exit_code == 0
    drawn = sorted(path.name for path in (here / "figures").iterdir())
    assert drawn == [f"{stem}.{kind}" for stem in ("lost_time", "timeline", "training_days") for kind in ("png", "svg")]
    assert "figures/timeline.png" in result.stderr.replace("\\", "/")
    refused = invoke("run", "gpt3_175b_a100", "--output", "figures")
    assert refused.exit_code == 2
    assert "--output is about runs with failures" in refused.stderr


def test_a_run_without_end_says_why() -> None:
    result = invoke(*FAILING, "--set", "reliability.restart.scheduling=300 d")
    assert result.exit_code == 0
    assert "makes no headway" in result.stdout
    advice = invoke(*FAILING, "--set", "reliability.restart.scheduling=300 d", "--advise")
    assert advice.exit_code == 3
    assert "makes no headway" in advice.stderr
