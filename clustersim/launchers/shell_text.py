"""Text of a script with the lines that it comes from, and marks for what only a run would know."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

OPENS_MARK, CLOSES_MARK = "\ue000", "\ue001"
MARK = re.compile(f"{OPENS_MARK}([^{CLOSES_MARK}]*){CLOSES_MARK}")


class Piece(NamedTuple):
    """A stretch of text from one line; quoted text isn't split into words."""

    text: str
    line: int
    quoted: bool = False


class Word(NamedTuple):
    """One word of a command as it would be handed over, and the line that it comes from."""

    text: str
    line: int


BREAK = Piece("", -1)  # the end of a word, between the entries of an array
Text = list[Piece]
Array = dict[str, Text]


def plain(text: Iterable[Piece]) -> str:
    """The characters of a text."""
    return "".join(piece.text for piece in text)


def mark(what: str) -> str:
    """What stands for a value that isn't known."""
    return f"{OPENS_MARK}{what}{CLOSES_MARK}"


def unknown_in(text: str) -> str:
    """What isn't known of a text: names of variables or commands; nothing where all is."""
    return ", ".join(dict.fromkeys(MARK.findall(text)))


def without_unset(text: str) -> str:
    """A text in which unset variables are empty, as in a shell; what commands print stays marked."""
    return MARK.sub(lambda match: match[0] if match[1].startswith("$(") else "", text)


def together(pieces: Iterable[Piece]) -> Text:
    """Neighbours of one line as one piece, so that text which doubles stays few pieces."""
    found: Text = []
    for piece in pieces:
        last = found[-1] if found else None
        if last is not None and piece is not BREAK and last is not BREAK and last[1:] == piece[1:]:
            found[-1] = Piece(last.text + piece.text, piece.line, piece.quoted)
        else:
            found.append(piece)
    return found


def by_line(text: str, line: int) -> Text:
    """Quoted text that may go over several lines, a piece each."""
    lines = text.split("\n")
    return [
        Piece(part + ("\n" if number + 1 < len(lines) else ""), line + number, True)
        for number, part in enumerate(lines)
    ]


def with_quotes(text: Text, quoted: bool) -> Text:
    """A text as one word, quoted or not."""
    return [Piece(piece.text, piece.line, quoted) for piece in text if piece is not BREAK]


def joined(texts: list[Text], quoted: bool) -> Text:
    """Entries one behind another, each a word of its own."""
    found: Text = []
    for text in texts:
        found += [Piece("", text[0].line if text else 0, True)] * quoted + with_quotes(text, quoted) + [BREAK]
    return found


def in_one(texts: list[Text]) -> Text:
    """Entries with blanks between them, one word: what `"${A[*]}"` is."""
    found: Text = []
    for text in texts:
        blank = [Piece(" ", text[0].line if text else 0, True)] if found else []
        found += [*blank, *with_quotes(text, True)]
    return found


def unquoted(text: str) -> str:
    """A text without what stands in quotes."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", "", text)
