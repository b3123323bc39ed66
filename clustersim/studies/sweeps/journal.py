"""An append-only journal of finished sweep points: one JSON document a line, one writer.

Whatever stops the writer, what it finished stays: a torn last line is dropped on reading. A line is keyed by the hash
of all that its result depends on, so a journal can be resumed, extended and shared between sweeps.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any


def key_of(document: Mapping[str, Any]) -> str:
    """The hash of a document: equal documents have equal keys, whatever the order of their entries."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_journal(path: Path) -> dict[str, dict[str, Any]]:
    """Finished results by key; a line that isn't whole is left out, a repeated key counts by its last line."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    finished: dict[str, dict[str, Any]] = {}
    for line in lines[:-1]:  # what follows the last line end was torn
        entry = _entry(line)
        if entry is not None:
            finished[entry[0]] = entry[1]
    return finished


def _entry(line: bytes) -> tuple[str, dict[str, Any]] | None:
    try:
        document = json.loads(line)
        key, result = document["key"], document["result"]
    except (ValueError, KeyError, TypeError):
        return None
    return (key, result) if isinstance(key, str) and isinstance(result, dict) else None


class Journal:
    """The one writer of a journal; what it is given is on disk when `append` returns."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            path.unlink(missing_ok=True)
        _drop_torn_line(path)
        self._file: IO[bytes] = path.open("ab", buffering=0)

    def append(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        """Write finished results by key, all lines in one call to the operating system."""
        lines = [json.dumps({"key": key, "result": result}, allow_nan=False) for key, result in results.items()]
        self._file.write("".join(f"{line}\n" for line in lines).encode())

    def close(self) -> None:
        """Hand everything to the disk."""
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _drop_torn_line(path: Path) -> None:
    """Cut what follows the last line end, so that the next line begins at the start of one."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
