"""The fuzzer: mutated inputs through the commands that read them, in this process; each has its time and memory.

`python -m faults.fuzz --seed 0 --cases 10000` (in tests/) prints a line of JSON for each case that went wrong: it ended
with a traceback, with the exit code of a bug, after its time, or for want of the memory that it may have.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import yaml
from click.testing import CliRunner, Result
from faults.readers import READERS, SMALL, Reader

from clustersim.cli import cli

SECONDS = 10
GIBIBYTE = 1 << 30
FINE = (0, 1, 2, 3)  # done, a claim fails, wrong input, infeasible


class TooLongError(BaseException):
    """A case took more than its time."""


def case(reader: Reader, seed: int, number: int, folder: Path) -> list[str]:
    """Write the files of a case into an empty folder; the command that reads them."""
    draw = random.Random(f"{seed}/{reader.name}/{number}")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)  # to write what is nested deeply; reading must do with the usual
    try:
        return reader.make(draw, folder)
    finally:
        sys.setrecursionlimit(usual)


def outcome(command: list[str], folder: Path) -> tuple[int, str]:
    """The exit code of a command, -1 without one, and what is wrong with how it ended; empty where nothing is."""
    before = Path.cwd()
    os.environ["CLUSTERSIM_CATALOG"] = str(folder / "catalog")
    os.chdir(folder)
    old = signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with warnings.catch_warnings(), patch("clustersim.inputs.sweep.MOST_POINTS", 500):
            warnings.simplefilter("error")
            result = CliRunner().invoke(cli, command)
    except TooLongError as error:
        return -1, repr(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        os.chdir(before)
    return result.exit_code, _complaint(result, "--json" in command)


def _complaint(result: Result, as_json: bool) -> str:
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"raised {result.exception!r}"
    if result.exit_code not in FINE:
        return f"exit code {result.exit_code}: {result.stderr.strip()[:600]}"
    if "not enough memory" in result.stderr:
        return "used up its memory"
    if "Traceback" in result.output:
        return f"a traceback: {result.output[:400]}"
    try:
        json.loads(result.stdout or "{}", parse_constant=_refuse) if as_json else None
    except ValueError as error:
        return f"no JSON: {error}"
    return ""


def _stop(number: int, frame: FrameType | None) -> None:
    raise TooLongError(f"took more than {SECONDS} s")


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def limit_memory() -> None:
    """From here on this process may have a gibibyte more than it has; what asks for more gets MemoryError."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + GIBIBYTE, resource.RLIM_INFINITY))


def warm_up(folder: Path) -> None:
    """Every module is loaded and every cache is filled before memory and time are counted."""
    for reader in READERS:
        command = case(reader, -1, 0, folder)
        CliRunner().invoke(cli, command)
    CliRunner().invoke(cli, ["run", "gpt3_175b_a100", "--json"])


def main() -> int:
    """Run the cases; the number of those that went wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--reader", choices=[reader.name for reader in READERS])
    parser.add_argument("--only", type=int, help="this case of the reader, its files kept in ./case")
    parser.add_argument("--progress", type=Path, help="the file that names the case in progress")
    chosen = parser.parse_args()
    readers = [reader for reader in READERS if chosen.reader in (None, reader.name)]
    total = sum(reader.share for reader in readers)
    wrong, slowest = 0, (0.0, "")
    ended: dict[str, Counter[int]] = {reader.name: Counter() for reader in readers}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "warm").mkdir()
        here = Path.cwd()
        os.chdir(root / "warm")
        warm_up(root / "warm")
        os.chdir(here)
        limit_memory()
        for reader in readers:
            share = max(1, round(chosen.cases * reader.share / total))
            for number in [chosen.only] if chosen.only is not None else range(share):
                label = f"{reader.name} {number} of seed {chosen.seed}"
                if chosen.progress:
                    chosen.progress.write_text(label)
                folder = root / "case"
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                command = case(reader, chosen.seed, number, folder)
                started = time.monotonic()
                code, said = outcome(command, folder)
                ended[reader.name][code] += 1
                slowest = max(slowest, (time.monotonic() - started, label))
                if said:
                    wrong += 1
                    print(json.dumps({"case": label, "wrong": said, "command": command}), flush=True)
                if chosen.only is not None:
                    shutil.copytree(folder, "case", dirs_exist_ok=True)
                    print(command)
    ran = sum(codes.total() for codes in ended.values())
    report = {"cases": ran, "wrong": wrong, "slowest_s": round(slowest[0], 2), "slowest": slowest[1], "codes": ended}
    print(json.dumps(report))
    return min(wrong, 100)


if __name__ == "__main__":
    sys.exit(main())
