"""Tables of kinds that refuse what they have nothing for, so that a new kind is never played as an old one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from clustersim.errors import InputError, Problem

Value = TypeVar("Value")


def chosen(key: str, kind: str, table: Mapping[str, Value]) -> Value:
    """What a table states for a kind.

    Raises InputError, with what would be accepted, where it states nothing: a default would play one kind as another.
    """
    if kind not in table:
        raise unhandled(key, [kind], table)
    return table[kind]


def handled(key: str, kinds: Iterable[str], known: Iterable[str]) -> None:
    """Raise InputError where some of the kinds are not known to whoever plays them."""
    unknown = sorted(set(kinds) - set(known))
    if unknown:
        raise unhandled(key, unknown, known)


def unhandled(key: str, kinds: Iterable[str], known: Iterable[str]) -> InputError:
    """The error of kinds that nobody has written down how to play."""
    accepted = ", ".join(known)
    problems = [Problem(f'"{kind}" is not modelled. Accepted: {accepted}', key) for kind in kinds]
    return InputError("what is not modelled is not played", problems)
