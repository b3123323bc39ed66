"""`clustersim check`: the exit code follows the verdict, and the report is what the library says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clustersim.cli import cli

CLAIM = """
name: Seven billion on a node
source: {{text: a claim, date: "2024-01-01", who: us, reliability: paper}}
given:
  model: gpt3-6.7b
  cluster: {{node: dgx-a100-80gb, nodes: 1}}
  training: {{precision: fp16, global_batch: 64, sequence_length: 2048}}
  stack: megatron-lm-2022
open: {{layout: search}}
assert:
  - {{id: mfu, metric: utilization, value: {value}, definition: mfu}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, value in (("modest", "20 %"), ("boast", "97 %"), ("broken", "97 GB/s")):
        (tmp_path / f"{name}.yaml").write_text(CLAIM.format(value=value))
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", *arguments])


def test_a_modest_claim_holds(here: Path) -> None:
    result = invoke("modest.yaml", "--output", "out", "--seed", "5", "--all")
    assert result.exit_code == 0
    assert "verdict: supported" in result.stdout
    assert "seed 5" in result.stdout
    assert {path.name for path in (here / "out").iterdir()} == {"claim.json", "claim.txt"}
    assert (here / "out" / "claim.txt").read_text() == result.stdout, "the file holds everything"
    short = invoke("modest.yaml", "--seed", "5").stdout
    assert set(short.splitlines()) <= {
        *result.stdout.splitlines(),
        *(line for line in short.splitlines() if "--all" in line),
    }


def test_a_boast_fails() -> None:
    result = invoke("boast.yaml", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["verdict"] in ("implausible", "impossible")
    assert set(document) >= {"assertions", "contradictions", "verdict"}
    keys = "id definition base claimed best_attainable interval_80 probability record verdict reason"
    assert set(document["assertions"][0]) >= set(keys.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["broken.yaml"], "unit of bytes/s"),
        (["deepseek_r3"], "Did you mean deepseek_r2"),
        (["none.yaml"], "none.yaml"),
        (["modest.yaml", "--seed", "x"], "--seed"),
    ],
)
def test_mistakes_are_said_without_a_traceback(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
