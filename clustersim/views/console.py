"""Where pages are printed: as wide as the terminal, plain text elsewhere, colours off when NO_COLOR is set.

Text from files is printed as it is: no markup, no emoji codes, nothing highlighted by guess.
"""

from __future__ import annotations

import io
import os
import sys

from rich.console import Console, RenderableType

PLAIN_WIDTH = 132  # columns where nothing says how wide the reader is


def console(*, stderr: bool = False) -> Console:
    """A console on stdout, or on stderr."""
    stream = sys.stderr if stderr else sys.stdout
    told = stream.isatty() or "COLUMNS" in os.environ
    return Console(file=stream, width=None if told else PLAIN_WIDTH, markup=False, emoji=False, highlight=False)


def print_page(page: RenderableType) -> None:
    """Print on stdout: styled on a terminal, else plain text."""
    here = console()
    if here.is_terminal:
        here.print(page)
    else:
        sys.stdout.write(plain_text(page, here.width))


def plain_text(page: RenderableType, width: int = PLAIN_WIDTH) -> str:
    """A page as lines of text without styles and without blanks at their ends."""
    file = io.StringIO()
    Console(file=file, width=width, markup=False, emoji=False, highlight=False, no_color=True).print(page)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
