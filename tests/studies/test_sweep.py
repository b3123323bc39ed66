"""Sweeps: every point once, in order, the same bytes whoever computed them, nothing finished lost."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clustersim.errors import ClustersimError, InfeasibleError, InputError, WorkersLostError
from clustersim.inputs.load import load_scenario
from clustersim.simulation.run import simulate_run, simulate_runs
from clustersim.studies import workers
from clustersim.studies.sweeps import points
from clustersim.studies.sweeps.result_columns import COLUMNS, ResultRow, layout_of, refusals
from clustersim.studies.sweeps.sweep import run_sweep

AXES = {"cluster.nodes": [8, 16], "layout.micro_batch": "1..4", "layout.data": "auto"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def journal(folder: Path) -> list[str]:
    return [json.loads(line)["key"] for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_every_point_is_there_in_order_and_is_what_run_says(here: Path) -> None:
    result = run_sweep("gpt3_175b_a100", overrides=AXES)
    assert result.folder == Path("results/gpt3_175b_a100")
    assert result.to_dict() == {
        "points": 8,
        "done": 4,
        "infeasible": 4,
        "failed": 0,
        "reasons": [
            {"points": 2, "reason": str(result.rows[2]["reason"])},
            {"points": 2, "reason": str(result.rows[3]["reason"])},
        ],
        "reused": 0,
        "results": "results/gpt3_175b_a100",
    }
    rows = table(result.folder)
    assert list(rows[0]) == ["point", *AXES, *COLUMNS] == list(result.columns)
    assert [(row["cluster.nodes"], row["layout.micro_batch"]) for row in rows] == [
        (nodes, size) for nodes in ("8", "16") for size in "1234"
    ]
    assert [int(row["point"]) for row in rows] == list(range(8))
    alone = simulate_run(load_scenario("gpt3_175b_a100", {"cluster.nodes": 16, "layout.data": "auto"}))
    assert float(rows[4]["mfu"]) == alone.step.mfu
    assert float(rows[4]["mfu_low_80"]) == alone.step.intervals["mfu"]["80"][0]
    parts = sum(float(value) for name, value in rows[4].items() if name.startswith("breakdown_"))
    assert parts == pytest.approx(1.0, abs=1e-9)
    assert rows[4]["fits"] == "true"
    assert float(rows[4]["parameters"]) == pytest.approx(175e9, rel=0.01)


def test_reasons_that_differ_in_numbers_alone_are_one_kind() -> None:
    rows: list[ResultRow] = [
        {"status": "done", "reason": ""},
        {"status": "infeasible", "reason": "a: 5 is no multiple of 2; b: too large"},
        {"status": "infeasible", "reason": "needs 93.2 GiB a device on stage 0, 79.1 GiB are usable"},
        {"status": "infeasible", "reason": "a: 7 is no multiple of 1,024"},
        {"status": "failed", "reason": "c"},
        {"status": "infeasible", "reason": "a: 5 is no multiple of 2"},
    ]
    found = refusals(rows)
    assert [(kind.points, kind.texts) for kind in found] == [(3, 2), (1, 1), (1, 1), (1, 1)]
    assert found[0].words == "3 x a: 5 is no multiple of 2 (other points: other numbers)"
    assert found[1].words == "1 x b: too large"
    assert refusals(rows[:1]) == ()


@pytest.mark.parametrize("recompute", ["full", {"layers": 2}])
def test_a_row_holds_the_whole_layout(recompute: Any) -> None:
    scenario = load_scenario("gpt3_175b_a100", {"layout.recompute": recompute, "layout.overlap": ["grad_reduce"]})
    row = run_sweep("gpt3_175b_a100", overrides={"layout.recompute": [recompute], "layout.overlap": [["grad_reduce"]]})
    cells = table(row.folder)[0]
    assert cells["layout_is"] == "stated"
    found = layout_of(cells)
    assert found is not None
    assert found.model_dump() == scenario.resolved_layout.model_dump()
    assert layout_of({"status": "infeasible"}) is None


def test_points_that_cannot_run_say_why() -> None:
    rows = run_sweep("gpt3_175b_a100", overrides=AXES).rows
    assert "no multiple of data 1 x micro_batch 3" in str(rows[2]["reason"])
    assert rows[2].get("mfu") is None
    assert str(rows[3]["reason"]).startswith("needs ")  # simulated, but too large for the memory
    assert isinstance(rows[3]["mfu"], float)
    assert {row["status"] for row in rows} == {"done", "infeasible"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"layout.tensr": [4, 8]}, "layout.tensr: unknown key. Did you mean tensor"),
        ({"no.such.key": [1]}, "no: unknown key"),
        ({"training.tokens": ["1T", "2X"]}, '"2X": unknown unit'),
        ({"model": ["gpt3-13b", "gpt3-13c"]}, "Did you mean gpt3-13b"),
        ({"layout.micro_batch": [1, "two"]}, "expected a whole number"),
        ({"seeds": [1]}, "unknown key"),
    ],
)
def test_mistakes_stop_the_sweep_before_it_begins(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_sweep("gpt3_175b_a100", overrides=overrides)
    assert not Path("results").exists()


def test_the_number_of_workers_changes_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CHUNK_SECONDS", 0.0)  # so that almost everything goes to the pool
    for count in (1, 2):
        run_sweep("gpt3_175b_a100", overrides=AXES, workers=count, output=f"with{count}")
    with ThreadPoolExecutor(3) as executor:
        run_sweep("gpt3_175b_a100", overrides=AXES, executor=executor, output="with_threads")
    tables = {(Path(folder) / "results.csv").read_bytes() for folder in ("with1", "with2", "with_threads")}
    assert len(tables) == 1
    assert sorted(journal(Path("with1"))) == sorted(journal(Path("with2")))


def test_a_sweep_goes_on_where_it_was_and_extends() -> None:
    first = run_sweep("gpt3_175b_a100", overrides=AXES)
    before = (first.folder / "results.csv").read_bytes()
    again = run_sweep("gpt3_175b_a100", overrides=AXES)
    assert again.reused == 6  # the other two were refused before anything was simulated
    assert (again.folder / "results.csv").read_bytes() == before
    more = run_sweep("gpt3_175b_a100", overrides=AXES | {"cluster.nodes": [8, 16, 32]})
    assert more.reused == 6
    assert len(journal(more.folder)) == len(set(journal(more.folder))) == 8
    fresh = run_sweep("gpt3_175b_a100", overrides=AXES, resume=False)
    assert fresh.reused == 0
    assert (fresh.folder / "results.csv").read_bytes() == before


def test_other_settings_are_other_points() -> None:
    run_sweep("gpt3_175b_a100", overrides={"cluster.nodes": [8]})
    without = run_sweep("gpt3_175b_a100", overrides={"cluster.nodes": [8]}, intervals=False, engine="reference")
    assert without.reused == 0
    assert without.rows[0]["engine"] == "reference"
    assert without.rows[0].get("mfu_low_80") is None


def test_equal_points_are_computed_once() -> None:
    result = run_sweep("gpt3_175b_a100", overrides={"layout.micro_batch": [1, 1, 1]})
    assert [row["point"] for row in result.rows] == [0, 1, 2]
    assert len({row["mfu"] for row in result.rows}) == 1
    assert len(journal(result.folder)) == 1


def test_what_was_asked_can_be_asked_again() -> None:
    source = {
        "name": "mine",
        "base": "gpt3_175b_a100",
        "zip": {"layout.micro_batch": [1, 2], "name": ["1e3", "two: 2"]},
        "points": {"layout.recompute": ["full", {"layers": 2}]},
        "figures": [{"x": "layout.micro_batch", "y": "mfu"}],
        "seeds": 2,
    }
    first = run_sweep(source)
    again = run_sweep(first.folder / "sweep.yaml", output="again")
    assert table(Path("again")) == table(first.folder)
    assert again.figures == first.figures
    assert again.rows[0]["seed"] == 0
    assert again.rows[1]["seed"] == 1
    assert again.rows[0]["name"] == "1e3"
    assert again.rows[2]["layout.recompute"] == '{"layers":2}'
    assert again.rows[2]["recompute"] == "2 layers"


def test_axes_of_the_command_line_replace_those_of_the_file() -> None:
    source = {"base": "gpt3_175b_a100", "zip": {"layout.micro_batch": [1, 2]}, "points": {"layout.recompute": ["full"]}}
    words = ["layout.micro_batch=1", "layout.recompute=selective,full"]
    result = run_sweep(source, overrides=words, output="out")
    assert result.name == "sweep"
    assert [(row["layout.micro_batch"], row["layout.recompute"]) for row in result.rows] == [
        (1, "selective"),
        (1, "full"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["layout.tensor"], "expected KEY=VALUES"),
        (["layout.tensor="], "expected KEY=VALUES"),
        (["layout.tensor=[1,2"], "cannot read"),
    ],
)
def test_axes_that_cannot_be_read(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_sweep("gpt3_175b_a100", overrides=words)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("utilisation_vs_scale", "Did you mean utilization_vs_scale"),
        ("gpt3_175b_a10", "Did you mean gpt3_175b_a100"),
        ("none.yaml", "no such file"),
        ({"name": "x", "points": {}}, "base: required"),
        ({"base": "nowhere", "points": {}}, "no scenario"),
        ({"base": "gpt3_175b_a100", "zip": {"layout.tensor": [1, 2], "layout.pipeline": [1]}}, "differ in length"),
    ],
)
def test_sources_that_are_no_sweep(source: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_sweep(source)


def test_a_broken_file_of_a_known_name_is_what_is_complained_about(here: Path) -> None:
    (here / "configs" / "sweeps").mkdir(parents=True)
    (here / "configs" / "sweeps" / "mine.yaml").write_text("base: [")
    with pytest.raises(InputError, match="not valid YAML"):
        run_sweep("mine")


def test_a_base_beside_the_file_is_found(here: Path) -> None:
    folder = here / "deep"
    folder.mkdir()
    (folder / "base.yaml").write_text(
        "{model: gpt3-13b, cluster: {node: dgx-a100-80gb, nodes: 1}, stack: megatron-lm-2022, layout: {tensor: 8},"
        " training: {sequence_length: 2048, global_batch: 8}}"
    )
    (folder / "two.yaml").write_text("{base: base.yaml, points: {layout.micro_batch: [1, 2]}}")
    result = run_sweep(folder / "two.yaml")
    assert result.name == "two"
    assert result.count("done") == 2


def test_a_layout_may_be_searched_at_every_point() -> None:
    overrides = {"model": ["gpt3-6.7b"], "layout": "search", "cluster.nodes": [1]}
    found = run_sweep("gpt3_175b_a100", overrides=overrides, output="a").rows[0]
    assert found["status"] == "done"
    assert found["tensor"] is not None
    quiet = run_sweep("gpt3_175b_a100", overrides=overrides, output="b", intervals=False).rows[0]
    assert quiet["mfu"] == found["mfu"]
    assert quiet.get("mfu_low_80") is None
    hopeless = run_sweep("gpt3_175b_a100", overrides=overrides | {"model": ["megatron-gpt-1008b"]}, output="c").rows[0]
    assert hopeless["status"] == "infeasible"
    assert hopeless["devices"] == 8


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ZeroDivisionError("by zero"), "failed", "internal error: ZeroDivisionError: by zero"),
        (InfeasibleError("never\nfits"), "infeasible", "never; fits"),
        (ClustersimError("no engine"), "failed", "no engine"),
    ],
)
def test_one_bad_point_takes_no_other_with_it(
    error: Exception, status: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sometimes(scenario: Any, **settings: Any) -> Any:
        if scenario.resolved_layout.micro_batch == 2:
            raise error
        return simulate_run(scenario, **settings)

    monkeypatch.setattr(points, "simulate_run", sometimes)
    result = run_sweep("gpt3_175b_a100", overrides={"layout.micro_batch": [1, 2]})
    assert [row["status"] for row in result.rows] == ["done", status]
    assert result.rows[1]["reason"] == reason


class Broken(Executor):
    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("a worker died"))
        return future


def test_a_worker_that_dies_is_said_with_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CHUNK_SECONDS", 0.0)
    with pytest.raises(WorkersLostError, match="ended unexpectedly") as caught:
        run_sweep("gpt3_175b_a100", overrides=AXES, executor=Broken())
    assert "the same command goes on from there" in str(caught.value)
    assert run_sweep("gpt3_175b_a100", overrides=AXES).reused == 1  # the one that ran here


def test_an_interruption_says_how_to_go_on() -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        run_sweep("gpt3_175b_a100", overrides=AXES, progress=stop)
    assert "goes on from there" in caught.value.__notes__[0]
    assert run_sweep("gpt3_175b_a100", overrides=AXES).reused == 3


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a parent in the background would have it ignore
from clustersim.simulation import run
from clustersim.studies.sweeps import points, sweep
def slowly(scenario, **settings):
    time.sleep(0.04)
    return run.simulate_run(scenario, **settings)
points.simulate_run = slowly
sweep.run_sweep("gpt3_175b_a100", overrides={"cluster.nodes": "8..128 x2", "layout.data": "auto",
    "training.global_batch": [4096], "layout.micro_batch": [1, 2]}, workers=1, output=sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_sweep_loses_nothing_that_is_finished(how: signal.Signals, here: Path) -> None:
    killed, whole = here / "killed", here / "whole"
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(killed)], stderr=subprocess.PIPE, env=os.environ)
    kept = killed / "journal.jsonl"
    while not kept.exists() or kept.read_bytes().count(b"\n") < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(how)
    process.communicate()
    assert process.returncode != 0
    assert not (killed / "results.csv").exists()
    finished = kept.read_bytes().count(b"\n")
    assert 3 <= finished < 10
    kept.write_bytes(kept.read_bytes() + b'{"key": "torn')
    for folder in (killed, whole):
        subprocess.run([sys.executable, "-c", SLOW, str(folder)], check=True, env=os.environ)
    assert (killed / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    assert len(journal(killed)) == len(set(journal(killed))) == 10


def test_points_played_side_by_side_are_the_same_bytes_as_points_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two structures, by turns in the sweep: with batches and without, the table does not change."""
    axes = {
        "cluster.node.scale_up.bandwidth": ["200 GB/s", "300 GB/s", "450 GB/s"],
        "layout.recompute": ["selective", "full"],
        "stack.sustained": [0.7, 0.8],
    }
    played: list[int] = []

    def counted(scenarios: Any, **settings: Any) -> Any:
        played.append(len(scenarios))
        return simulate_runs(scenarios, **settings)

    monkeypatch.setattr(points, "simulate_runs", counted)
    together = run_sweep("gpt3_175b_a100", overrides=axes, output="together")
    assert played == [6, 6]
    monkeypatch.setattr(points, "BATCH", 1)
    alone = run_sweep("gpt3_175b_a100", overrides=axes, output="alone")
    assert played == [6, 6], "one point is no batch"
    assert together.count("done") == alone.count("done") == 12
    assert (together.folder / "results.csv").read_bytes() == (alone.folder / "results.csv").read_bytes()


def test_a_batch_that_fails_is_played_point_by_point(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise InfeasibleError("a point among them")

    monkeypatch.setattr(points, "simulate_runs", broken)
    result = run_sweep("gpt3_175b_a100", overrides={"stack.sustained": [0.7, 0.8]})
    assert result.count("done") == 2
