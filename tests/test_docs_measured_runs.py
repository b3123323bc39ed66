"""docs/measured-runs.md: its example is read as written, and it names every column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clustersim.inputs.load import load_scenario
from clustersim.studies.measured.csv_cells import REQUIRED, read_rows
from clustersim.studies.measured.runs import measured_run
from clustersim.studies.validation.validation import packaged_tables, validate

PAGE = (Path(__file__).parent.parent / "docs" / "measured-runs.md").read_text(encoding="utf-8")


def test_every_column_of_the_packaged_tables_is_described() -> None:
    table = PAGE[PAGE.index("| columns |") :]
    named = set(re.findall(r"`([a-z0-9_]+)`", " ".join(line.split(" | ")[0] for line in table.splitlines())))
    assert named == {column for path in packaged_tables() for column in read_rows(path)[0]}
    assert all(f"`{column}`" in PAGE[: PAGE.index("```csv")] for column in REQUIRED)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    (block,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "example.csv"
    path.write_text(block, encoding="utf-8")
    return path


def test_the_example_is_simulated(example: Path) -> None:
    report = validate(example)
    assert [(row.id, row.status) for row in report.rows] == [("mine-dense", "simulated"), ("mine-experts", "simulated")]
    assert all(row.error is not None and row.table == "example" for row in report.rows)


def test_the_example_says_what_the_page_says(example: Path) -> None:
    scenario = load_scenario(measured_run(read_rows(example)[1]).mapping)
    assert (scenario.resolved_layout.dispatcher, scenario.resolved_layout.expert) == ("alltoall", 8)
    assert scenario.training.expert_imbalance == pytest.approx(0.05**0.5)
