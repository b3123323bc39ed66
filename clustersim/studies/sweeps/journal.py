"""An append-only journal of finished sweep points: one JSON document a line, each with its own checksum, one writer.

Whatever stops the writer, what it finished stays: a killed process loses nothing that `append` returned from, a machine
without power at most the last SYNC_SECONDS. A line is keyed by the hash of all that its result depends on, so a journal
can be resumed and extended. A line that is torn, altered or not a result is named, and its point is played again.

    {"v":2,"sum":"<16 hexadecimal digits>","key":"<64>","result":{"status":"done",...}}

The sum is over everything behind it. It finds damage; who can write the file can forge it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustersim.errors import ClustersimError

FORMAT = 2
SYNC_SECONDS = 1.0  # what is older has been handed to the disk
LONGEST_LINE = 1_000_000  # bytes; a result has about 3,000
BLOCK = 1 << 20  # bytes that are read at a time
STATUSES = ("done", "infeasible", "failed")

_HEAD = re.compile(rb'\{"v":(\d{1,9}),"sum":"([0-9a-f]{16})",')
_OLD_HEAD = re.compile(rb'\{"key": ?"')  # of format 1, which had neither version nor sum

Result = Mapping[str, Any]


def key_of(document: Mapping[str, Any]) -> str:
    """The hash of a document: equal documents have equal keys, whatever the order of their entries."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def line_of(key: str, result: Result) -> bytes:
    """One line of the journal. Raises ValueError for a figure that is no number."""
    body = json.dumps({"key": key, "result": result}, separators=(",", ":"), allow_nan=False)[1:].encode()
    return b'{"v":%d,"sum":"%s",%s\n' % (FORMAT, _sum(body), body)


def _sum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=8).hexdigest().encode()


class DamageError(ValueError):
    """What is wrong with a line."""


def read_line(line: bytes) -> tuple[str, dict[str, Any]]:
    """Key and result of a line without its end. Raises DamageError with the reason unless it is one of our own."""
    if len(line) > LONGEST_LINE:
        raise DamageError(f"longer than {LONGEST_LINE:,} bytes")
    head = _HEAD.match(line)
    if head is None:
        raise DamageError("of an earlier format" if _OLD_HEAD.match(line) else "not a line of a journal")
    if int(head[1]) != FORMAT:
        raise DamageError(f"of format {int(head[1])}, not {FORMAT}")
    body = line[head.end() :]
    if _sum(body) != head[2]:
        raise DamageError("altered: its sum is not that of its content")
    try:
        document = json.loads(b"{" + body)
    except (ValueError, RecursionError):
        raise DamageError("not JSON") from None
    key, result = document.get("key"), document.get("result")
    if not isinstance(key, str) or not isinstance(result, dict) or result.get("status") not in STATUSES:
        raise DamageError("not a result")
    if not all(_is_cell(value) for value in result.values()):
        raise DamageError("holds what is no figure")
    return key, result


def _is_cell(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value))


@dataclass(frozen=True)
class Damage:
    """Lines of a journal that are not read, and why."""

    lines: tuple[int, ...]  # the first is 1
    reason: str

    def __str__(self) -> str:
        some = ", ".join(str(line) for line in self.lines[:5])
        more = f" and {len(self.lines) - 5:,} more" if len(self.lines) > 5 else ""
        return f"line{'s' * (len(self.lines) > 1)} {some}{more}: {self.reason}"


class Journal:
    """The one writer of a journal. It knows where every result stands, and reads one when it is asked for.

    A folder that is deleted meanwhile is made again, with all that the journal held.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.damage: tuple[Damage, ...] = ()
        self._places: dict[bytes, tuple[int, int]] = {}  # key -> where its last line begins, and its length
        self._failed: set[bytes] = set()
        self._file = _opened(path)
        try:
            self._end = self._index()
        except BaseException:
            os.close(self._file)
            raise
        self._synced = time.monotonic()

    def _index(self) -> int:
        """Find every whole line; cut what follows the last one, so that the next begins at the start of a line."""
        end, damage = 0, dict[str, list[int]]()
        for number, (start, length, line) in enumerate(_lines(self._file), start=1):
            try:
                key, result = read_line(line)
            except DamageError as error:
                damage.setdefault(str(error), []).append(number)
            else:
                self._enter(key, result, start, length)
            end = start + length + 1
        self.damage = tuple(Damage(tuple(lines), reason) for reason, lines in damage.items())
        os.ftruncate(self._file, end)
        return end

    def _enter(self, key: str, result: Result, start: int, length: int) -> None:
        short = _short(key)
        self._places[short] = (start, length)
        (self._failed.add if result["status"] == "failed" else self._failed.discard)(short)

    def holds(self, key: str) -> bool:
        """Whether there is a result of that key that needn't be tried again: one that failed must."""
        return _short(key) in self._places and not self.holds_failure(key)

    def holds_failure(self, key: str) -> bool:
        """Whether the last result of that key is that it failed."""
        return _short(key) in self._failed

    def result(self, key: str) -> dict[str, Any]:
        """The last result of a key that is held."""
        start, length = self._places[_short(key)]
        return read_line(os.pread(self._file, length, start))[1]

    def append(self, results: Mapping[str, Result]) -> None:
        """Write finished results by key. They outlive this process when it returns."""
        self._remake_if_gone()
        lines = {key: line_of(key, result) for key, result in results.items()}
        try:
            _write_whole(self._file, b"".join(lines.values()), self._end)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)  # half a line helps nobody
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        for key, line in lines.items():
            self._enter(key, results[key], self._end, len(line) - 1)
            self._end += len(line)
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            os.fsync(self._file)
            self._synced = time.monotonic()

    def keep_only(self, keys: Iterable[str] | None = None) -> None:
        """Write the journal anew with the last line of each key (of these), and nothing damaged."""
        kept = self._places if keys is None else dict.fromkeys(map(_short, keys))
        places = {key: self._places[key] for key in kept if key in self._places}
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with suppress(FileNotFoundError):
            draft.unlink()
        file = _opened(draft)
        try:
            end, moved = 0, dict[bytes, tuple[int, int]]()
            for key, (start, length) in places.items():
                _write_whole(file, os.pread(self._file, length, start) + b"\n", end)
                moved[key] = (end, length)
                end += length + 1
            os.fsync(file)
            draft.replace(self.path)
        except BaseException:
            os.close(file)
            draft.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file, self._end, self._places, self.damage = file, end, moved, ()
        self._failed &= moved.keys()

    def _remake_if_gone(self) -> None:
        """Where folder or file were deleted, make them again; our open file still has the content."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.keep_only()
            return
        if not os.path.samestat(there, os.fstat(self._file)):
            raise ClustersimError(f"{self.path} was replaced by another file while it was being written")

    def close(self) -> None:
        """Hand everything to the disk."""
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _short(key: str) -> bytes:
    """A key in 32 bytes."""
    try:
        return bytes.fromhex(key)
    except ValueError:
        return key.encode()


def _opened(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise ClustersimError(f"{path} is no plain file")
    return file


def _lines(file: int) -> Iterator[tuple[int, int, bytes]]:
    """Every whole line with where it begins and its length; of one that is far too long, the beginning alone."""
    start, read, kept = 0, 0, b""
    while block := os.pread(file, BLOCK, read):
        at = 0
        while (end := block.find(b"\n", at)) >= 0:
            yield start, read + end - start, kept + block[at:end]
            start, at, kept = read + end + 1, end + 1, b""
        kept = (kept + block[at:])[: LONGEST_LINE + 1]
        read += len(block)


def _write_whole(file: int, content: bytes, place: int) -> None:
    """Write all of it, however many calls the system takes."""
    left = memoryview(content)
    while left:
        written = os.pwrite(file, left, place)
        left, place = left[written:], place + written
