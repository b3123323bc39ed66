"""Another tool's predictions scored beside ours."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clustersim.cli import cli
from clustersim.errors import InputError
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.validation.predictions import Prediction, compared, read_predictions
from clustersim.studies.validation.summaries import ValidationRow
from clustersim.studies.validation.validation import packaged_rows

BLANK = ValidationRow(
    "", "", "", "a100-sxm-80gb", "s", "complete", "simulated", "", 10.0, 10.0, 0.0, (8.0, 12.5), None, True, work=1.0
)


def row(name: str, source: str, measured: float, ours: float, **more: object) -> ValidationRow:
    found = replace(BLANK, id=name, source=source, measured_step_time_s=measured, predicted_step_time_s=ours)
    return replace(found, error=ours / measured - 1, interval_80=(0.8 * ours, 1.25 * ours), **more)


ROWS = [
    row("a1", "one", 10.0, 11.0),
    row("a2", "one", 20.0, 20.0, cells={"n_experts": "8"}),
    row("a3", "one", 30.0, 30.0),
    row("b1", "two", 10.0, 9.0, accelerator="ascend-910b2", stranger_error=0.3),
    replace(BLANK, id="b2", source="two", status="refused", predicted_step_time_s=None, interval_80=None),
]


def test_errors_are_over_the_same_rows_and_sources_count_alike() -> None:
    found = compared(ROWS, {"a1": Prediction(12.0), "a2": Prediction(20.0), "b1": Prediction(6.0)}, "other")
    assert found.overall is not None
    assert (found.overall.rows, found.overall.measured) == (3, 4)
    assert found.by_source["one"].tool.mean_absolute == pytest.approx(0.1)
    assert found.overall.tool.mean_absolute == pytest.approx((0.1 + 0.4) / 2)
    assert found.overall.tool.bias == pytest.approx((0.1 - 0.4) / 2)
    assert found.overall.tool.covered_80 is None
    assert found.overall.ours.mean_absolute == pytest.approx((0.05 + 0.3) / 2)  # of b1: its source held out
    assert {kind: scored.rows for kind, scored in found.by_kind.items()} == {"dense": 2, "experts": 1, "Ascend": 1}


def test_intervals_are_scored_by_what_they_hold_and_how_wide_they_are() -> None:
    """Width, and ten times what lies outside: Gneiting and Raftery 2007."""
    predictions = {"a1": Prediction(10.0, 8.0, 12.5), "a3": Prediction(20.0, 16.0, 25.0)}
    scored = compared(ROWS, predictions, "other").by_source["one"]
    width, outside = math.log(1.25**2), math.log(30 / 25)
    assert scored.tool.covered_80 == 0.5
    assert scored.tool.interval_score == pytest.approx((width + width + 10 * outside) / 2)
    assert scored.ours.covered_80 == 1.0
    assert scored.ours.interval_score == pytest.approx(width)


def test_a_perfect_tool_scores_nothing_and_none_at_all_is_said() -> None:
    scored = compared(ROWS, {"a1": Prediction(10.0, 10.0, 10.0)}, "oracle").overall
    assert scored is not None
    assert (scored.tool.mean_absolute, scored.tool.covered_80, scored.tool.interval_score) == (0.0, 1.0, 0.0)
    assert compared(ROWS, {"b2": Prediction(1.0)}, "other").overall is None


def test_every_mistake_at_once(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    lines = [
        "id,step_time_s,low,high",
        "a1,fast,,",
        "a4,1,,",
        "a2,1,2,1",
        "a3,1,1,",
        "a3,nan,x,3",
        ",1,,",
        "b1,1e300,,",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_predictions(path, ["a1", "a2", "a3", "b1"])
    text = str(raised.value)
    assert len(raised.value.problems) == 8
    for words in (
        'line 2   step_time_s: "fast" is not a number',
        "line 3   id: no measured row is called",
        "line 4   low: 2 is above high, 1",
        "line 5   low: low and high go together",
        'line 6   step_time_s: "nan"',
        'line 6   low: "x" is not a number',
        "line 8   step_time_s",
    ):
        assert words in text
    path.write_text("id,step_time_s\na1,1\na1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="predicted twice"):
        read_predictions(path, ["a1"])
    path.write_text("name,seconds\n", encoding="utf-8")
    with pytest.raises(InputError, match="2 problems"):
        read_predictions(path, ["a1"])
    path.write_text("id,step_time_s\n", encoding="utf-8")
    with pytest.raises(InputError, match="no row"):
        read_predictions(path, ["a1"])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Four measured rows, and a tool that is 10 % too slow on three of them."""
    rows = [found for found in read_rows(packaged_rows()) if found["source"].startswith("korthikanti")]
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    lines = [f"{found['id']},{1.1 * float(found['measured_step_time_s'])}" for found in rows[:3]]
    (tmp_path / "other_tool.csv").write_text("\n".join(["id,step_time_s", *lines]), encoding="utf-8")
    return tmp_path / "rows.csv", tmp_path / "other_tool.csv"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["validate", *map(str, arguments)])


def test_the_command_scores_a_tool_beside_ours(files: tuple[Path, Path]) -> None:
    rows, other = files
    result = invoke(rows, "--predictions", other)
    assert result.exit_code == 0, result.stderr
    assert "other_tool beside clustersim" in result.stdout
    assert "3 of 4" in result.stdout
    document = json.loads(invoke(rows, "--predictions", other, "--json").stdout)
    scored = document["predictions"]["by_source"]["korthikanti2022-via-calculon"]
    assert scored["tool"]["mean_absolute"] == pytest.approx(0.1)
    assert scored["ours"]["covered_80"] is not None
    assert "predictions" not in json.loads(invoke(rows, "--json").stdout)


def test_a_wrong_file_is_refused_before_anything_is_simulated(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, other = files
    other.write_text("id,step_time_s\nsomebody,1\n", encoding="utf-8")
    monkeypatch.setattr("clustersim.studies.validation.validation.validate_row", None)
    result = invoke(rows, "--predictions", other)
    assert result.exit_code == 2
    assert "somebody" in result.stderr
    assert invoke(rows, "--predictions", "none.csv").exit_code == 2
