"""Worker processes that die at any moment of their lives: no task is lost or doubled, nothing hangs, none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clustersim.errors import InputError, Problem, WorkersLostError
from clustersim.studies import processes
from clustersim.studies.processes import run_in_processes

PATIENCE = 60.0  # seconds that a machine under load may need


def once(marker: Path) -> bool:
    """Whether this is the first call with that marker, of all processes."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DiesOver:
    """Doubles numbers; over one of them its process is killed, the first time or every time."""

    def __init__(self, number: int, folder: Path, every_time: bool = False) -> None:
        self.number, self.folder, self.every_time = number, folder, every_time

    def __call__(self, tasks: list[int]) -> list[int]:
        if self.number in tasks and (self.every_time or once(self.folder / "died")):
            die()
        return [2 * task for task in tasks]


class DiesOnArrival:
    """Doubles numbers; the first `times` processes that read it are killed before they are ready."""

    def __init__(self, folder: Path, times: int, how: Callable[[], None] = die) -> None:
        self.folder, self.times, self.how = folder, times, how

    def __call__(self, tasks: list[int]) -> list[int]:
        return [2 * task for task in tasks]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        if any(once(self.folder / f"died{number}") for number in range(self.times)):
            self.how()


class Large:
    """An answer of many buffers of a pipe: its process is killed in the middle of sending it, the first time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, tasks: list[int]) -> list[bytes]:
        return [bytes(20_000_000)] if not once(self.folder / "died") else [TornOnTheWay()]  # type: ignore[list-item]


class TornOnTheWay:
    def __reduce__(self) -> Any:
        die()


def chunks(count: int = 12, size: int = 3) -> list[list[int]]:
    return [list(range(start, start + size)) for start in range(0, count, size)]


def gathered(answers: Iterator[tuple[list[int], list[Any]]], found: dict[int, Any] | None = None) -> dict[int, Any]:
    found = {} if found is None else found
    for tasks, results in answers:
        for task, result in zip(tasks, results, strict=True):
            assert task not in found
            found[task] = result
    return found


EXPECTED = {task: 2 * task for task in range(12)}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3])
def test_what_a_killed_worker_held_is_played_again(count: int, tmp_path: Path) -> None:
    assert gathered(run_in_processes(chunks(), DiesOver(4, tmp_path), count)) == EXPECTED
    assert (tmp_path / "died").exists()


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 3])
def test_workers_killed_while_they_are_spawned_are_replaced(times: int, tmp_path: Path) -> None:
    assert gathered(run_in_processes(chunks(), DiesOnArrival(tmp_path, times), 2)) == EXPECTED
    assert len(list(tmp_path.iterdir())) == times


@pytest.mark.slow
def test_an_answer_torn_on_its_way_is_asked_again(tmp_path: Path) -> None:
    found = gathered(run_in_processes([[0]], Large(tmp_path), 1))
    assert {number: len(answer) for number, answer in found.items()} == {0: 20_000_000}


@pytest.mark.slow
def test_a_task_that_kills_every_worker_is_given_up_when_all_else_is_done(tmp_path: Path) -> None:
    found: dict[int, int] = {}
    with pytest.raises(WorkersLostError, match="1 pieces of work were given up"):  # not the two beside it in its chunk
        gathered(run_in_processes(chunks(), DiesOver(4, tmp_path, every_time=True), 2), found)
    assert found == {task: answer for task, answer in EXPECTED.items() if task != 4}


@pytest.mark.slow
def test_workers_that_never_become_ready_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MOST_STILLBORN", 2)
    with pytest.raises(WorkersLostError, match="3 worker processes in a row were killed"):
        gathered(run_in_processes(chunks(), DiesOnArrival(tmp_path, 99), 1))


def leave() -> None:
    sys.exit(1)


@pytest.mark.slow
def test_workers_that_cannot_start_are_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(WorkersLostError, match="cannot start"):
        gathered(run_in_processes(chunks(), DiesOnArrival(tmp_path, 99, leave), 1))
    assert len(list(tmp_path.iterdir())) == 1


def refuse(tasks: list[int]) -> list[int]:
    raise InputError("x.yaml", [Problem("no", str(tasks))])


@pytest.mark.slow
def test_what_is_raised_comes_home_and_ends_the_workers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.yaml"):
        gathered(run_in_processes(chunks(), refuse, 2))


LONG = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from clustersim.studies.processes import run_in_processes

def work(tasks):
    print(os.getpid(), flush=True)
    end = time.time() + 600
    while time.time() < end:
        pass  # busy: nothing is read from the pipe

if __name__ == "__main__":
    list(run_in_processes([[1], [2]], work, 2))
"""


def is_alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().split(")")[-1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_when_their_parent_does_however_busy(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(LONG)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert parent.stdout is not None
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.send_signal(how)
    started = time.monotonic()
    assert parent.stdout.read() == "", "the pipe is closed when the last of them has ended"
    assert time.monotonic() - started < PATIENCE
    assert not any(map(is_alive, workers))
    parent.stdout.close()
    assert parent.wait(PATIENCE) != 0
