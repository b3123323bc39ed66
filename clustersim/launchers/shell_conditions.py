"""Conditions of a script, as far as they are known: comparisons of texts and numbers, patterns, and, or, not."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import TypeAlias

from clustersim.launchers.shell_text import unknown_in, without_unset

Number: TypeAlias = Callable[[str], int | None]  # the value of an arithmetic expression; None where it isn't known


def matches(subject: str, pattern: str) -> bool:
    """Whether a text is of a pattern of the shell; of long ones, and of those with many stars, it is said not to be."""
    return pattern.count("*") <= 5 and len(subject) < 5000 and fnmatch.fnmatchcase(subject, pattern)


def holds(words: list[str], number: Number) -> bool | None:
    """Whether a condition of words holds; `||` and `-o` bind less than `&&` and `-a`."""
    for operators, combine in ((("||", "-o"), any), (("&&", "-a"), all)):
        for at, word in enumerate(words):
            if word in operators and 0 < at < len(words) - 1:
                sides = [holds(words[:at], number), holds(words[at + 1 :], number)]
                decisive = combine is any
                if decisive in sides:
                    return decisive
                return None if None in sides else combine(sides)
    if words[:1] == ["!"] and len(words) > 1:
        inner = holds(words[1:], number)
        return None if inner is None else not inner
    if words and words[0] == "(" and words[-1] == ")":
        return holds(words[1:-1], number)
    if any("$(" in unknown_in(word) for word in words):
        return None
    return _relation([without_unset(word) for word in words], number)


def _relation(words: list[str], number: Number) -> bool | None:
    """One comparison: of texts, of numbers, or whether a text is empty."""
    if len(words) <= 1:
        return bool(words and words[0])
    if len(words) == 2:
        return {"-z": words[1] == "", "-n": words[1] != ""}.get(words[0])
    left, operator, right = words[0], words[1], " ".join(words[2:])
    if operator in ("=", "=="):
        return left == right or matches(left, right)
    if operator == "!=":
        return not (left == right or matches(left, right))
    comparisons = {"-eq": "==", "-ne": "!=", "-lt": "<", "-le": "<=", "-gt": ">", "-ge": ">="}
    if operator in comparisons:
        value = number(f"({left or 0}) {comparisons[operator]} ({right or 0})")
        return None if value is None else bool(value)
    return None
