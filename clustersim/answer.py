"""What every result of a simulation or a study can do: say itself in a line, as a document, a data frame, a page.

A result says its headline (what it is of, then its figures in words) and its table (a mapping a row); the rest
follows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from clustersim.errors import MissingExtraError

if TYPE_CHECKING:
    from pandas import DataFrame


class Answer(ABC):
    """A result: `repr` is a line, `to_dict` what `--json` prints, `to_frame` its table, and notebooks show a page."""

    @abstractmethod
    def headline(self) -> tuple[str, Mapping[str, str]]:
        """What it is of, and its main figures in words, by name."""

    @abstractmethod
    def table(self) -> Sequence[Mapping[str, Any]]:
        """Its rows, in SI units, fractions as fractions: what `to_frame` holds."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The document that `--json` prints."""

    def to_frame(self) -> DataFrame:
        """The table as a pandas data frame. Raises MissingExtraError where pandas isn't installed."""
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("pandas", "frames") from error
        return pandas.DataFrame([dict(row) for row in self.table()])

    def __repr__(self) -> str:
        return short(type(self).__name__, *self.headline())

    def _repr_html_(self) -> str:
        return page(*self.headline())


def short(kind: str, what: str, figures: Mapping[str, str]) -> str:
    """StepResult(GPT-3 175B on 64 A100 80GB: step time 62.7 s, MFU full 44.6 %)."""
    said = ", ".join(f"{name} {words}" for name, words in figures.items())
    return f"{kind}({what}{': ' if said else ''}{said})"


def page(what: str, figures: Mapping[str, str]) -> str:
    """The same as HTML: a table with a caption, as notebooks show it."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(words)}</td></tr>" for name, words in figures.items())
    return f"<table><caption>{escape(what)}</caption>{rows}</table>"
