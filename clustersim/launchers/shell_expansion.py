"""What a word of a shell script stands for: variables, defaults, arrays, arithmetic, quotes; with lines kept.

What only a run would know (an unset variable, most command substitutions) becomes a mark that says what it was.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable

from clustersim.launchers.arithmetic import UnknownValueError, reckon
from clustersim.launchers.shell_text import (
    BREAK,
    Array,
    Piece,
    Text,
    Word,
    by_line,
    in_one,
    joined,
    mark,
    plain,
    together,
    unknown_in,
    with_quotes,
    without_unset,
)
from clustersim.launchers.shell_words import DEEPEST, ShellError, Token, closing, quote_end, tokens

MOST_TEXT = 2_000_000  # characters that a script may grow to
_NAME = re.compile(r"[A-Za-z_]\w*")
_PARAMETER = re.compile(r"([A-Za-z_]\w*|\d+|[@*#?$!-])(\[[^\]]*\])?")


class Expansion:
    """Expands words with the variables that are known so far."""

    def __init__(self, substitute: Callable[[str, int], str]) -> None:
        self.variables: dict[str, Text | Array] = {}
        self.positional: list[Text] = []
        self.substitute = substitute
        self.grown = 0
        self.depth = 0

    def words(self, raw: str, line: int) -> list[Word]:
        """The words that one written word becomes: none, one, or the entries of an array."""
        found: list[Word] = []
        text, first, begun = "", line, False
        for piece in self.pieces(raw, line):
            if piece is BREAK:
                if begun:
                    found.append(Word(text, first))
                text, begun = "", False
                continue
            if piece.quoted:
                if not begun:
                    first, begun = piece.line, True
                text += piece.text
                continue
            for part in re.split(r"(\s+)", piece.text):
                if part.isspace():
                    if begun:
                        found.append(Word(text, first))
                    text, begun = "", False
                elif part:
                    if not begun:
                        first, begun = piece.line, True
                    text += part
        if begun:
            found.append(Word(text, first))
        return found

    def text(self, raw: str, line: int) -> str:
        """A word as one text, not split."""
        return plain(self.pieces(raw, line))

    def pieces(self, raw: str, line: int, *, inside_quotes: bool = False) -> Text:
        """A written word with everything in it expanded."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise ShellError(f"expansions nested more than {DEEPEST} deep")
        try:
            found = together(self._pieces(raw, line, inside_quotes))
        finally:
            self.depth -= 1
        self.grown += sum(len(piece.text) for piece in found)
        if self.grown > MOST_TEXT:
            raise ShellError(f"the script grows beyond {MOST_TEXT:,} characters")
        return found

    def _pieces(self, raw: str, line: int, inside: bool) -> Iterable[Piece]:
        at, held = 0, ""
        while at < len(raw):
            char = raw[at]
            if char == "\\" and at + 1 < len(raw):
                following = raw[at + 1]
                at += 2
                if following == "\n":
                    if held:
                        yield Piece(held, line, inside)
                        held = ""
                    line += 1
                elif inside and following not in '$`"\\':
                    held += f"\\{following}"
                elif inside:
                    held += following
                else:
                    if held:
                        yield Piece(held, line)
                        held = ""
                    yield Piece(following, line, True)
                continue
            if char == "\n":
                yield Piece(held + char, line, inside)
                held, line, at = "", line + 1, at + 1
                continue
            special = (char == "$" and at + 1 < len(raw)) or char == "`" or (char in "'\"" and not inside)
            if not special:
                held += char
                at += 1
                continue
            end, produced = self._special(raw, at, line, inside)
            if end == at:  # a lone $
                held += char
                at += 1
                continue
            if held:
                yield Piece(held, line, inside)
                held = ""
            yield from produced
            line += raw.count("\n", at, end)
            at = end
        if held:
            yield Piece(held, line, inside)

    def _special(self, raw: str, at: int, line: int, inside: bool) -> tuple[int, Text]:
        """Where a quotation or an expansion ends, and what it stands for."""
        char, after = raw[at], raw[at + 1 : at + 2]
        if char == "'":
            end = _found(raw, "'", at + 1)
            return end + 1, [*by_line(raw[at + 1 : end], line), Piece("", line, True)]
        if char == '"':
            end = quote_end(raw, at)
            body = raw[at + 1 : end - 1]
            listed = "$@" in body or "{@" in body or "[@]" in body  # an empty list is no word, an empty text is one
            return end, [Piece("", line, True)] * (not listed) + self.pieces(body, line, inside_quotes=True)
        if char == "`":
            end = _found(raw, "`", at + 1)
            return end + 1, [Piece(self.substitute(raw[at + 1 : end], line), line, inside)]
        if after == "'" and not inside:
            end = _found(raw, "'", at + 2)
            return end + 1, [Piece(raw[at + 2 : end].replace("\\n", "\n").replace("\\t", "\t"), line, True)]
        if raw.startswith("$((", at):
            end = closing(raw, at + 1)
            if raw[end - 2 : end] == "))":
                return end, [Piece(self.arithmetic(raw[at + 3 : end - 2], line), line, inside)]
        if after == "(":
            end = closing(raw, at + 1)
            return end, [Piece(self.substitute(raw[at + 2 : end - 1], line), line, inside)]
        if after == "{":
            end = closing(raw, at + 1)
            return end, self._braced(raw[at + 2 : end - 1], line, inside)
        name = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]").match(raw, at + 1)
        if name is None:
            return at, []
        return name.end(), self._value(name[0], "", line, inside)

    def arithmetic(self, text: str, line: int) -> str:
        """The number of an expression as text; a mark where something in it isn't known."""
        expanded = self.text(text, line)
        if unknown := unknown_in(expanded):
            return mark(unknown)
        try:
            return str(reckon(expanded, lambda name: self._number(name, line)))
        except UnknownValueError as error:
            return mark(str(error))

    def _number(self, name: str, line: int) -> int:
        if name not in self.variables:
            raise UnknownValueError(name)
        self.depth += 1
        if self.depth > DEEPEST:
            raise ShellError(f"variables that stand for one another, more than {DEEPEST} deep")
        try:
            value = plain(self._value(name, "", line, True))
            if unknown := unknown_in(value):
                raise UnknownValueError(unknown)
            return reckon(value, lambda inner: self._number(inner, line))
        finally:
            self.depth -= 1

    def is_set(self, name: str) -> bool:
        """Whether a name has a value in the file."""
        if name.isdigit():
            return 0 < int(name[:6]) <= len(self.positional)
        return name in self.variables

    def _value(self, name: str, index: str, line: int, inside: bool) -> Text:
        """The value of a variable; unset ones as marks."""
        if name in "@*":
            return in_one(self.positional) if inside and name == "*" else joined(self.positional, inside)
        if name == "#":
            return [Piece(str(len(self.positional)), line, inside)]
        if name in "?$!-":
            return [Piece("0" if name == "?" else "", line, inside)]
        if name.isdigit():
            if name == "0":
                return [Piece("$0", line, inside)]
            if self.is_set(name):
                return with_quotes(self.positional[int(name[:6]) - 1], inside)
            return [Piece(mark(f"${name}"), line, inside)]
        value = self.variables.get(name)
        if value is None:
            return [Piece(mark(name), line, inside)] if index not in ("@", "*") else []
        if isinstance(value, dict):
            if index in ("@", "*"):
                entries = list(value.values())
                return in_one(entries) if inside and index == "*" else joined(entries, inside)
            return with_quotes(value.get(self._key(value, index or "0", line), []), inside)
        return with_quotes(value, inside) if index in ("", "0", "@", "*") else []

    def _key(self, array: Array, index: str, line: int) -> str:
        key = without_unset(self.text(index, line)).strip("\"'")
        if key in array:
            return key
        try:
            number = reckon(key, lambda name: self._number(name, line))
        except (ShellError, UnknownValueError):
            return key
        return str(number if number >= 0 else len(array) + number)

    def _braced(self, body: str, line: int, inside: bool) -> Text:
        """What `${...}` stands for."""
        if body.startswith("#") and len(body) > 1:
            return [Piece(self._length(body[1:], line), line, inside)]
        indirect = body.startswith("!")
        match = _PARAMETER.match(body, 1 if indirect else 0)
        if match is None:
            return [Piece(mark(f"${{{body[:40]}}}"), line, inside)]
        name, index, rest = match[1], (match[2] or "")[1:-1], body[match.end() :]
        if indirect:
            array = self.variables.get(name)
            if index and isinstance(array, dict):
                return joined([[Piece(key, line)] for key in array], inside)
            name = without_unset(plain(self._value(name, index, line, True)))
            if not _NAME.fullmatch(name):
                return [Piece(mark(f"${{{body[:40]}}}"), line, inside)]
            index = ""
        value = self._value(name, index, line, inside)
        if not rest:
            return value
        return self._changed(name, value, rest, line, inside)

    def _changed(self, name: str, value: Text, rest: str, line: int, inside: bool) -> Text:
        """A variable's value with what stands behind its name: a default, another case, a part cut off."""
        has = self.is_set(name) or name in "@*#"
        if rest[0] == ":" and rest[1:2] in tuple("-=+?"):
            has = has and plain(value) != ""
            rest = rest[1:]
        kind, argument = rest[0], rest[1:]
        if kind in "-=":
            if has:
                return value
            default = self.pieces(argument, line, inside_quotes=inside)
            if kind == "=" and _NAME.fullmatch(name):
                self.variables[name] = default
            return default
        if kind == "+":
            return self.pieces(argument, line, inside_quotes=inside) if has else []
        if kind == "?":
            return value
        text = plain(value)
        if unknown_in(text):
            return value
        return [Piece(self._edited(text, rest, line), line, inside)]

    def _edited(self, text: str, rest: str, line: int) -> str:
        if rest[:1] in ",^":
            change = str.lower if rest[0] == "," else str.upper
            return change(text) if len(rest) > 1 else change(text[:1]) + text[1:]
        if rest[0] in "#%":
            greedy = rest[1:2] == rest[0]
            return _cut(text, self.text(rest[2 if greedy else 1 :], line), front=rest[0] == "#", greedy=greedy)
        if rest[0] == "/":
            everywhere = rest[1:2] == "/"
            old, _, new = rest[2 if everywhere else 1 :].partition("/")
            old, new = self.text(old, line), self.text(new, line)
            return text.replace(old, new, -1 if everywhere else 1) if old else text
        if rest[0] == ":":
            start, _, length = rest[1:].partition(":")
            first, many = self.arithmetic(start, line), self.arithmetic(length, line) if length else ""
            if unknown_in(first + many):
                return mark(rest[:40])
            begin = max(int(first) if int(first) >= 0 else len(text) + int(first), 0)
            if not many:
                return text[begin:]
            return text[begin : begin + int(many) if int(many) >= 0 else len(text) + int(many)]
        return mark(rest[:40])

    def _length(self, body: str, line: int) -> str:
        match = _PARAMETER.fullmatch(body)
        if match is None:
            return mark(f"${{#{body[:40]}}}")
        if match[1] in "@*":
            return str(len(self.positional))
        value = self.variables.get(match[1])
        if (match[2] or "")[1:-1] in ("@", "*"):
            return str(len(value) if isinstance(value, dict) else int(value is not None))
        return str(len(without_unset(plain(self._value(match[1], (match[2] or "")[1:-1], line, True)))))

    def entries(self, body: str, line: int) -> Array:
        """The entries of an array's brackets, by number or key."""
        found: Array = {}
        for token in tokens(body, line):
            if token.kind != "word":
                continue
            keyed = re.match(r"\[([^\]]*)\]=", token.text)
            if keyed:
                key = without_unset(self.text(keyed[1], token.line))
                found[key] = self._flat(token, token.text[keyed.end() :])
                continue
            for word in self.words(token.text, token.line):
                found[str(len(found))] = [Piece(word.text, word.line)]
        return found

    def _flat(self, token: Token, raw: str) -> Text:
        return [piece for piece in self.pieces(raw, token.line) if piece is not BREAK]


def _cut(text: str, pattern: str, *, front: bool, greedy: bool) -> str:
    """`${X#pattern}` and its kin: the text without its shortest or longest beginning (or end) that matches."""
    if len(text) > 5000 or len(pattern) > 200 or pattern.count("*") > 3:
        return text
    sizes = range(len(text) + 1)
    for size in reversed(sizes) if greedy else sizes:
        part = text[:size] if front else text[len(text) - size :]
        if fnmatch.fnmatchcase(part, pattern):
            return text[size:] if front else text[: len(text) - size]
    return text


def _found(raw: str, what: str, at: int) -> int:
    end = raw.find(what, at)
    if end < 0:
        raise ShellError(f"a {what} never closes")
    return end
