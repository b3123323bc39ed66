"""A sweep to be killed: it runs in a process of its own, forked from this one, which has everything loaded already.

Every process that comes of it carries a mark in its environment, so that none can hide.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustersim.cli import cli
from clustersim.studies import workers
from clustersim.studies.sweeps import sweep
from clustersim.studies.sweeps.journal import Journal

FULL = os.environ.get("CLUSTERSIM_FAULTS") == "full"
SEED = int(os.environ.get("CLUSTERSIM_SEED", "0"))
MARK = "CLUSTERSIM_FAULT_RUN"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 60.0  # seconds after which something hangs
ORPHAN_SECONDS = 5.0  # after which nothing may be left of a process that was killed
CHUNK_SECONDS = 0.02  # small chunks: many moments at which something can be under way
POINTS = 80
AXES = [
    "model=gpt3-6.7b",
    "cluster.nodes=2",
    "layout={tensor: 8, pipeline: 2, data: auto, micro_batch: 1}",
    "training.global_batch=16..640 step 16",  # of different structure each: a batch a point
    "stack.sustained=0.7,0.8",
]


def enough(full: int, short: int) -> int:
    """How often something is done: in `make faults`, and in its short form."""
    return full if FULL else short


def command(folder: Path, *more: str) -> list[str]:
    """The command line of the sweep."""
    return ["sweep", "gpt3_175b_a100", *AXES, "--json", "--output", str(folder), *more]


@dataclass
class Child:
    """A sweep in a process of its own."""

    pid: int
    mark: str
    progress: Path  # how many points it has said are finished
    said: Path  # its stderr

    def done(self) -> int:
        """Points that were said to be finished."""
        return int(self.progress.read_text() or 0)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit code, negative for a signal that killed it. Fails where it hangs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        where = Path(f"/proc/{self.pid}/wchan").read_text() if Path(f"/proc/{self.pid}").exists() else ""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"hangs ({where}): {self.said.read_text()}")

    def errors(self) -> str:
        """What it said on stderr."""
        return self.said.read_text(encoding="utf-8", errors="replace")


def start(words: list[str], scratch: Path, prepare: Callable[[], None] = lambda: None) -> Child:
    """Fork a process that runs the command line."""
    mark = uuid.uuid4().hex
    progress, said = scratch / f"{mark}.progress", scratch / f"{mark}.err"
    progress.write_text("0")
    said.touch()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # until the child can end by them, not go on as a test
    try:
        pid = os.fork()
        if pid == 0:
            _run(words, mark, progress, said, prepare)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Child(pid, mark, progress, said)


def _run(words: list[str], mark: str, progress: Path, said: Path, prepare: Callable[[], None]) -> None:
    """What the child does: it never returns."""
    code: Any = 70
    try:
        os.environ[MARK] = mark
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
        errors = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(errors, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stdin = open(os.devnull)  # noqa: SIM115
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        workers.CHUNK_SECONDS = CHUNK_SECONDS
        counted = os.open(progress, os.O_WRONLY)
        run = sweep.run_sweep

        def watched(*arguments: Any, **about: Any) -> Any:
            return run(*arguments, **about | {"progress": lambda done, total: os.pwrite(counted, b"%8d" % done, 0)})

        sweep.run_sweep = watched
        prepare()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        cli.main(words)
    except SystemExit as error:
        code = error.code or 0
    except KeyboardInterrupt:  # before the command line listens
        code = 130
    except BaseException as error:
        os.write(2, repr(error).encode())
    finally:
        os._exit(code)


def marked(mark: str) -> list[int]:
    """Processes of a run that are alive."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (place / "environ").read_bytes() and b") Z " not in (place / "stat").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def workers_of(child: Child) -> list[int]:
    """Its worker processes."""
    found = []
    for pid in marked(child.mark):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"spawn_main" in words and pid != child.pid:
            found.append(pid)
    return found


def left_over(mark: str) -> list[int]:
    """Processes of a run that outlive it by more than they may."""
    end = time.monotonic() + ORPHAN_SECONDS
    while (found := marked(mark)) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def rows_in(folder: Path) -> int:
    """Finished points in the journal of a sweep that nobody writes. Fails on damage and on doubled rows."""
    path = folder / "journal.jsonl"
    if not path.exists():
        return 0
    whole = path.read_bytes().rpartition(b"\n")[0]
    keys = [line.split(b'"key":"')[1][:64] for line in whole.splitlines()]
    assert len(keys) == len(set(keys)), "a row is doubled"
    with Journal(path) as journal:
        assert journal.damage == ()
        assert all(journal.holds(key.decode()) for key in keys)
    return len(keys)


def table(folder: Path) -> bytes:
    """The bytes of the table."""
    return (folder / "results.csv").read_bytes()


def statuses(folder: Path) -> list[str]:
    """Of every row."""
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return [row["status"] for row in csv.DictReader(file)]


@contextmanager
def seeded(name: str) -> Iterator[random.Random]:
    """Random numbers that `make faults` can repeat; the seed is said where something fails."""
    try:
        yield random.Random(f"{SEED}/{name}")
    except BaseException as error:
        error.add_note(f"CLUSTERSIM_SEED={SEED}")
        raise
