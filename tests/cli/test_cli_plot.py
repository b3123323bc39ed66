"""`clustersim plot timeline`, `layer` and `waterfall`: from a command line to a picture."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clustersim.cli import cli
from clustersim.cli.plot import command as plot

SCENARIO = """
name: tiny, on 16
model: {name: tiny, layers: 8, hidden: 1024, heads: 8, kv_heads: 8, ffn_hidden: 4096, vocab: 32000, gated: true}
cluster: {node: dgx-a100-80gb, nodes: 2}
training: {sequence_length: 1024, global_batch: 32}
layout: {tensor: 2, pipeline: 4, data: auto, micro_batch: 1}
stack: megatron-core-2025
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("kind", plot.commands)
def test_every_kind_has_two_examples_that_parse(kind: str) -> None:
    lines = invoke("plot", kind, "--help").stdout.rstrip().splitlines()
    examples = [shlex.split(line) for line in lines[lines.index("  Examples:") + 1 :]]
    assert len(examples) == 2
    for program, command, *arguments in examples:
        assert (program, command) == ("clustersim", "plot")
        kind_words = arguments[1:] if arguments[0] == kind else arguments
        assert plot.commands[kind].make_context(kind, kind_words)


@pytest.mark.slow
def test_the_examples_of_scenarios_work_as_pasted(here: Path) -> None:
    for kind in plot.commands.keys() - {"curves"}:
        lines = invoke("plot", kind, "--help").stdout.rstrip().splitlines()
        for line in lines[lines.index("  Examples:") + 1 :]:
            result = invoke(*shlex.split(line)[1:])
            assert result.exit_code == 0, (line, result.stderr)
            paths = json.loads(result.stdout)["figures"] if "--json" in line else result.stdout.split()
            assert all(Path(path).stat().st_size for path in paths)


def test_a_picture_goes_into_results_or_where_it_is_told(here: Path) -> None:
    result = invoke("plot", "timeline", "mine.yaml", "--set", "layout.schedule=gpipe")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == ["results/mine_timeline.svg", "results/mine_timeline.png"]
    result = invoke("plot", "timeline", "mine.yaml", "--stages", "1..2", "--to", "0.01", "-o", "a/b.pdf", "--json")
    assert json.loads(result.stdout) == {"figures": ["a/b.pdf"]}
    assert Path("a/b.pdf").stat().st_size


def test_the_waterfall_is_drawn_and_told_as_json(here: Path) -> None:
    result = invoke("plot", "waterfall", "mine.yaml", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["figures"] == ["results/mine_waterfall.svg", "results/mine_waterfall.png"]
    assert all(Path(path).stat().st_size for path in told["figures"])
    step = json.loads(invoke("run", "mine.yaml", "--json").stdout)
    assert told["mfu"] == pytest.approx(step["mfu"], rel=1e-12)
    assert 1.0 + sum(told["falls"].values()) == pytest.approx(step["mfu"], abs=1e-12)
    assert told["falls"]["memory_bound"] == pytest.approx(-step["breakdown"]["memory_bound"] / step["step_time_s"])


def test_memory_is_drawn_and_told_as_json(here: Path) -> None:
    result = invoke("plot", "memory", "mine.yaml", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["figures"] == ["results/mine_memory.svg", "results/mine_memory.png"]
    step = json.loads(invoke("run", "mine.yaml", "--json").stdout)
    assert max(stage["bytes"] for stage in told["stages"]) == pytest.approx(step["memory_bytes"])
    assert [stage["parts"] for stage in told["stages"]] == [stage["parts"] for stage in step["memory"]["stages"]]
    assert told["fits"] is step["fits"]


def test_a_layer_is_drawn(here: Path) -> None:
    result = invoke("plot", "layer", "mine.yaml", "--layer", "head")
    assert result.stdout.split() == ["results/mine_layer.svg", "results/mine_layer.png"]
    unknown = invoke("plot", "layer", "mine.yaml", "--layer", "tail")
    assert unknown.exit_code == 2
    assert "there are embedding, dense layer, head" in unknown.stderr


def test_a_layout_that_is_not_given_is_searched(here: Path) -> None:
    arguments = ("--model", "llama-2-7b", "--cluster", "{node: dgx-a100-80gb, nodes: 1}", "--global-batch", "64")
    result = invoke("plot", "waterfall", *arguments, "-o", "searched.svg")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "searched.svg\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["timelien", "mine.yaml"], "Did you mean timeline?"),
        (["timeline"], "Name a SCENARIO"),
        (["timeline", "mine.yaml", "--stages", "4"], "the pipeline has stages 0 to 3"),
        (["timeline", "mine.yaml", "--from", "99"], "the step takes"),
        (["timeline", "mine.yaml", "--from", "-1"], "--from"),
        (["timeline", "mine.yaml", "-o", "picture.gif"], "no .svg, .png or .pdf"),
        (["timeline", "mine.yaml", "--set", "layout.tensor=3"], "does not divide"),
    ],
)
def test_what_cannot_be_drawn_is_said(here: Path, arguments: list[str], said: str) -> None:
    result = invoke("plot", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("results").exists()
