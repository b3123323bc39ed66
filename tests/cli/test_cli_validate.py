"""`clustersim validate` on a few of the packaged rows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clustersim.cli import cli
from clustersim.studies.validation.validation import packaged_rows


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a file of four measured rows."""
    monkeypatch.chdir(tmp_path)
    with packaged_rows().open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "korthikanti2022-via-calculon"]
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["validate", *arguments])


def test_errors_of_a_file() -> None:
    result = invoke("rows.csv", "--max-mape", "10")
    assert result.exit_code == 0
    assert "korth22-gpt3-175b-seqsel" in result.stdout
    document = json.loads(invoke("rows.csv", "--json").stdout)
    assert [row["status"] for row in document["rows"]] == ["simulated"] * 4
    keys = "id status reason measured_step_time_s predicted_step_time_s error interval_80 interval_95"
    assert set(document["rows"][0]) >= set(keys.split())
    assert document["summary"]["overall"]["rows"] == 4


def test_past_the_threshold_it_fails() -> None:
    assert invoke("rows.csv", "--max-mape", "0.001").exit_code == 1
    assert invoke("rows.csv", "--max-mape", "-1").exit_code == 2


def test_a_report_is_written(here: Path) -> None:
    assert invoke("rows.csv", "--output", "report").exit_code == 0
    names = {path.name for path in (here / "report").iterdir()}
    assert names == {"validation.json", "validation.txt", "parity.svg", "residuals.png", "residuals.svg", "parity.png"}


def test_nothing_simulated_fails_no_threshold(here: Path) -> None:
    text = (here / "rows.csv").read_text().replace("a100-sxm-80gb", "no-such-chip")
    (here / "other.csv").write_text(text)
    result = invoke("other.csv", "--max-mape", "1")
    assert result.exit_code == 0
    assert "refused: 4 rows" in result.stdout


def test_no_such_file() -> None:
    result = invoke("none.csv")
    assert result.exit_code == 2
    assert "none.csv" in result.stderr
