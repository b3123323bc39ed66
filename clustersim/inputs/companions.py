"""What an override carries with it: values that follow those that it states, and values that stay behind.

Descriptions declare it (`Follows`). An entry that extends another and states the memory's capacity, but not what of it
is usable, doesn't want what the other can use: what follows is worked out anew, and what is taken over is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo

from clustersim.inputs.base import Description, Follows, follows_of, references_of
from clustersim.inputs.table import KeyPath, Table, dotted
from clustersim.inputs.units import dimension_of, parse_quantity, si_text


@dataclass(frozen=True)
class Rule:
    """What becomes of a value of an entry where another extends the entry and states what the value follows."""

    key: str  # dotted
    follows: tuple[str, ...]
    how: str
    then: str

    def to_dict(self) -> dict[str, Any]:
        """As `show --json` prints it."""
        return {"key": self.key, "follows": list(self.follows), "how": self.how, "then": self.then}

    def __str__(self) -> str:
        leads = " or ".join(self.follows)
        if self.how == "in proportion":
            return f"{self.key}: in proportion to {leads}"
        if self.how == "unset":
            return f"{self.key}: unset where {leads} changes: {self.then}"
        return f"{self.key}: kept where {leads} changes, and noted"


def following(entry: Description, prefix: str = "") -> Iterator[Rule]:
    """What of an entry follows what: of itself and of its parts, where it has such a value."""
    for field, markers in follows_of(type(entry)).items():
        if getattr(entry, field) in (None, {}, 0.0):
            continue
        for marker in markers:
            leads = [key for key in marker.keys if marker.how != "in proportion" or _value(entry, key) is not None]
            if leads:
                yield Rule(f"{prefix}{field}", tuple(f"{prefix}{key}" for key in leads), marker.how, marker.then)
    references = references_of(type(entry))
    for field in type(entry).model_fields:
        part = getattr(entry, field)
        if isinstance(part, Description) and field not in references:
            yield from following(part, f"{prefix}{field}.")


class Companions:
    """Settles what follows what in one mapping laid over another; what was done is added to `notes`."""

    def __init__(self, kind: type[Description], path: KeyPath, notes: list[str]) -> None:
        self.kind = kind
        self.path = path
        self.notes = notes

    def settled(self, base: Table, over: Table, merged: Table) -> Table:
        """`merged`, which is `over` laid over `base`, with every value that follows one that `over` changes."""
        kept: dict[str, None] = {}
        waiting = True
        while waiting:  # what follows may lead others
            waiting = False
            for field, marker, first in _markers(self.kind):
                if first.isdisjoint(over):
                    continue
                leads = tuple(key for key in marker.keys if self._changes(base, over, key))
                if not leads or base.get(field) is None:
                    continue
                if marker.how == "kept":
                    kept |= {} if _at(over, field) is not None else {field: None}
                    continue
                found = self._followed(base, over, merged, field, marker, leads)
                if found is not None:
                    over, merged = found
                    waiting = True
        if kept and "extends" not in base:
            owner = base.get("name", "the one that it extends")
            self._note(f"{_listed(kept)} {'is that' if len(kept) == 1 else 'are those'} of {owner}")
        return merged

    def _followed(
        self, base: Table, over: Table, merged: Table, field: str, marker: Follows, leads: Sequence[str]
    ) -> tuple[Table, Table] | None:
        """`over` and `merged` with the field settled; None where `over` says it, or where nothing is to be settled."""
        if leads[0].startswith(f"{field}."):
            return self._entries(base, over, merged, field, leads[0])
        if field in over:
            return None
        origin = over.origin(leads[0].split(".")[0])
        if marker.how == "unset":
            self._note(f"{field} follows {_listed(leads)}: {marker.then}")
            return over.with_entry(field, None, origin), merged.without(field)
        factor = self._factor(base, over, leads)
        value = None if factor is None else self._times(field, base[field], factor)
        if value is None:
            return None
        self._note(f"{field} follows {_listed(leads)} (x {factor:.4g})")
        return over.with_entry(field, value, origin), merged.with_entry(field, value, origin)

    def _entries(self, base: Table, over: Table, merged: Table, field: str, lead: str) -> tuple[Table, Table] | None:
        """The same for a mapping whose entries follow one of them."""
        own, given = base[field], over[field]
        if lead != next((key for key in _leads(self.kind, field) if _at(base, key) is not None), lead):
            return None
        factor = self._factor(base, over, (lead,))
        found = {
            key: value
            for key, old in own.items()
            if key not in given and factor is not None and (value := self._times(field, old, factor)) is not None
        }
        if not found:
            return None
        self._note(
            f"{_listed([f'{field}.{key}' for key in found])} {'follows' if len(found) == 1 else 'follow'} {lead}"
            f" (x {factor:.4g})"
        )
        origins = dict.fromkeys(found, given.origin(lead.split(".")[1]))
        given = Table({**given, **found}, {**given.origins, **origins})
        joined = Table({**merged[field], **found}, {**merged[field].origins, **origins})
        return over.with_entry(field, given), merged.with_entry(field, joined)

    def _changes(self, base: Table, over: Table, key: str) -> bool:
        """Whether `over` gives a key another value than it has in `base`."""
        new = _at(over, key)
        if new is None:
            return False
        old = _at(base, key)
        if isinstance(new, Table) and isinstance(old, Table) and "extends" not in new:
            return any(self._changes(base, over, f"{key}.{inner}") for inner in new)
        numbers = self._number(key, new), self._number(key, old)
        return numbers[0] != numbers[1] if None not in numbers else new != old

    def _factor(self, base: Table, over: Table, leads: Sequence[str]) -> float | None:
        """How many times as large the leading values have become together; None where that can't be told."""
        factor = 1.0
        for key in leads:
            new, old = self._number(key, _at(over, key)), self._number(key, _at(base, key))
            if new is None or not old:
                return None
            factor *= new / old
        return factor

    def _number(self, key: str, value: Any) -> float | None:
        """A value of a field in SI, or the field's default where it is absent."""
        field = _field(self.kind, key)
        value = field.default if value is None and field is not None else value
        try:
            return parse_quantity(value, _dimension(self.kind, key) or "ratio")
        except ValueError:
            return None

    def _times(self, field: str, value: Any, factor: float) -> Any:
        """A field's value so many times as large; None where it is no number, or would be no whole one."""
        number = self._number(field, value)
        if number is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            return round(number * factor) if (number * factor).is_integer() else None
        return si_text(number * factor, dimension_of(self.kind.model_fields[field]))

    def _note(self, text: str) -> None:
        self.notes.append(f"{dotted(self.path)}: {text}" if self.path else text)


def _value(entry: Any, key: str) -> Any:
    """What an entry has at a dotted key, or None."""
    for step in key.split("."):
        entry = entry.get(step) if isinstance(entry, Mapping) else getattr(entry, step, None)
    return entry


@cache
def _markers(kind: type[Description]) -> tuple[tuple[str, Follows, frozenset[str]], ...]:
    """Every declaration of a description, with the fields that lead; what is unset comes first.

    For nothing is in proportion to what is unset.
    """
    found = [
        (field, marker, frozenset(key.split(".")[0] for key in marker.keys))
        for field, markers in follows_of(kind).items()
        for marker in markers
    ]
    return tuple(sorted(found, key=lambda rule: ("unset", "in proportion", "kept").index(rule[1].how)))


def _leads(kind: type[Description], field: str) -> Iterator[str]:
    return (key for marker in follows_of(kind)[field] for key in marker.keys)


def _at(table: Any, key: str) -> Any:
    """The value at a dotted key, or None."""
    for step in key.split("."):
        table = table.get(step) if isinstance(table, Table) else None
    return table


@cache
def _field(kind: type[Description], key: str) -> FieldInfo | None:
    """The field that a dotted key of a description leads to; of a mapping's entry, the mapping."""
    first, _, rest = key.partition(".")
    field = kind.model_fields.get(first)
    inner = None if field is None else field.annotation
    if rest and isinstance(inner, type) and issubclass(inner, Description):
        return _field(inner, rest)
    return field


@cache
def _dimension(kind: type[Description], key: str) -> str:
    """That of the same field; "" where it is no quantity."""
    field = _field(kind, key)
    return "" if field is None else dimension_of(field)


def _listed(words: Sequence[str] | dict[str, None]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
