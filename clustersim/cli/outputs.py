"""Where a command writes: tried before its work starts, written when its answer has been printed.

What took an hour must not end in a folder that cannot be written, nor the answer be lost because a file was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click


def check_writable(path: Path, *, folder: bool) -> None:
    """Raise ValueError, with the reason, unless the file or folder can be written, or made, where it is."""
    from tempfile import TemporaryFile

    try:
        there = path
        while not there.exists() and there != there.parent:
            there = there.parent
        if there == path and folder != path.is_dir():
            raise ValueError(f"{path} is {'a file, not a folder' if folder else 'a folder, not a file'}")
        if there == path and not folder:
            if not os.access(path, os.W_OK):
                raise ValueError(f"{path} may not be written")
            return
        if not there.is_dir():
            raise ValueError(f"{there} is no folder")
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}") from None


def checked(*, folder: bool) -> Callable[[click.Context, click.Parameter, str | Path | None], str | Path | None]:
    """The same as the callback of an option."""

    def callback(ctx: click.Context, option: click.Parameter, path: str | Path | None) -> str | Path | None:
        if path is not None:
            try:
                check_writable(Path(path), folder=folder)
            except ValueError as error:
                raise click.BadParameter(str(error), ctx, option) from None
        return path

    return callback


@contextmanager
def printed_first(write: Callable[[], object]) -> Iterator[None]:
    """What is printed inside comes first, and `write` after it: also where nobody reads what is printed any more."""
    try:
        yield
    finally:
        write()
