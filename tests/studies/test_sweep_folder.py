"""The folder of a sweep's results: one writer, one sweep, whole files."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clustersim.errors import ClustersimError, InputError
from clustersim.simulation.result_row import ResultRow
from clustersim.studies.sweeps import folder as module
from clustersim.studies.sweeps import points
from clustersim.studies.sweeps.folder import only_writer, write_whole
from clustersim.studies.sweeps.result_columns import refused_row
from clustersim.studies.sweeps.sweep import SweepResult, run_sweep

TWO = {"layout.micro_batch": [1, 2]}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many micro-batches of points were simulated: a stand-in for the simulation, for what is about files."""
    seen: list[int] = []

    def row(scenario: Any, settings: Any) -> ResultRow:
        seen.append(scenario.resolved_layout.micro_batch)
        return refused_row("infeasible", "too large", scenario)

    monkeypatch.setattr(
        points, "simulate_points", lambda scenarios, settings: [row(each, settings) for each in scenarios]
    )
    return seen


def swept(axes: Any = TWO, source: Any = "gpt3_175b_a100", **how: Any) -> SweepResult:
    return run_sweep(source, overrides=axes, **how)


def table(folder: Path) -> list[str]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return [row["layout.micro_batch"] for row in csv.DictReader(file)]


def request(folder: Path) -> dict[str, Any]:
    document = yaml.safe_load((folder / "sweep.yaml").read_text())
    assert isinstance(document, dict)
    return document


def test_another_sweep_of_a_scenario_gets_a_folder_of_its_own(played: list[int]) -> None:
    first = swept()
    other = swept({"cluster.nodes": [8, 16]})
    third = swept({"layout.micro_batch": [4]})
    assert [str(each.folder) for each in (first, other, third)] == [
        "results/gpt3_175b_a100",
        "results/gpt3_175b_a100_2",
        "results/gpt3_175b_a100_3",
    ]
    assert table(first.folder) == ["1", "2"]
    assert request(first.folder)["points"] == TWO
    assert swept({"cluster.nodes": [8, 16]}).folder == other.folder
    assert swept({"cluster.nodes": [8, 16]}, engine="reference").folder.name == "gpt3_175b_a100_4"


def test_a_sweep_with_more_values_goes_on_in_the_folder(played: list[int]) -> None:
    first = swept()
    more = swept({"layout.micro_batch": "1..4"})
    assert more.folder == first.folder
    assert (more.reused, played) == (2, [1, 2, 4])  # 3 doesn't divide the batch
    assert table(more.folder) == ["1", "2", "3", "4"]
    assert swept(TWO).folder != first.folder, "fewer points than the table has"


def test_a_sweep_file_keeps_its_folder_when_it_is_edited(here: Path, played: list[int]) -> None:
    file = here / "mine.yaml"
    for values in ([1, 2], [3, 4]):
        file.write_text(yaml.safe_dump({"base": "gpt3_175b_a100", "points": {"layout.micro_batch": values}}))
        result = swept((), file)
        assert str(result.folder) == "results/mine"
        assert table(result.folder) == [str(value) for value in values]
    assert str(swept(["layout.micro_batch=9"], file).folder) == "results/mine_2"
    assert str(swept((), file).folder) == "results/mine"
    assert str(swept((), Path("results/mine_2/sweep.yaml")).folder) == "results/mine"


def test_a_folder_that_was_named_is_not_given_to_another_sweep(played: list[int]) -> None:
    swept(output="out")
    with pytest.raises(InputError, match="out holds the results of another sweep: give another folder, or --fresh"):
        swept({"cluster.nodes": [8, 16]}, output="out")
    assert table(Path("out")) == ["1", "2"]
    swept({"layout.micro_batch": [4]}, output="out", resume=False)
    assert table(Path("out")) == ["4"]
    assert request(Path("out"))["points"] == {"layout.micro_batch": [4]}


def test_somebody_elses_sweep_yaml_is_not_overwritten(here: Path, played: list[int]) -> None:
    (here / "results" / "gpt3_175b_a100").mkdir(parents=True)
    (here / "results" / "gpt3_175b_a100" / "sweep.yaml").write_text("mine: [")
    assert swept().folder.name == "gpt3_175b_a100_2"
    assert (here / "results" / "gpt3_175b_a100" / "sweep.yaml").read_text() == "mine: ["


def interrupted_after(count: int) -> Any:
    def stop(done: int, total: int) -> None:
        if done >= count:
            raise KeyboardInterrupt

    return stop


def test_table_and_request_are_of_one_sweep_whenever_it_is_stopped(played: list[int]) -> None:
    first = swept()
    for how in ({}, {"resume": False}):
        with pytest.raises(KeyboardInterrupt):
            swept({"layout.micro_batch": "1..4"}, progress=interrupted_after(1), **how)
        assert request(first.folder)["points"] == TWO
        assert table(first.folder) == ["1", "2"]
    swept({"layout.micro_batch": "1..4"})
    assert request(first.folder)["points"] == {"layout.micro_batch": "1..4"}


def test_fresh_loses_nothing_before_the_new_rows_are_there(played: list[int]) -> None:
    folder = swept().folder
    before = (folder / "results.csv").read_bytes()
    del played[:]
    with pytest.raises(KeyboardInterrupt):
        swept(resume=False, progress=interrupted_after(1))
    assert played == [1], "it began anew"
    assert (folder / "results.csv").read_bytes() == before
    assert swept().reused == 2
    swept(resume=False)
    assert played == [1, 1, 2]
    assert (folder / "journal.jsonl").read_bytes().count(b"\n") == 2, "of each point its last row"


def test_points_that_failed_are_tried_again_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def flaky(scenario: Any, settings: Any) -> ResultRow:
        size = scenario.resolved_layout.micro_batch
        calls.append(size)
        return refused_row("failed" if size == 2 and calls.count(2) < 3 else "infeasible", "why", scenario)

    monkeypatch.setattr(points, "simulate_point", flaky)
    said: list[str] = []
    assert swept(say=said.append).count("failed") == 1
    assert (calls, said) == ([1, 2], [])
    again = swept(say=said.append)
    assert (again.count("failed"), again.reused, calls) == (1, 1, [1, 2, 2])
    assert said == ["1 point that failed before is tried again"]
    third = swept(say=said.append)
    assert (third.count("failed"), calls) == (0, [1, 2, 2, 2])
    assert swept().reused == 2


def test_damaged_lines_are_named_played_again_and_gone(played: list[int]) -> None:
    folder = swept().folder
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"too large", b"too small", 1))
    said: list[str] = []
    again = swept(say=said.append)
    assert said == [f"{journal}: line 1: altered: its sum is not that of its content; what it was of is played again"]
    assert (again.reused, played) == (1, [1, 2, 1])
    assert [row["reason"] for row in again.rows] == ["too large", "too large"]
    swept(say=said.append)
    assert len(said) == 1


def test_two_writers_are_refused_with_who_the_first_is(played: list[int]) -> None:
    refused: list[str] = []

    def second(done: int, total: int) -> None:
        with pytest.raises(ClustersimError) as caught:
            swept()
        refused.append(str(caught.value))

    folder = swept(progress=second).folder
    assert refused[0].startswith(f"process {os.getpid()} on ")
    assert f"is writing into {folder}: wait until it ends, or give another folder (--output)" in refused[0]
    assert sorted(file.name for file in folder.iterdir()) == ["journal.jsonl", "results.csv", "sweep.yaml"]


HOLDS = """
import sys, time
from pathlib import Path
from clustersim.studies.sweeps.folder import only_writer
with only_writer(Path("held")):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_the_lock_goes_with_a_process_that_is_killed(here: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(ClustersimError, match=rf"process {holder.pid} on "), only_writer(here / "held"):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert (here / "held" / ".lock").exists()
    with only_writer(here / "held"):
        pass
    assert list((here / "held").iterdir()) == []


def test_a_lock_is_of_the_folder_that_is_there(here: Path) -> None:
    """Deleted and made again by somebody else, the folder is theirs: their lock is not removed."""
    with only_writer(here / "held"):
        shutil.rmtree(here / "held")
        with only_writer(here / "held"):
            pass
        (here / "held" / ".lock").write_text("another's")
    assert (here / "held" / ".lock").read_text() == "another's"


def test_drafts_of_killed_writers_are_removed(here: Path, played: list[int]) -> None:
    folder = here / "results" / "gpt3_175b_a100"
    folder.mkdir(parents=True)
    for name in (".results.csv.123", ".sweep.yaml.9", ".journal.jsonl.77", ".mine"):
        (folder / name).write_text("half")
    swept()
    assert sorted(file.name for file in folder.iterdir()) == [".mine", "journal.jsonl", "results.csv", "sweep.yaml"]


def test_a_whole_file_or_none_of_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(here / "table", ["one\n"])

    def parts() -> Iterator[str]:
        yield "two\n"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device.*table"):
        write_whole(here / "table", parts())
    assert [file.read_text() for file in here.iterdir()] == ["one\n"]


def test_a_folder_deleted_midway_is_made_again(played: list[int]) -> None:
    def delete(done: int, total: int) -> None:
        if done == 1:
            shutil.rmtree("results")

    result = swept(progress=delete)
    assert table(result.folder) == ["1", "2"]
    assert request(result.folder)["points"] == TWO
    assert swept().reused == 2


def test_without_file_locks_a_sweep_still_runs(played: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fcntl", None)
    assert table(swept().folder) == ["1", "2"]
