"""Words and operators of a shell script, with the line of each; quotes are kept for `shell_expansion`.

Written here, for bashlex (GPL-3, last released in 2023) refuses arrays, arithmetic and `case`, and tree-sitter-bash
gives a syntax tree and no expansion, which is nearly all of the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OPERATORS = (";;&", "&>>", "<<<", "<<-", "&&", "||", ";;", ";&", "<<", ">>", ">&", "<&", "&>", ">|", "|&")
ENDS_A_WORD = frozenset(" \t\n;&|<>()")
CLOSES = {"(": ")", "{": "}"}
DEEPEST = 40


class ShellError(ValueError):
    """Why a script can't be read: torn quotes, or nested or grown beyond any that is meant."""


@dataclass
class Token:
    """A word as written, an operator, or the text that `<<` hands to a command."""

    kind: Literal["word", "operator", "newline", "heredoc"]
    text: str
    line: int
    expands: bool = True  # of a heredoc: whether its text is expanded


def tokens(text: str, line: int = 1) -> list[Token]:
    """Every token of a script that begins on `line`. Raises ShellError for quotes and brackets that never close."""
    found: list[Token] = []
    waiting: list[tuple[Token, str, bool]] = []  # heredocs whose text follows the end of the line
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\n":
            found.append(Token("newline", "\n", line))
            line, at = line + 1, at + 1
            for token, delimiter, tabs in waiting:
                token.line, start = line, at
                token.text, at = _heredoc(text, at, delimiter, tabs=tabs)
                line += text.count("\n", start, at)
            waiting = []
        elif char in " \t\r":
            at += 1
        elif text.startswith("\\\n", at) or text.startswith("\\\r\n", at):
            at, line = text.index("\n", at) + 1, line + 1
        elif char == "#":
            at = _line_end(text, at)
        else:
            operator = next((each for each in OPERATORS if text.startswith(each, at)), None)
            if operator is None and char in ";&|<>()":
                operator = char
            if operator is not None:
                found.append(Token("operator", operator, line))
                at += len(operator)
                continue
            end = word_end(text, at)
            word = text[at:end]
            before = found[-1] if found else None
            if before is not None and before.kind == "operator" and before.text in ("<<", "<<-"):
                plain = word.strip("'\"").replace("\\", "")
                token = Token("heredoc", "", line, expands=plain == word)
                waiting.append((token, plain, before.text == "<<-"))
                found.append(token)
            else:
                found.append(Token("word", word, line))
            line += word.count("\n")
            at = end
    return found


def _heredoc(text: str, at: int, end: str, *, tabs: bool) -> tuple[str, int]:
    """The lines up to one that is `end` alone, and where those after it begin."""
    lines: list[str] = []
    while at < len(text):
        stop = _line_end(text, at)
        one = text[at:stop].rstrip("\r")
        at = min(stop + 1, len(text))
        if (one.lstrip("\t") if tabs else one) == end:
            break
        lines.append(one)
    return "\n".join(lines), at


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def word_end(text: str, at: int) -> int:
    """Where the word that begins at `at` ends: behind its quotes, expansions and, of `NAME=(`, its array."""
    start = at
    while at < len(text):
        char = text[at]
        if char == "(" and at > start and text[at - 1] == "=":
            at = closing(text, at)
        elif char in ENDS_A_WORD:
            break
        else:
            at = _past(text, at)
    return at


def _past(text: str, at: int, depth: int = 0) -> int:
    """Where what begins at `at` ends: one character, or a whole quotation or expansion."""
    char = text[at]
    if char == "\\":
        return min(at + 2, len(text))
    if char == "'":
        return _found(text, "'", at + 1) + 1
    if char == '"':
        return quote_end(text, at, depth)
    if char == "`":
        return _found(text, "`", at + 1) + 1
    if char == "$" and at + 1 < len(text):
        if text[at + 1] == "'":
            return _found(text, "'", at + 2) + 1
        if text[at + 1] in CLOSES:
            return closing(text, at + 1, depth)
    return at + 1


def _found(text: str, what: str, at: int) -> int:
    found = text.find(what, at)
    if found < 0:
        raise ShellError(f"a {what} never closes")
    return found


def quote_end(text: str, at: int, depth: int = 0) -> int:
    """Where the double quotes that open at `at` end."""
    _check(depth)
    at += 1
    while at < len(text) and text[at] != '"':
        at = at + 1 if text[at] == "'" else _past(text, at, depth + 1)
    if at >= len(text):
        raise ShellError('a " never closes')
    return at + 1


def closing(text: str, at: int, depth: int = 0) -> int:
    """Where the bracket that opens at `at` ends: behind nested ones, quotes and comments."""
    _check(depth)
    opens, closes = text[at], CLOSES[text[at]]
    at += 1
    while at < len(text):
        char = text[at]
        if char == closes:
            return at + 1
        if char == opens:
            at = closing(text, at, depth + 1)
        elif char == "#" and opens == "(" and text[at - 1] in " \t\n(":
            at = _line_end(text, at)
        else:
            at = _past(text, at, depth + 1)
    raise ShellError(f"a {opens} never closes")


def _check(depth: int) -> None:
    if depth > DEEPEST:
        raise ShellError(f"nested more than {DEEPEST} deep")
