"""Mappings and lists that remember where each entry was written, so that any later complaint can name file and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

KeyPath = tuple[str | int, ...]  # the way to a value: keys, and positions in lists
MAX_DEPTH = 50


class Origin(NamedTuple):
    """Where a value was written; a value given in Python or on the command line has neither file nor line."""

    file: str = ""
    line: int | None = None


NOWHERE = Origin()


class Table(dict[str, Any]):
    """A mapping with the origin of every key. Never changed once made: `with_entry` and friends return another."""

    __slots__ = ("origins",)

    def __init__(self, entries: Mapping[str, Any] | None = None, origins: Mapping[str, Origin] | None = None) -> None:
        super().__init__(entries or {})
        self.origins = dict(origins or {})

    def origin(self, key: str) -> Origin:
        """Where `key` was written."""
        return self.origins.get(key, NOWHERE)

    def with_entry(self, key: str, value: Any, origin: Origin | None = None) -> Table:
        """The same with one entry set, at `origin` or where it stood."""
        return Table(self | {key: value}, self.origins | {key: origin or self.origin(key)})

    def without(self, *keys: str) -> Table:
        """The same without some entries."""
        return Table({key: value for key, value in self.items() if key not in keys}, self.origins)


class Items(list[Any]):
    """A list with the origin of every item, or of none."""

    __slots__ = ("origins",)

    def __init__(self, items: Iterable[Any] = (), origins: Sequence[Origin] = ()) -> None:
        super().__init__(items)
        self.origins = list(origins)


def as_table(value: Any, depth: int = 0) -> Any:
    """Plain mappings, lists and descriptions given in Python, as tables without origins.

    Raises ValueError where the nesting has no end.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, Table):
        return value
    if isinstance(value, Mapping):
        return Table({str(key): as_table(item, depth + 1) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return Items([as_table(item, depth + 1) for item in value])
    return value


def as_plain(value: Any) -> Any:
    """The same as plain dictionaries and lists."""
    if isinstance(value, Mapping):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_plain(item) for item in value]
    return value


def locate(value: Any, path: KeyPath) -> Origin:
    """Where the value at `path` was written, or the nearest thing around it that was."""
    found = NOWHERE
    for step in path:
        if isinstance(value, Mapping) and step in value:
            origin = value.origin(str(step)) if isinstance(value, Table) else NOWHERE
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            origin = value.origins[step] if isinstance(value, Items) and value.origins else NOWHERE
        else:
            break
        found = origin if origin != NOWHERE else found
        value = value[step]
    return found


def dotted(path: KeyPath) -> str:
    """A path as people write it: `layout.stage_layers[3]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
