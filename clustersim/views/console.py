"""Where pages are printed: as wide as the terminal, plain text elsewhere, colours off when NO_COLOR is set.

Text from files is printed as it is: no markup, no emoji codes, nothing highlighted by guess; characters that a terminal
would obey are shown.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from clustersim.inert import inert

PLAIN_WIDTH = 132  # columns where nothing says how wide the reader is


class InertConsole(Console):
    """A console on which no text, whatever its origin, moves the cursor, ends a line or turns its direction."""

    def __init__(self, **about: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **about)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich's, the text in it made inert first: every text of every part comes by here."""
        if isinstance(renderable, str):
            renderable = inert(renderable)
        elif isinstance(renderable, Text):
            plain = inert(renderable.plain)
            if plain != renderable.plain:
                renderable = renderable.copy()
                renderable.plain = plain  # of the same length: styles stay where they were
        return super().render(renderable, options)


def console(*, stderr: bool = False) -> InertConsole:
    """A console on stdout, or on stderr."""
    stream = sys.stderr if stderr else sys.stdout
    told = stream.isatty() or "COLUMNS" in os.environ
    return InertConsole(file=stream, width=None if told else PLAIN_WIDTH)


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
    InertConsole(file=file, width=width, no_color=True).print(page)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
