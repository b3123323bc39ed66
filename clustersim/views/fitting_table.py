"""A table that fits the page: what tells rows apart stays whole, the least important columns go, and it says which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

LEAST_WORDS = 24  # columns that a text which may break needs
UNBOUNDED = 100_000


@dataclass(frozen=True)
class Heading:
    """A column: its name, and how soon it goes where there is no room."""

    name: str
    rank: int = 0  # the highest goes first; 0 never
    right: bool = False
    breaks: bool = False  # between words, where the page is narrow


@dataclass(frozen=True)
class FittingTable:
    """Headings, rows of cells, and a style for each row where some have one."""

    headings: Sequence[Heading]
    rows: Sequence[Sequence[str]]
    styles: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = list(range(len(self.headings)))
        while self._needed(console, options, shown) > options.max_width:
            goes = max(shown, key=lambda at: (self.headings[at].rank, at))
            if not self.headings[goes].rank:
                break  # what is left stays whole, however narrow the page
            shown.remove(goes)
        yield self._table(shown)
        gone = [heading.name for at, heading in enumerate(self.headings) if at not in shown and heading.name]
        if gone:
            yield Text(f"left out at {options.max_width} columns: {', '.join(gone)}", style="dim")

    def _needed(self, console: Console, options: ConsoleOptions, shown: Sequence[int]) -> int:
        """Columns that the table takes, with texts that may break as narrow as they may be."""
        wide = Measurement.get(console, options.update(width=UNBOUNDED), self._table(shown)).maximum
        return wide - sum(max(0, self._widest(at) - LEAST_WORDS) for at in shown if self.headings[at].breaks)

    def _widest(self, at: int) -> int:
        return max(cell_len(text) for text in (self.headings[at].name, *(row[at] for row in self.rows)))

    def _table(self, shown: Sequence[int]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in (self.headings[at] for at in shown):
            justify = "right" if heading.right else "left"
            table.add_column(heading.name, justify=justify, no_wrap=not heading.breaks)  # type: ignore[arg-type]
        styles = self.styles or [""] * len(self.rows)
        for row, style in zip(self.rows, styles, strict=True):
            table.add_row(*(Text(row[at]) for at in shown), style=style)
        return table
