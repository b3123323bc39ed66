"""Where tables are printed: as wide as the terminal, plain when it isn't one, colours off when NO_COLOR is set."""

from __future__ import annotations

import os
import sys

from rich.console import Console

PLAIN_WIDTH = 132  # columns where nothing says how wide the reader is


def console(*, stderr: bool = False) -> Console:
    """A console that prints text from files as it is: no markup, no emoji codes, nothing highlighted by guess."""
    stream = sys.stderr if stderr else sys.stdout
    told = stream.isatty() or "COLUMNS" in os.environ
    return Console(
        file=stream,
        width=None if told else PLAIN_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
    )
