"""`clustersim trace`: from a command line to a file that opens in Perfetto."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clustersim.cli import cli

SMALL = ("gpt3_175b_a100", "--set", "training.global_batch=8")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["trace", *arguments])


def test_a_trace_goes_into_results_or_where_it_is_told() -> None:
    result = invoke(*SMALL)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "results/gpt3_175b_a100_trace.json.gz\n"
    assert "ui.perfetto.dev" in result.stderr
    told = json.loads(invoke(*SMALL, "-o", "a/b.json.gz", "--json").stdout)
    document = json.loads(gzip.decompress(Path("a/b.json.gz").read_bytes()))
    assert told == {"trace": "a/b.json.gz", "events": len(document["traceEvents"])}
    assert Path("a/b.json.gz").read_bytes() == Path("results/gpt3_175b_a100_trace.json.gz").read_bytes()


def test_what_cannot_be_traced_is_said() -> None:
    for arguments, said in (
        ((*SMALL, "-o", "trace.txt"), "no .json.gz file"),
        ((), "Name a SCENARIO"),
        (("gpt3_175b_a10",), "gpt3_175b_a100"),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert said in result.stderr
    assert not Path("results").exists()
