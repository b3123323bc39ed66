"""Text of others, made harmless to print: what moves a cursor or turns the direction of writing is shown, not obeyed.

A file may hold any character, in a name as in a note; printed as it is, it could rewrite the line above it on a
terminal, a verdict say. Every such character becomes one visible sign, so that widths stay what they were.
"""

from __future__ import annotations

import re
from functools import cache

PICTURES = 0x2400  # the control pictures of Unicode: ESC is shown as the sign at 0x241B
DELETE, DELETE_PICTURE = "\x7f", "\u2421"
UNKNOWN = "\ufffd"
# C0 and C1 controls, marks and overrides of direction (Unicode Technical Report 36, section 2.5), separators of lines
# and paragraphs, halves of surrogate pairs.
_OBEYED = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"


def inert(text: str, *, lines: bool = False) -> str:
    """The same text with a sign in the place of each such character; ends of lines become blanks unless `lines`."""
    return _pattern().sub(lambda found: _sign(found[0], lines), text)


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(f"[{_OBEYED}]")


def _sign(character: str, lines: bool) -> str:
    if character in "\n\t":
        return character if lines else " "
    if character < " ":
        return chr(PICTURES + ord(character))
    return DELETE_PICTURE if character == DELETE else UNKNOWN


def inert_json(text: str) -> str:
    """A JSON document with these characters as escapes; in JSON they stand in strings alone."""
    return _pattern().sub(lambda found: found[0] if found[0] in "\n\r\t " else f"\\u{ord(found[0]):04x}", text)
