"""The folder of a sweep's results: whose it is, one writer at a time, and files that are whole or not there.

`sweep.yaml` and `results.csv` always belong together: where the folder holds a table, what was asked for is replaced
when the new table is. Sweeps made up on the command line get folders of their own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from clustersim.errors import ClustersimError, InputError, Problem
from clustersim.inputs.search_path import read_text
from clustersim.inputs.sweep import MOST_POINTS, axis_length, axis_values
from clustersim.inputs.table import as_plain
from clustersim.inputs.yaml import read_yaml

try:
    import fcntl
except ImportError:  # a system without file locks of this kind
    fcntl = None  # type: ignore[assignment]

JOURNAL, TABLE, REQUEST_FILE, LOCK = "journal.jsonl", "results.csv", "sweep.yaml", ".lock"
ASKED_WITH = "asked_with"  # what a request says about the run
HOW = ("engine", "intervals")  # of these, what changes every result
MOST_FOLDERS = 1000  # of one name


def folder_for(name: str, request: str, output: str | Path | None, *, fresh: bool) -> Path:
    """Where a request's results go: to `output`, else to results/<name>, or <name>_2, ... where others have those.

    Raises InputError where `output` has the results of another sweep, unless they are to be replaced (`fresh`).
    """
    if output is not None:
        folder = Path(output)
        if not fresh and not _may_have(request, folder):
            message = f"{folder} holds the results of another sweep: give another folder, or --fresh to replace them"
            raise InputError(name, [Problem(message, "--output")])
        return folder
    for number in range(1, MOST_FOLDERS):
        folder = Path("results") / (name if number == 1 else f"{name}_{number}")
        if _may_have(request, folder):
            return folder
    raise InputError(name, [Problem(f"results holds {MOST_FOLDERS:,} sweeps of this name: give --output", "--output")])


def _may_have(request: str, folder: Path) -> bool:
    """Whether a folder is free, holds the same sweep or a part of it, or an earlier edition of the same file."""
    file = folder / REQUEST_FILE
    if not file.exists() or _holds(file, request):
        return True
    before, now = _parsed(read_text(file, [])), _parsed(request)
    if before is None or now is None:
        return False
    if _extends(now, before):
        return True
    ad_hoc = [asked[ASKED_WITH].get("ad_hoc", False) for asked in (before, now)]
    return before.get("name") == now.get("name") and not any(ad_hoc)


def _holds(file: Path, text: str) -> bool:
    content = text.encode()
    try:
        return file.stat().st_size == len(content) and file.read_bytes() == content
    except OSError:
        return False


def _parsed(text: str | None) -> dict[str, Any] | None:
    document = None if text is None else as_plain(read_yaml(text, "", []))
    return document if isinstance(document, dict) and isinstance(document.get(ASKED_WITH), dict) else None


def _extends(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether one sweep has all points of another, and plays them in the same way."""
    for key in ("base", "zip"):
        if now.get(key) != before.get(key):
            return False
    if any(now[ASKED_WITH].get(key) != before[ASKED_WITH].get(key) for key in HOW):
        return False
    axes, old = now.get("points", {}), before.get("points", {})
    more = axes.keys() == old.keys() and all(_has_all(axes[key], old[key]) for key in axes)
    return more and now.get("seeds", 1) >= before.get("seeds", 1)


def _has_all(values: Any, others: Any) -> bool:
    if values == others:
        return True
    try:
        if max(axis_length(values), axis_length(others)) > MOST_POINTS:
            return False
    except ValueError:
        return False
    return set(map(repr, axis_values(others))) <= set(map(repr, axis_values(values)))


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Nobody else writes into the folder meanwhile. Raises ClustersimError where somebody does.

    The lock is the system's, so that it goes with the process, however that ends. The folder is made where there is
    none, and what writers before left half done is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = _locked(folder)
    try:
        for name in (JOURNAL, TABLE, REQUEST_FILE):
            for draft in folder.glob(f".{name}.*"):
                draft.unlink(missing_ok=True)
        yield
    finally:
        with suppress(OSError):
            if os.path.samestat((folder / LOCK).stat(), os.fstat(file.fileno())):
                (folder / LOCK).unlink()
        file.close()


def _locked(folder: Path) -> IO[str]:
    while True:
        file = (folder / LOCK).open("a+", encoding="utf-8")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat((folder / LOCK).stat(), os.fstat(file.fileno())):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}")
                file.flush()
                return file
        except BlockingIOError:
            file.seek(0)
            who = file.read(200) or "another process"
            file.close()
            message = f"{who} is writing into {folder}: wait until it ends, or give another folder (--output)"
            raise ClustersimError(message) from None
        except FileNotFoundError:  # its owner removed it just now
            pass
        except BaseException:
            file.close()
            raise
        file.close()


def begin(folder: Path, request: str) -> None:
    """Write down what is asked for, unless a table of something else is there: then when its own table is."""
    if not (folder / TABLE).exists():
        write_whole(folder / REQUEST_FILE, [request])


def finish(folder: Path, request: str, table: Iterable[str]) -> None:
    """Write the table, and what it is of. A reader finds both of one sweep, or no table."""
    folder.mkdir(parents=True, exist_ok=True)
    if not _holds(folder / REQUEST_FILE, request):
        (folder / TABLE).unlink(missing_ok=True)
        write_whole(folder / REQUEST_FILE, [request])
    write_whole(folder / TABLE, table)


def write_whole(path: Path, parts: Iterable[str]) -> None:
    """Write a whole file or none of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        draft.unlink(missing_ok=True)
