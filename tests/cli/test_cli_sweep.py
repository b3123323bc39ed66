"""`clustersim sweep` and `plot`: from a command line to a table and figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clustersim.cli import cli
from clustersim.studies.sweeps import points
from clustersim.studies.sweeps.result_columns import layout_of
from clustersim.views.words import layout_words

SWEEP = """
base: gpt3_175b_a100
points: {layout.micro_batch: [1, 2, 8]}
figures:
  - {x: layout.micro_batch, y: mfu}
  - {x: layout.micro_batch, y: nothing}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(SWEEP)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_a_sweep_ends_with_the_paths_of_what_it_wrote(here: Path) -> None:
    result = invoke("sweep", "mine.yaml")
    assert result.exit_code == 0
    for name in ("results.csv", "mfu_against_layout.micro_batch.svg", "mfu_against_layout.micro_batch.png"):
        assert f"results/mine/{name}" in result.stdout
        assert (here / "results" / "mine" / name).stat().st_size > 100
    assert "3 points: 2 done, 1 infeasible" in result.stdout
    assert "1 x needs" in result.stdout
    assert "nothing_against_layout.micro_batch was not drawn" in result.stderr
    again = invoke("sweep", "mine.yaml", "--workers", "1")
    assert "3 of them kept from before" in again.stdout
    assert "kept" not in invoke("sweep", "mine.yaml", "--fresh").stdout


def test_a_scenario_is_varied_from_the_command_line() -> None:
    result = invoke("sweep", "gpt3_175b_a100", "cluster.nodes=8,16", "layout.data=auto", "-o", "out", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "points": 2, "done": 2, "infeasible": 0, "failed": 0, "reasons": [], "reused": 0, "results": "out",
    }  # fmt: skip
    assert Path("out/results.csv").exists()


def test_a_sweep_without_any_figure_says_why_and_ends_well() -> None:
    """Exit code 0 by the contract; the commonest reasons with counts, in the table, in JSON and on stderr."""
    axes = ("layout.tensor=1,2", "layout.pipeline=1,2", "layout.data=auto", "layout.micro_batch=8,16")
    result = invoke("sweep", "gpt3_175b_a100", *axes)
    assert result.exit_code == 0
    assert "8 points: 0 done, 8 infeasible, so that there is no figure to show" in result.stdout
    assert "4 x layout.virtual_stages: 3 virtual stages need a pipeline of 2 or more" in result.stdout
    assert result.stderr.startswith("none of 8 points can run: 8 x training.global_batch: 64 sequences are no")
    document = json.loads(invoke("sweep", "gpt3_175b_a100", *axes, "--json").stdout)
    assert [reason["points"] for reason in document["reasons"]] == [8, 4]
    some = invoke("sweep", "mine.yaml", "--json")
    assert some.stderr.splitlines()[:1] != ["none of 3 points can run"]
    assert [reason["points"] for reason in json.loads(some.stdout)["reasons"]] == [1]


def test_what_a_search_chose_is_printed_and_recorded() -> None:
    result = invoke("sweep", "gpt3_175b_a100", "model=gpt3-6.7b", "layout=search", "cluster.nodes=1")
    assert result.exit_code == 0
    row = next(csv.DictReader(Path("results/gpt3_175b_a100/results.csv").read_text().splitlines()))
    assert row["layout_is"] == "searched"
    layout = layout_of(row)
    assert layout is not None
    assert " ".join(f"layouts, searched {layout_words(layout)}".split()) in " ".join(result.stdout.split())
    again = invoke("sweep", "mine.yaml")
    assert "searched" not in again.stdout


def test_figures_have_the_same_bytes_every_time(here: Path) -> None:
    invoke("sweep", "mine.yaml", "-o", "a")
    invoke("sweep", "mine.yaml", "-o", "b")
    names = sorted(path.name for path in (here / "a").iterdir())
    assert names == sorted(path.name for path in (here / "b").iterdir())
    assert len(names) == 5
    for name in names:
        assert (here / "a" / name).read_bytes() == (here / "b" / name).read_bytes()


def test_a_point_that_fails_is_a_bug_but_the_table_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(points, "simulate_run", fail)
    result = invoke("sweep", "mine.yaml")
    assert result.exit_code == 4
    assert "3 failed" in result.stdout
    assert "3 points failed, the first with: internal error: ZeroDivisionError: by zero" in result.stderr
    assert Path("results/mine/results.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "utilization_v_scale"], "Did you mean utilization_vs_scale"),
        (["sweep", "gpt3_175b_a100", "layout.tensr=1,2"], "Did you mean tensor"),
        (["sweep", "gpt3_175b_a100", "cluster.node.scale_out.bandwidth=1 GBps,2 parsec"], "unknown unit"),
        (["sweep", "gpt3_175b_a100", "layout.tensor"], "expected KEY=VALUES"),
        (["sweep", "mine.yaml", "-o", "mine.yaml"], "mine.yaml is a file, not a folder"),
        (["plot", "nothing", "--x", "devices"], "Give the folder or the results.csv"),
        (["plot", "results/mfu_vs_bandwidth", "--x", "devices"], "`clustersim sweep mfu_vs_bandwidth` makes it"),
        (["plot", "done", "--x", "device"], "Did you mean devices"),
        (["plot", "done", "--x", "devices", "--y", "engine"], "holds words, not numbers"),
        (["plot", "done", "--x", "devices", "--where", "status"], "expected COLUMN=VALUE"),
        (["plot", "done", "--x", "devices", "-o", "figure.bmp"], "no .svg, .png or .pdf"),
        (["plot", "done", "--x", "devices", "--published", "mindsped-gpt3-175b"], "Did you mean mindspeed-gpt3-175b"),
        (["plot", "done", "--x", "devices", "--y", "hfu", "--published", "megascale-175b"], "goes with x = devices"),
        (["plot", "done", "--x", "devices", "--where", "devices=7"], "no finished point"),
        (["plot", "done", "--x", "devices", "--by", "model"], "They differ in layout.micro_batch"),
        (["plot", "empty.csv", "--x", "devices"], "holds no rows"),
        (["plot", "bytes.csv", "--x", "devices"], "not text in UTF-8"),
    ],
)
def test_mistakes_are_said_without_a_traceback(arguments: list[str], message: str, here: Path) -> None:
    invoke("sweep", "mine.yaml", "-o", "done")
    (here / "empty.csv").write_text("a,b\n")
    (here / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_name_in_results_will_do() -> None:
    invoke("sweep", "mine.yaml")
    assert invoke("plot", "mine", "--x", "layout.micro_batch").exit_code == 0


def test_plot_draws_into_the_folder_or_where_it_is_told(here: Path) -> None:
    invoke("sweep", "mine.yaml", "-o", "done")
    beside = invoke("plot", "done", "--x", "layout.micro_batch", "--y", "step_time_s", "--log-y", "--log-x")
    assert beside.exit_code == 0
    assert beside.stdout.split() == [f"done/step_time_s_against_layout.micro_batch.{kind}" for kind in ("svg", "png")]
    for name, start in (("deep/f.svg", b"<?xml"), ("deep/f.png", b"\x89PNG"), ("deep/f.PDF", b"%PDF")):
        result = invoke(
            "plot", "done/results.csv", "--x", "micro_batch", "--y", "breakdown", "--title", "T", "-o", name, "--json"
        )
        assert json.loads(result.stdout) == {"figures": [name]}
        assert (here / name).read_bytes().startswith(start)
    assert b"Date" not in (here / "deep/f.PDF").read_bytes()
