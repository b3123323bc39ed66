"""Files from outside: whole, plain and of a bounded size, or refused with the reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.inputs import files
from clustersim.inputs.files import UnreadableError, read_csv, read_file, read_utf8


def test_what_is_there_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf\xc3\xa9\r\n")
    assert read_file(path, 7) == b"\xef\xbb\xbf\xc3\xa9\r\n"
    assert read_utf8(path, 7) == "é\r\n"
    with pytest.raises(UnreadableError, match="the file has more than 6 bytes"):
        read_file(path, 6)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "a folder, not a file"),
        (os.mkfifo, "not a plain file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a plain file"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "not text in UTF-8"),
    ],
)
def test_what_is_no_plain_file_is_refused(make: Callable[[Path], object], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    make(path)
    with pytest.raises(UnreadableError, match=reason):
        read_utf8(path, 100)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_names_that_no_file_has(name: str) -> None:
    with pytest.raises(UnreadableError, match=r"no such file|cannot be read"):
        read_file(name, 1)


READERS = {
    "scenario": ["run", "there.yaml"],
    "config": ["run", "there.json", "--cluster", "h800-2048"],
    "sweep": ["sweep", "there.yaml"],
    "claim": ["check", "there.yaml"],
    "serving": ["serve", "there.yaml"],
    "measured": ["validate", "there.csv"],
    "rows": ["calibrate", "there.csv"],
    "log": ["calibrate", "--log", "there.log", "gpt3_175b_a100", "--extends", "megatron-lm-2022"],
    "table": ["plot", "there.csv", "--x", "devices"],
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device", "sparse"])
def test_no_reader_waits_for_a_pipe_or_eats_a_device(
    reader: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = next(Path(word) for word in READERS[reader] if word.startswith("there."))
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
        os.truncate(path, 1 << 40)  # a terabyte of nothing
    result = CliRunner().invoke(cli, READERS[reader])
    assert result.exit_code == 2, result.stderr
    reasons = ("more than",) if kind == "sparse" else ("not a plain file", "no such file")
    assert any(reason in result.stderr for reason in reasons), result.stderr


def table(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_a_table_by_its_header(tmp_path: Path) -> None:
    path = table(tmp_path, 'a,b\r\n1,"x\r\ny"\r\n2\r\n3,4,5\r\n')
    columns, rows = read_csv(path, most_bytes=100, most_cells=100)
    assert columns == ("a", "b")
    assert rows == [{"a": "1", "b": "x\r\ny"}, {"a": "2", "b": ""}, {"a": "3", "b": "4"}]


def test_a_table_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_COLUMNS", 3)
    path = table(tmp_path, "a,b\n" + "1,2\n" * 20)
    assert len(read_csv(path, most_bytes=100, most_cells=40)[1]) == 20
    with pytest.raises(UnreadableError, match="more than 30 cells"):
        read_csv(path, most_bytes=100, most_cells=30)
    with pytest.raises(UnreadableError, match="4 columns; a table has at most 3"):
        read_csv(table(tmp_path, "a,b,c,d\n"), most_bytes=100, most_cells=30)
    with pytest.raises(UnreadableError, match="NUL characters"):
        read_csv(table(tmp_path, "a,b\n1,x\0\n"), most_bytes=100, most_cells=30)
    with pytest.raises(UnreadableError, match="line 2: field larger"):
        read_csv(table(tmp_path, "a,b\n" + "x" * 200_000), most_bytes=1_000_000, most_cells=30)
