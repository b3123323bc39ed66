"""Tables of sweeps, searches and validation, the parity plot, and reports written down."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from builders import scenario
from rich.console import Console, RenderableType

from clustersim.simulation.run import simulate_run
from clustersim.studies.layouts.search import SearchResult
from clustersim.studies.sweeps.sweep import SweepResult
from clustersim.studies.validation.summaries import Summary, ValidationRow
from clustersim.studies.validation.validation import ValidationReport
from clustersim.views.parity import draw_parity
from clustersim.views.reports import write_report
from clustersim.views.search_table import search_view
from clustersim.views.sweep_table import sweep_view, telling_keys
from clustersim.views.validation_table import validation_view


def shown(page: RenderableType) -> str:
    file = io.StringIO()
    Console(file=file, width=132, markup=False, emoji=False, highlight=False).print(page)
    return file.getvalue()


def swept(rows: list[dict[str, Any]], *keys: str, reused: int = 0) -> SweepResult:
    filled = tuple({"status": "done", "reason": "", "mfu": 0.4, "step_time_s": 2.0} | row for row in rows)
    return SweepResult("s", Path("results/s"), keys, (), filled, (), reused)


def test_a_sweeps_table_shows_what_tells_points_apart() -> None:
    rows = [{"cluster.node": node, "stack": f"for {node}", "training.x": size, "layout": '{"tensor":8}', "one": 1}
            for node in ("a", "b") for size in (True, False)]  # fmt: skip
    result = swept(rows, "cluster.node", "stack", "training.x", "layout", "one", reused=3)
    assert telling_keys(result) == ["cluster.node", "training.x"]
    text = shown(sweep_view(result, [Path("results/s/figure.svg")]))
    assert "false" in text
    assert "40.0 %" in text
    assert "4 points: 4 done, 3 of them kept" in text
    assert text.rstrip().endswith("results/s/figure.svg")


def test_a_long_sweep_is_cut_and_reasons_are_counted() -> None:
    rows: list[dict[str, Any]] = [{"k": number} for number in range(60)]
    rows += [{"k": 60 + number, "status": "infeasible", "reason": "too large", "mfu": None} for number in range(3)]
    text = shown(sweep_view(swept(rows, "k"), []))
    assert "and 23 more points" in text
    assert "63 points: 60 done, 3 infeasible" in text
    assert "3 x too large" in text


def test_searched_layouts_are_listed() -> None:
    best = simulate_run(scenario(tensor=2))
    text = shown(search_view(SearchResult((best,), 4212, 7, 3, {"out of memory": 4205})))
    assert "4,212 layouts" in text
    assert "7 fit in memory" in text
    assert "out of memory: 4,205" in text
    assert f"{100 * best.step.mfu:.1f} %" in text


def measured(name: str, error: float | None, *, source: str = "lab", shortage: str = "") -> ValidationRow:
    if error is None:
        return ValidationRow(
            name, source, f"{source}/chip", "chip", "stack", "", "refused", "no such schedule", None, None, None, None,
            None, None,
        )  # fmt: skip
    return ValidationRow(
        name, source, f"{source}/chip", "chip", "stack", "complete", "simulated", "", 10.0, 10.0 * (1 + error), error,
        (9.0, 12.0), (8.0, 13.0), not shortage, shortage=shortage,
    )  # fmt: skip


def report(*rows: ValidationRow) -> ValidationReport:
    return ValidationReport("my.csv", rows)


def test_few_rows_are_shown_one_by_one() -> None:
    short = measured("b", -0.15, shortage="it fits with more")
    text = shown(validation_view(report(measured("a", 0.05), short, measured("c", None))))
    assert "+5.0 %" in text
    assert "-15.0 %" in text
    assert "10.0 s" in text
    assert "refused: 1 row\n" in text
    assert "1 x no such schedule" in text
    assert "1 simulated rows are predicted not to fit" in text
    assert "b: it fits with more" in text
    assert "10.0 %" in text  # the mean


def test_many_rows_are_summed_up() -> None:
    many = [measured(f"row{number}", 0.01, source=f"lab{number % 3}") for number in range(40)]
    text = shown(validation_view(report(*many)))
    assert "row7" not in text
    assert "lab2" in text
    nothing = shown(validation_view(report(measured("a", None))))
    assert "-" in nothing


def test_the_parity_plot_holds_every_simulated_row() -> None:
    rows = [measured(f"row{number}", 0.02 * number, source=f"lab{number}") for number in range(10)]
    figure = draw_parity(report(*rows, measured("refused", None), measured("x", None, source="lab0")))
    axes = figure.axes[0]
    drawn = [point for line in axes.get_lines() if ": " in str(line.get_label()) for point in line.get_ydata()]  # type: ignore[union-attr]
    assert sorted(drawn) == pytest.approx([10.0 * (1 + 0.02 * number) for number in range(10)])
    looks = {(line.get_color(), line.get_marker(), line.get_markeredgecolor()) for line in axes.get_lines()[1:]}
    assert len(looks) == 10
    assert draw_parity(report(measured("refused", None))).axes


def test_reports_are_written_for_programs_and_people(tmp_path: Path) -> None:
    page = validation_view(report(measured("a", 0.05)))
    write_report("validation", page, {"mean": 0.05, "name": "é"}, tmp_path / "deep")
    assert json.loads((tmp_path / "deep" / "validation.json").read_text()) == {"mean": 0.05, "name": "é"}
    text = (tmp_path / "deep" / "validation.txt").read_text()
    assert "+5.0 %" in text
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_summaries_without_rows_are_dashes() -> None:
    assert Summary(0, 0).mean_absolute is None
