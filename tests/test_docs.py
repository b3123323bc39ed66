"""Claims in the documents are claims, and the tables name every metric."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.inputs.claim_metrics import ALIASES, METRICS
from clustersim.inputs.load import load_claim, load_scenario
from clustersim.inputs.model import CHANNEL_KINDS, MIXER_KINDS, SIZES_OF, Model, layer_kinds
from clustersim.inputs.reliability import Checkpoint, Failure, Reliability, Restart, Stragglers
from clustersim.simulation.run import simulate_run
from clustersim.studies.claims.judge import check_claim
from clustersim.studies.claims.verdicts import VERDICTS
from clustersim.workload.parameters import total_parameters

RUNS = Path(__file__).parent.parent / "docs" / "runs.md"
MODELS = Path(__file__).parent.parent / "docs" / "models.md"
CLAIMS = Path(__file__).parent.parent / "docs" / "claims.md"


def example() -> dict[str, object]:
    (block,) = re.findall(r"```yaml\n(.*?)```", CLAIMS.read_text(encoding="utf-8"), re.DOTALL)
    made: dict[str, object] = yaml.safe_load(block)
    return made


def test_the_example_is_a_claim() -> None:
    claim = load_claim(example())
    assert claim.stated == {"device_hours": 500_000.0}


@pytest.mark.slow
def test_the_example_is_judged() -> None:
    assert check_claim(example()).verdict in VERDICTS


def test_every_metric_verdict_and_alias_is_told() -> None:
    words = CLAIMS.read_text(encoding="utf-8")
    own = [name for name, figure in METRICS.items() if figure.of == "claim"]  # those of a run are in figures.py
    for name in (*own, *VERDICTS):
        assert f"`{name}`" in words, name
    assert set(re.findall(r"`(\w+)`", words.split("and the like are understood")[0].rsplit("\n", 1)[1])) <= set(ALIASES)


def test_the_example_of_a_failure_profile_is_one(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", RUNS.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "own.yaml"
    file.write_text(block, encoding="utf-8")
    result = simulate_run(load_scenario("gpt3_175b_a100", {"reliability": str(file), "training.tokens": "300B"}))
    assert result.goodput is not None
    assert 0.9 < result.goodput < 1.0


def test_every_key_of_a_failure_profile_is_told() -> None:
    words = RUNS.read_text(encoding="utf-8")
    kinds = (Reliability, Failure, Checkpoint, Restart, Stragglers)
    for key in {key for kind in kinds for key in kind.model_fields} - {"name"}:
        assert re.search(rf"`{key}[`:]|\b{key}:", words), key


def test_the_commands_of_the_page_on_runs_parse() -> None:
    lines = re.findall(r"^\$ clustersim (.*)$", RUNS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == 5
    for name, *arguments in map(shlex.split, lines):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        command.make_context(name, arguments)


def test_the_commands_of_the_page_on_coupling_parse_and_run() -> None:
    words = (RUNS.parent / "coupling.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\$ clustersim (.*)$", words, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        result = CliRunner().invoke(cli, [*shlex.split(line), "--json"])
        assert '"coupling_residual": 0.0' in result.output


def test_the_example_of_a_pattern_is_a_model() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", MODELS.read_text(encoding="utf-8"), re.DOTALL)
    model = Model.model_validate(yaml.safe_load(block))
    assert [kind.mixer for kind in layer_kinds(model)[:4]] == ["mamba2", "mamba2", "sliding", "wide"]
    assert 5e9 < total_parameters(model) < 10e9


def test_every_kind_of_mixer_is_told() -> None:
    words = MODELS.read_text(encoding="utf-8")
    for name in (*MIXER_KINDS, *CHANNEL_KINDS, *SIZES_OF.values()):
        assert f"`{name}`" in words, name
