"""Full disks, torn and altered journals, two writers at once: plain errors, and the same bytes in the end."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from faults.harness import POINTS, command, enough, rows_in, seeded, start, table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    child = start(command(folder / "s", "--workers", "1"), folder)
    assert child.wait() == 0, child.errors()
    return folder / "s"


def _limited(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def _sizes(draw: random.Random, finished: Path, count: int) -> list[int]:
    """Bytes that are too few, in all places: before the request is written, in the journal, at the table."""
    total = sum(file.stat().st_size for file in finished.iterdir())
    return sorted(draw.randrange(1, total) for _ in range(count))


def test_a_file_that_may_not_grow_is_a_plain_error_and_gone_on_with(tmp_path: Path, finished: Path) -> None:
    folder = tmp_path / "s"
    with seeded("files") as draw:
        for size in _sizes(draw, finished, enough(40, 3)):
            child = start(command(folder, "--workers", "1"), tmp_path, partial(_limited, size))
            code = child.wait()
            rows_in(folder)
            if code == 0:
                break
            assert code == 2, child.errors()
            assert "File too large. Make room, then give the same command again" in child.errors()
            assert "bug" not in child.errors()
            assert not (folder / "results.csv").exists()
        child = start(command(folder, "--workers", "1"), tmp_path)
        assert child.wait() == 0, child.errors()
        assert table(folder) == table(finished)
        assert rows_in(folder) == POINTS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A file system of so many bytes, which can be made larger with its content."""
    place = tmp_path / "disk"
    place.mkdir()

    def sized(most: int) -> Path:
        options = f"size={max(most, 4096)}" + (",remount" if os.path.ismount(place) else "")
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True)
        if made.returncode:
            pytest.skip(f"fills a small disk, which may not be mounted here: {made.stderr.decode().strip()}")
        return place

    yield sized
    if os.path.ismount(place):
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_a_plain_error_and_gone_on_with(
    tmp_path: Path, finished: Path, small_disk: Callable[[int], Path]
) -> None:
    with seeded("disk") as draw:
        for size in _sizes(draw, finished, enough(30, 3)):
            folder = small_disk(size // 4096 * 4096) / "s"
            child = start(command(folder, "--workers", "1"), tmp_path)
            code = child.wait()
            if folder.exists():
                rows_in(folder)
            if code == 0:
                break
            assert code == 2, child.errors()
            assert "No space left on device. Make room, then give the same command again" in child.errors()
            assert "bug" not in child.errors()
        folder = small_disk(64_000_000) / "s"
        child = start(command(folder, "--workers", "1"), tmp_path)
        assert child.wait() == 0, child.errors()
        assert table(folder) == table(finished)


def _damage(path: Path, draw: random.Random) -> None:
    """Flip, cut, double, swap, or put in, anywhere in a journal."""
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 1, 2, 5])):
        at = draw.randrange(len(content) + 1)
        what = draw.randrange(6)
        if what == 0 and at < len(content):
            content[at] ^= draw.randrange(1, 256)
        elif what == 1:
            del content[at : at + draw.choice([1, 7, 500, 5000])]
        elif what == 2:
            content[at:at] = content[max(0, at - 700) : at]
        elif what == 3:
            content[at:at] = draw.choice([b"\n", b"\0" * 100, b"{" * 9000, b'{"key": "x", "result": {}}\n', b"NaN"])
        elif what == 4:
            lines = bytes(content).splitlines(keepends=True)
            draw.shuffle(lines)
            content = bytearray(b"".join(lines))
        else:
            figures = [b"0.4", b"done", b"true", b"1."]
            content = bytearray(bytes(content).replace(draw.choice(figures), draw.choice([b"0.9", b"null"]), 1))
    path.write_bytes(content)


def test_whatever_happens_to_a_journal_no_wrong_row_is_read(tmp_path: Path, finished: Path) -> None:
    with seeded("journal") as draw:
        for _ in range(enough(60, 5)):
            folder = tmp_path / "s"
            shutil.copytree(finished, folder)
            _damage(folder / "journal.jsonl", draw)
            child = start(command(folder, "--workers", "1"), tmp_path)
            assert child.wait() == 0, child.errors()
            assert table(folder) == table(finished)
            child = start(command(folder, "--workers", "1"), tmp_path)
            assert child.wait() == 0
            assert "line" not in child.errors(), "what was damaged is gone"
            shutil.rmtree(folder)


def test_two_writers_are_one_writer(tmp_path: Path, finished: Path) -> None:
    with seeded("writers") as draw:
        for _ in range(enough(40, 4)):
            folder = tmp_path / "s"
            first = start(command(folder, "--workers", "1"), tmp_path)
            time.sleep(draw.choice([0.0, draw.uniform(0.0, 0.3), draw.uniform(0.0, 1.5)]))
            second = start(command(folder, "--workers", "1", *draw.choice([(), ("--fresh",)])), tmp_path)
            codes = {first.pid: first.wait(), second.pid: second.wait()}
            assert 0 in codes.values()
            for child in (first, second):
                if codes[child.pid] != 0:
                    assert codes[child.pid] == 2, child.errors()
                    assert "is writing into" in child.errors()
                    other = second if child is first else first
                    assert f"process {other.pid} on " in child.errors()
            assert table(folder) == table(finished)
            assert rows_in(folder) == POINTS
            shutil.rmtree(folder)


def test_a_folder_deleted_while_it_is_written(tmp_path: Path, finished: Path) -> None:
    with seeded("deleted") as draw:
        for _ in range(enough(40, 3)):
            folder = tmp_path / "s"
            child = start(command(folder, "--workers", "1"), tmp_path)
            time.sleep(draw.uniform(0.1, 0.8))
            shutil.rmtree(folder, ignore_errors=True)
            code = child.wait()
            if code == 0 and (folder / "results.csv").exists():
                assert table(folder) == table(finished)
            else:  # deleted after its end, or in the middle of a rename: said, and done again
                assert code in (0, 2), child.errors()
                assert "Traceback" not in child.errors()
            child = start(command(folder, "--workers", "1"), tmp_path)
            assert child.wait() == 0, child.errors()
            assert table(folder) == table(finished)
            shutil.rmtree(folder)
