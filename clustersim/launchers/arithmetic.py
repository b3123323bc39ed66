"""Whole-number arithmetic of the shell, `$(( a * b ))`, as bash reckons it: parsed, never handed to Python."""

from __future__ import annotations

import operator as operator_of
import re
from collections.abc import Callable

from clustersim.launchers.shell_words import ShellError

LARGEST = 2**63
DEEPEST = 40
_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+|\d+)|([A-Za-z_]\w*)|(\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!~&|^?:()]))"
)
_BINDS = {
    "**": 12, "*": 11, "/": 11, "%": 11, "+": 10, "-": 10, "<<": 9, ">>": 9, "<": 8, ">": 8, "<=": 8, ">=": 8,
    "==": 7, "!=": 7, "&": 6, "^": 5, "|": 4, "&&": 3, "||": 2, "?": 1,
}  # fmt: skip


class UnknownValueError(ValueError):
    """A value that only a run of the script knows."""


def reckon(text: str, value_of: Callable[[str], int]) -> int:
    """The number that an expression stands for; names are looked up. Raises ShellError where it is none."""
    return _Reckoning(text, value_of).result()


class _Reckoning:
    def __init__(self, text: str, value_of: Callable[[str], int]) -> None:
        self.value_of = value_of
        self.text = text
        self.tokens: list[str] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise ShellError(f"not arithmetic: {text.strip()[:60]}")
            self.tokens.append(match[0].strip())
            at = match.end()
        self.at = 0

    def result(self) -> int:
        if not self.tokens:
            return 0
        value = self._expression(0, 0)
        if self.at != len(self.tokens):
            raise ShellError(f"not arithmetic: {self.text.strip()[:60]}")
        return value

    def _next(self) -> str:
        if self.at >= len(self.tokens):
            raise ShellError(f"arithmetic that breaks off: {self.text.strip()[:60]}")
        self.at += 1
        return self.tokens[self.at - 1]

    def _expression(self, least: int, depth: int) -> int:
        if depth > DEEPEST:
            raise ShellError(f"arithmetic nested more than {DEEPEST} deep")
        left = self._operand(depth)
        while self.at < len(self.tokens) and _BINDS.get(self.tokens[self.at], -1) >= max(least, 1):
            operator = self._next()
            binds = _BINDS[operator]
            if operator == "?":
                yes = self._expression(1, depth + 1)
                if self._next() != ":":
                    raise ShellError(f"a ? without a : in {self.text.strip()[:60]}")
                no = self._expression(1, depth + 1)
                left = yes if left else no
                continue
            right = self._expression(binds if operator == "**" else binds + 1, depth + 1)
            left = _apply(operator, left, right)
        return left

    def _operand(self, depth: int) -> int:
        token = self._next()
        if token == "(":
            value = self._expression(0, depth + 1)
            if self._next() != ")":
                raise ShellError(f"a ( never closes in {self.text.strip()[:60]}")
            return value
        if token in "-+!~":
            value = self._expression(13, depth + 1)
            return {"-": -value, "+": value, "!": int(not value), "~": ~value}[token]
        if token[0].isdigit():
            octal = (
                len(token) > 1 and token.isdigit() and token[0] == "0" and all(digit in "01234567" for digit in token)
            )
            return _bounded(int(token[:40], 8) if octal else int(token[:40], 16 if token[:2].lower() == "0x" else 10))
        if token[0].isalpha() or token[0] == "_":
            return self.value_of(token)
        raise ShellError(f"not arithmetic: {self.text.strip()[:60]}")


def _bounded(value: int) -> int:
    if abs(value) >= LARGEST:
        raise ShellError("a number beyond 64 bits")
    return value


def _apply(operator: str, left: int, right: int) -> int:
    if operator in ("/", "%"):
        if right == 0:
            raise ShellError("a division by zero")
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)  # towards zero, as in C
        return quotient if operator == "/" else left - quotient * right
    if operator in ("**", "<<", ">>") and not 0 <= right < 64:
        raise ShellError("a power or a shift beyond 64 bits")
    return _bounded(_BINARY[operator](left, right))


_BINARY: dict[str, Callable[[int, int], int]] = {
    "**": pow,
    "*": operator_of.mul,
    "+": operator_of.add,
    "-": operator_of.sub,
    "<<": operator_of.lshift,
    ">>": operator_of.rshift,
    "<": lambda left, right: int(left < right),
    ">": lambda left, right: int(left > right),
    "<=": lambda left, right: int(left <= right),
    ">=": lambda left, right: int(left >= right),
    "==": lambda left, right: int(left == right),
    "!=": lambda left, right: int(left != right),
    "&": operator_of.and_,
    "^": operator_of.xor,
    "|": operator_of.or_,
    "&&": lambda left, right: int(bool(left and right)),
    "||": lambda left, right: int(bool(left or right)),
}
