"""No work is lost at the last step: outputs are tried first, answers printed first, interruptions keep what is done."""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from faults.hostile import claim

from clustersim.cli import cli
from clustersim.cli.outputs import check_writable
from clustersim.studies import seeds
from clustersim.studies.calibration import calibration
from clustersim.studies.claims import outcomes
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.validation import validation
from clustersim.studies.validation.validation import packaged_rows

FAILING = ("run", "gpt3_175b_a100", "--tokens", "20B", "--reliability", "meta-rsc-1")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    Path("a_file").write_text("x")
    asked = claim("a claim") | {"open": {"cluster.nodes": [8, 16]}}
    del asked["given"]["cluster"]["nodes"]  # type: ignore[index]
    Path("claim.yaml").write_text(yaml.safe_dump(asked))
    rows = [row for row in read_rows(packaged_rows()) if row["source"].startswith("korthikanti")]
    with Path("rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([row | {"group": f"g{number}"} for number, row in enumerate(rows)])
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def never(*_: Any, **__: Any) -> None:
    raise AssertionError("long work was started")


WRITERS: dict[str, tuple[tuple[str, ...], str]] = {
    "check --report": (("check", "claim.yaml", "--report"), "clustersim.studies.claims.judge.check_claim"),
    "check --output": (("check", "claim.yaml", "--output"), "clustersim.studies.claims.judge.check_claim"),
    "validate": (("validate", "rows.csv", "-o"), "clustersim.studies.validation.validation.validate"),
    "calibrate": (("calibrate", "rows.csv", "-o"), "clustersim.studies.calibration.calibration.calibrate"),
    "measure": (("measure", "-o"), "clustersim.studies.timing.measure.measure"),
    "calibrate --kernels": (
        ("calibrate", "--kernels", "rows.csv", "-o"),
        "clustersim.studies.kernels.own_chip.calibrated_chip",
    ),
    "run": ((*FAILING, "-o"), "clustersim.simulation.run.simulate_run"),
    "serve": (("serve", "llama3_70b_h100", "-o"), "clustersim.studies.serving.report.serve"),
    "search": (("search", "gpt3_175b_a100", "--plot"), "clustersim.studies.layouts.search.search_layouts"),
    "trace": (("trace", "gpt3_175b_a100", "-o"), "clustersim.simulation.step.step.play_step"),
    "timeline": (("plot", "timeline", "gpt3_175b_a100", "-o"), "clustersim.simulation.step.step.play_step"),
    "sweep": (("sweep", "gpt3_175b_a100", "-o"), "clustersim.studies.sweeps.sweep.run_chunks"),
}
PLACES = ("a_file/x.svg", "/proc/none/x.svg", "/dev/null/x.svg")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("writer", WRITERS)
def test_what_cannot_be_written_is_said_before_long_work(
    writer: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, work = WRITERS[writer]
    monkeypatch.setattr(work, never)
    result = invoke(*words, place)
    assert result.exit_code == 2, result.output
    assert place.split("/")[1 if place.startswith("/") else 0] in result.stderr
    assert result.stdout == ""


def test_where_something_can_be_written(here: Path) -> None:
    check_writable(here / "new" / "deep" / "x.html", folder=False)
    check_writable(here / "new" / "deep", folder=True)
    check_writable(here / "a_file", folder=False)
    check_writable(here, folder=True)
    assert not (here / "new").exists(), "nothing is made by trying"
    with pytest.raises(ValueError, match="a folder, not a file"):
        check_writable(here, folder=False)
    with pytest.raises(ValueError, match="a file, not a folder"):
        check_writable(here / "a_file", folder=True)


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "out")


@pytest.mark.parametrize(
    ("arguments", "written", "said"),
    [
        (("check", "claim.yaml", "--report", "out.html"), "clustersim.views.claim_report.write_claim_report", "impos"),
        (("check", "claim.yaml", "--json", "-o", "out"), "clustersim.views.reports.write_report", '"verdict"'),
        (("validate", "rows.csv", "-o", "out"), "clustersim.views.reports.write_report", "step times of rows.csv"),
        (("serve", "llama3_70b_h100", "-o", "out"), "clustersim.views.reports.write_report", "tokens/s"),
        ((*FAILING, "--seeds", "2", "-o", "out"), "clustersim.views.drawing.save", "training"),
        (("search", "gpt3_175b_a100", "--quick", "--where", "tensor == 8 and pipeline == 8", "--plot", "out.svg"),
         "clustersim.views.drawing.write", "TP8"),
    ],
)  # fmt: skip
def test_the_answer_is_printed_before_a_disk_is_full(
    arguments: tuple[str, ...], written: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written, full)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert said in result.stdout
    assert "out: No space left on device. Make room, then give the same command again" in result.stderr
    assert "bug" not in result.stderr


def test_a_sweep_prints_its_table_before_a_figure_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = {"base": "gpt3_175b_a100", "points": {"layout.micro_batch": [1, 2]}}
    figures = [{"x": "layout.micro_batch", "y": name} for name in ("mfu", "hfu")]
    Path("mine.yaml").write_text(yaml.safe_dump(sweep | {"figures": figures}))
    monkeypatch.setattr("clustersim.views.drawing.save", full)
    result = invoke("sweep", "mine.yaml")
    assert result.exit_code == 2
    assert "2 points: 2 done" in result.stdout
    assert "No space left on device. Make room" in result.stderr


def test_what_a_full_disk_took_from_a_sweep_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("clustersim.studies.sweeps.folder.write_whole", full)
        result = invoke("sweep", "gpt3_175b_a100", "layout.micro_batch=1,2")
        assert result.exit_code == 2
    with monkeypatch.context() as patched:
        patched.setattr("clustersim.studies.sweeps.sweep.finish", full)
        result = invoke("sweep", "gpt3_175b_a100", "layout.micro_batch=1,2")
    assert result.exit_code == 2
    assert "No space left on device. Make room" in result.stderr
    assert "what was finished is kept in results/gpt3_175b_a100: the same command goes on from there" in result.stderr
    again = json.loads(invoke("sweep", "gpt3_175b_a100", "layout.micro_batch=1,2", "--json").stdout)
    assert (again["done"], again["reused"]) == (2, 2)


def interrupted(function: Callable[..., Any], after: int) -> Callable[..., Any]:
    """The same, with Ctrl-C in its call number `after` + 1."""
    calls = 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt
        return function(*arguments, **named)

    return counted


def test_validate_keeps_and_prints_the_rows_that_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "validate_row", interrupted(validation.validate_row, 2))
    result = invoke("validate", "rows.csv", "--json", "-o", "out")
    assert result.exit_code == 130
    document = json.loads(result.stdout)
    assert (len(document["rows"]), document["complete"]) == (2, False)
    assert json.loads(Path("out/validation.json").read_text())["rows"] == document["rows"]
    monkeypatch.undo()
    monkeypatch.setattr(validation, "validate_row", interrupted(validation.validate_row, 0))
    assert invoke("validate", str(Path(packaged_rows()))).stdout == ""


def test_an_interrupted_validation_says_so_and_a_whole_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = invoke("validate", "rows.csv")
    assert "interrupted" not in whole.output
    assert "complete" not in json.loads(invoke("validate", "rows.csv", "--json").stdout)
    monkeypatch.setattr(validation, "validate_row", interrupted(validation.validate_row, 2))
    assert "interrupted: these are the first 2 rows" in invoke("validate", "rows.csv").stdout


def test_calibrate_keeps_the_numbers_that_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.loads(invoke("calibrate", "rows.csv", "--only", "memory_factor", "--json").stdout)
    assert whole["complete"]
    monkeypatch.setattr(calibration, "solve", interrupted(calibration.solve, 1))
    result = invoke("calibrate", "rows.csv", "--only", "memory_factor", "--json", "-o", "mine.yaml")
    assert result.exit_code == 130
    found = json.loads(result.stdout)
    assert found["estimates"] == whole["estimates"]
    assert not found["complete"]
    assert not Path("mine.yaml").exists(), "a stack carries its residuals, and they are not known"


def test_check_judges_by_what_was_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.loads(invoke("check", "claim.yaml", "--json", "--workers", "1").stdout)
    assert len(whole["points"]) == 2
    assert "complete" not in whole
    monkeypatch.setattr(outcomes, "_best_point", interrupted(outcomes._best_point, 1))
    result = invoke("check", "claim.yaml", "--json", "--workers", "1", "--report", "out.html")
    assert result.exit_code == 130
    found = json.loads(result.stdout)
    assert found["points"] == whole["points"][:1]
    assert not found["complete"]
    assert "not searched: the check was interrupted" in found["infeasible"]
    assert "not searched: the check was interrupted" in Path("out.html").read_text()
    monkeypatch.setattr(outcomes, "_best_point", interrupted(outcomes._best_point, 0))
    nothing = invoke("check", "claim.yaml", "--workers", "1")
    assert (nothing.exit_code, nothing.stdout) == (130, "")


def test_runs_that_were_played_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.loads(invoke(*FAILING, "--seeds", "3", "--json").stdout)
    three = json.loads(invoke(*FAILING, "--seeds", "2", "--json").stdout)
    monkeypatch.setattr(seeds, "play_run", interrupted(seeds.play_run, 2))
    result = invoke(*FAILING, "--seeds", "3", "--json", "--advise")
    assert result.exit_code == 130
    found = json.loads(result.stdout)
    assert found == three
    assert found["training_days"] != whole["training_days"]
    monkeypatch.setattr(seeds, "play_run", interrupted(seeds.play_run, 0))
    nothing = invoke(*FAILING, "--seeds", "3")
    assert (nothing.exit_code, nothing.stdout) == (130, "")


@pytest.mark.parametrize(
    ("arguments", "work", "words"),
    [
        ((*FAILING, "--seeds", "1000000000000"), "clustersim.studies.seeds.run_chunks", "at most 100,000 are"),
        ((*FAILING, "--advise", "--target-goodput", "1e309"), "clustersim.studies.seeds.run_chunks", "--target-g"),
        ((*FAILING, "--advise", "--target-goodput", "most"), "clustersim.studies.seeds.run_chunks", "--target-g"),
        (("sweep", "gpt3_175b_a100", "layout.micro_batch=1,2", "--workers", "1000000"),
         "clustersim.studies.sweeps.sweep.run_chunks", "1<=x<=1024"),
        (("check", "claim.yaml", "--workers", "1000000"), "clustersim.studies.claims.judge.check_claim", "1<=x<=1024"),
    ],
)  # fmt: skip
def test_counts_on_the_command_line_have_an_end(
    arguments: tuple[str, ...], work: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of a million million seeds, or a million processes, is refused and not begun."""
    monkeypatch.setattr(work, never)
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr


def test_a_signal_while_an_error_is_said_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(message: object, *, err: bool = True) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clustersim.cli.errors.say", stops)
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "absent.yaml"])
    assert ended.value.code == 130
