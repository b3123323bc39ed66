"""`clustersim calibrate` on small files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.inputs.catalog import load
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.validation.validation import packaged_rows


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = [row for row in read_rows(packaged_rows()) if row["source"].startswith("korthikanti")]
    path = tmp_path_factory.mktemp("rows") / "runs.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(kept[0]))
        writer.writeheader()
        writer.writerows([*kept, kept[0] | {"id": "broken", "layers": "many"}])
    return path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["calibrate", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_page_for_people_and_a_stack_file(rows: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    code, page, _ = run(str(rows), "--only", "memory_factor,scale_out_efficiency", "-o", str(target))
    assert code == 0
    assert "megatron-lm-2022 fitted to 4 runs" in page
    assert "memory_factor" in page
    assert "not told by these runs" in page
    assert "broken: " in page
    assert "use it with --stack" in " ".join(page.split())
    assert load("stacks", str(target)).name == "mine"


def test_a_document_for_programs(rows: Path) -> None:
    code, text, _ = run(str(rows), "--only", "memory_factor", "--json")
    document = json.loads(text)
    assert code == 0
    assert document["estimates"][0]["name"] == "memory_factor"
    assert document["rows"] == 4


def test_a_log_with_its_scenario(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    line = "iteration {0} / 100 | elapsed time per iteration (ms): 15000.0 | global batch size: 64 |"
    log.write_text("\n".join(line.format(step) for step in range(10)), encoding="utf-8")
    code, page, _ = run("--log", str(log), "gpt3_175b_a100", "--extends", "megatron-lm-2022", "--only", "sustained")
    assert code == 0, page
    assert "one group of runs only" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Give a CSV file"),
        (("absent.csv",), "no such file"),
        (("--only", "speed", "absent.csv"), "accepted: sustained"),
    ],
)
def test_mistakes_are_told_with_exit_code_2(arguments: tuple[str, ...], words: str) -> None:
    code, _, told = run(*arguments)
    assert code == 2
    assert words in told
