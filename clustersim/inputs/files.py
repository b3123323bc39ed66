"""Files from outside: plain files of a bounded size, read whole. A pipe would be waited for, a device never end."""

from __future__ import annotations

import csv
import io
import os
import stat
from pathlib import Path

MOST_COLUMNS = 2000


class UnreadableError(ValueError):
    """Why a file can't be read."""


def read_file(path: str | Path, most: int) -> bytes:
    """The content of a plain file of at most `most` bytes. Raises UnreadableError with the reason."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, ValueError):  # ValueError: a NUL in the name
        raise UnreadableError("no such file") from None
    except OSError as error:
        raise UnreadableError(f"the file cannot be read: {error.strerror}") from None
    kind = os.fstat(file).st_mode
    if not stat.S_ISREG(kind):
        os.close(file)
        raise UnreadableError("a folder, not a file" if stat.S_ISDIR(kind) else "not a plain file")
    try:
        with os.fdopen(file, "rb") as opened:
            content = opened.read(most + 1)
    except OSError as error:
        raise UnreadableError(f"the file cannot be read: {error.strerror}") from None
    if len(content) > most:
        raise UnreadableError(f"the file has more than {most:,} bytes")
    return content


def read_utf8(path: str | Path, most: int) -> str:
    """The text of a plain file in UTF-8, a mark of byte order left out. Raises UnreadableError with the reason."""
    try:
        return read_file(path, most).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("the file is not text in UTF-8") from None


def read_csv(path: str | Path, *, most_bytes: int, most_cells: int) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The columns of a CSV file with a header, and its rows; a cell that a row lacks is empty.

    Raises UnreadableError with the reason: what read_utf8 says, more columns or cells than a table has, torn quotes.
    """
    text = read_utf8(path, most_bytes)
    if "\0" in text:
        raise UnreadableError("the file holds NUL characters, which no text does")
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    rows: list[dict[str, str]] = []
    try:
        columns = tuple(reader.fieldnames or ())
        if len(columns) > MOST_COLUMNS:
            raise UnreadableError(f"the file has {len(columns):,} columns; a table has at most {MOST_COLUMNS:,}")
        for row in reader:
            if len(rows) * len(columns) > most_cells:
                raise UnreadableError(f"the file has more than {most_cells:,} cells")
            row.pop(None, None)  # cells beyond the last column
            rows.append(row)
    except csv.Error as error:
        raise UnreadableError(f"line {reader.line_num + 1}: {error}") from None
    return columns, rows
