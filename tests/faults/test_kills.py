"""Sweeps whose processes are killed at random moments: no row is lost or doubled, nothing hangs, nobody is left."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from faults import harness
from faults.harness import (
    POINTS,
    Child,
    command,
    enough,
    left_over,
    rows_in,
    seeded,
    start,
    statuses,
    table,
    workers_of,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]
POLITE = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of a sweep that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    child = start(command(folder / "s", "--workers", "1"), folder)
    assert child.wait() == 0, child.errors()
    assert statuses(folder / "s") == ["done"] * POINTS
    return table(folder / "s")


def finished(folder: Path, scratch: Path, whole: bytes) -> None:
    """Let the sweep come to its end; the table is as if nothing had been."""
    child = start(command(folder, "--workers", "1"), scratch)
    assert child.wait() == 0, child.errors()
    assert table(folder) == whole
    assert rows_in(folder) == POINTS
    assert sorted(file.name for file in folder.iterdir()) == ["journal.jsonl", "results.csv", "sweep.yaml"]


def test_main_killed_at_any_moment(tmp_path: Path, whole: bytes) -> None:
    """By SIGKILL, and by the signals that ask; with workers and without."""
    kills, runs, folder = 0, 0, tmp_path / "s"
    with seeded("main") as draw:
        while kills < enough(200, 12):
            runs += 1
            count = draw.choice([1, 1, 2, 3])
            child = start(command(folder, "--workers", str(count)), tmp_path)
            time.sleep(draw.uniform(0.0, 1.0 if count == 1 else 2.5))
            how = draw.choice([signal.SIGKILL, signal.SIGKILL, *POLITE])
            with suppress(ProcessLookupError):
                os.kill(child.pid, how)
            code = child.wait()
            acknowledged = child.done()
            assert left_over(child.mark) == [], f"run {runs}"
            if code == 0:
                assert table(folder) == whole
                shutil.rmtree(folder)
                continue
            kills += 1
            assert code == (-how if how == signal.SIGKILL else POLITE[how]) or code == -how, child.errors()
            assert "Traceback" not in child.errors()
            assert rows_in(folder) >= acknowledged, "what was said to be finished is there"
            if draw.random() < 0.1:
                finished(folder, tmp_path, whole)
                shutil.rmtree(folder)
        finished(folder, tmp_path, whole)


def _kill_one(child: Child, draw: random.Random) -> bool:
    """Kill a worker; whether there was one."""
    there = workers_of(child)
    if not there:
        return False
    try:
        os.kill(draw.choice(there), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def test_workers_killed_at_any_moment(tmp_path: Path, whole: bytes) -> None:
    """While they are spawned, import, wait, compute and answer. Three deaths over one point end a sweep, and say so."""
    kills, folder, ended_early = 0, tmp_path / "s", 0
    with seeded("workers") as draw:
        while kills < enough(100, 6):
            child = start(command(folder, "--workers", "3"), tmp_path)
            while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                time.sleep(draw.choice([0.0, 0.01, draw.uniform(0.0, 0.3), draw.uniform(0.2, 0.8)]))
                kills += kills < enough(100, 6) and _kill_one(child, draw)
            code = child.wait()
            assert left_over(child.mark) == []
            if code == 2:
                ended_early += 1
                assert "the same command goes on from there" in child.errors()
                rows_in(folder)
                continue
            assert code == 0, child.errors()
            assert "Traceback" not in child.errors()
            assert table(folder) == whole
            assert rows_in(folder) == POINTS
            shutil.rmtree(folder)
    assert ended_early <= enough(10, 2)


SWEEP = """
import sys
from clustersim.studies import workers
workers.CHUNK_SECONDS = {chunk}
from clustersim.cli import cli
cli.main({words!r})
"""


def _dask(what: str, *words: str) -> subprocess.Popen[str]:
    words = ("-m", f"distributed.cli.dask_{what}", *words, "--no-dashboard")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, *words], text=True, **quiet)


def test_the_scheduler_of_a_dask_cluster_killed_at_any_moment(tmp_path: Path, whole: bytes) -> None:
    pytest.importorskip("distributed")
    folder, lost, number = tmp_path / "s", 0, 0
    with seeded("scheduler") as draw:
        while lost < enough(20, 1):  # a sweep that ended before its scheduler was killed counts for nothing
            number += 1
            place = tmp_path / f"scheduler{number}.json"
            scheduler = _dask("scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(place))
            helper = _dask("worker", "--scheduler-file", str(place), "--nworkers", "1", "--nthreads", "1")
            try:
                assert _appears(place)
                time.sleep(1.0)
                address = place.read_text().split('"address": "')[1].split('"')[0]
                words = command(folder, "--dask", address)
                code = SWEEP.format(chunk=harness.CHUNK_SECONDS, words=words)
                run = subprocess.Popen(
                    [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
                time.sleep(draw.uniform(0.5, 4.0))
                scheduler.kill()
                _, said = run.communicate(timeout=harness.PATIENCE)
            finally:
                for process in (scheduler, helper):
                    process.kill()
                    process.wait()
            if run.returncode == 0:
                assert table(folder) == whole
                shutil.rmtree(folder)
                continue
            lost += 1
            assert run.returncode == 2, said
            assert "Traceback (most recent call last)" not in said
            words_for = ("scheduler was lost", "no Dask scheduler answers")
            assert any(found in said for found in words_for), said
            if folder.exists():
                assert "the same command goes on from there" in said
                rows_in(folder)
        finished(folder, tmp_path, whole)


def _appears(place: Path) -> bool:
    end = time.monotonic() + harness.PATIENCE
    while time.monotonic() < end:
        if place.exists() and "address" in place.read_text():
            return True
        time.sleep(0.05)
    return False
