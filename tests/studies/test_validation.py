"""Predictions against measured runs: the report on a small file, and the accuracy that is promised."""

from __future__ import annotations

import csv
from statistics import median

import pytest

from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.validation.summaries import summarize
from clustersim.studies.validation.validation import (
    ValidationReport,
    packaged_rows,
    packaged_tables,
    validate,
    validate_row,
)

ROWS = read_rows(packaged_rows())
CHOSEN = ("korthikanti2022-via-calculon", "bigscience-bloom-prequel")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[ValidationReport, list[tuple[int, int]]]:
    """Three good rows of two sources, one refused for its layout, one for a bad cell, one without a measurement."""
    good = [next(row for row in ROWS if row["source"] == source) for source in CHOSEN]
    one_chunk = next(row for row in ROWS if row["schedule"] == "ZB-1p")
    rows = [dict(row) for row in (*good, one_chunk | {"schedule": "ZB-V"})]
    rows.append(rows[0] | {"id": "bad", "layers": "many", "group": "", "source": "me"})
    rows.append(
        rows[0]
        | {"id": "unmeasured", "measured_step_time_s": "", "measured_tokens_per_s_per_device": "", "source": "me"}
    )
    file = tmp_path_factory.mktemp("rows") / "rows.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    steps: list[tuple[int, int]] = []
    return validate(file, progress=lambda done, of: steps.append((done, of))), steps


def test_every_row_is_simulated_or_refused_with_a_reason(
    small: tuple[ValidationReport, list[tuple[int, int]]],
) -> None:
    report, steps = small
    assert [row.status for row in report.rows] == ["simulated", "simulated", "refused", "refused", "simulated"]
    assert "zb-v runs 2 virtual stages a device, not 1" in report.rows[2].reason
    assert report.rows[3].reason == 'layers: "many" is not a number'
    assert report.rows[3].group.startswith("me/a100-sxm-80gb/")
    assert steps == [(number, 5) for number in range(1, 6)]


def test_errors_are_predicted_over_measured_less_one(small: tuple[ValidationReport, list[tuple[int, int]]]) -> None:
    report, _ = small
    first, unmeasured = report.rows[0], report.rows[4]
    assert first.predicted_step_time_s is not None
    assert first.measured_step_time_s is not None
    assert first.error == pytest.approx(first.predicted_step_time_s / first.measured_step_time_s - 1)
    assert first.interval_80 is not None
    assert first.interval_95 is not None
    assert first.interval_95[0] < first.interval_80[0] < first.predicted_step_time_s < first.interval_80[1]
    assert unmeasured.error is None
    assert unmeasured.predicted_step_time_s == pytest.approx(first.predicted_step_time_s)


def test_summaries_are_over_the_rows_with_an_error(small: tuple[ValidationReport, list[tuple[int, int]]]) -> None:
    report, _ = small
    errors = [row.error for row in report.rows if row.error is not None]
    assert (report.overall.rows, report.overall.simulated) == (5, 2)
    assert report.overall.median_absolute == pytest.approx(median(map(abs, errors)))
    assert report.overall.mean_absolute == pytest.approx(sum(map(abs, errors)) / 2)
    assert report.overall.worst == pytest.approx(max(map(abs, errors)))
    assert report.overall.bias == pytest.approx(sum(errors) / 2)
    assert set(report.by_source) >= {*CHOSEN, "me"}
    assert report.by_source["me"].mean_absolute is None
    assert sum(summary.rows for summary in report.by_group.values()) == 5


def test_coverage_counts_measurements_inside_the_intervals() -> None:
    row = validate_row(next(row for row in ROWS if row["source"] == CHOSEN[0]))
    assert summarize([row]).covered_80 == 1.0
    outside = validate_row(dict(ROWS[0]) | {"measured_step_time_s": "1000"})
    assert summarize([outside]).covered_95 == 0.0
    assert summarize([]).simulated == 0


def test_the_document_for_programs(small: tuple[ValidationReport, list[tuple[int, int]]]) -> None:
    document = small[0].to_dict()
    assert set(document) == {"rows", "summary", "memory", "version"}
    wanted = {"id", "status", "reason", "measured_step_time_s", "predicted_step_time_s", "error"}
    assert wanted | {"interval_80", "interval_95"} <= set(document["rows"][0])
    wanted = {"overall", "regular", "by_source", "by_stack", "by_accelerator", "by_group", "order", "order_by_source"}
    wanted |= {"by_table", "left_out_order", "left_out_order_by_source", "stranger_order_by_source"}
    assert set(document["summary"]) == wanted | {"memory", "kernels"}


def test_a_row_that_should_not_fit_says_so_and_is_simulated() -> None:
    row = dict(next(row for row in ROWS if row["source"] == CHOSEN[0])) | {"recompute": "none"}
    found = validate_row(row)
    assert (found.status, found.fits) == ("simulated", False)
    assert "more memory than there is" in found.shortage


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "schedules"),
    [
        ("korthikanti2022-via-calculon", ("", "1F1B", "interleaved-1F1B")),
        ("zero-bubble-2401.10241", ("1F1B", "interleaved-1F1B")),
        ("bigscience-bloom-prequel", ("", "1F1B", "interleaved-1F1B")),
    ],
)
def test_the_median_error_of_step_time_is_at_most_ten_percent(source: str, schedules: tuple[str, ...]) -> None:
    rows = [row for row in ROWS if row["source"] == source and row["schedule"] in schedules]
    summary = summarize(validate_row(row) for row in rows)
    assert len(rows) == summary.simulated >= 4
    assert summary.median_absolute is not None
    assert summary.median_absolute <= 0.10


def test_the_packaged_rows_are_the_default() -> None:
    assert packaged_rows().is_file()
    assert len(ROWS) == 602
    sizes = {table.stem: len(read_rows(table)) for table in packaged_tables()}
    assert sizes == {"measured_runs": 602, "measured_runs_2": 602}
    ids = [row["id"] for table in packaged_tables() for row in read_rows(table)]
    assert len(set(ids)) == 1204


def test_summaries_by_table_keep_files_apart(small: tuple[ValidationReport, list[tuple[int, int]]]) -> None:
    assert {name: summary.rows for name, summary in small[0].by_table.items()} == {"rows": 5}
