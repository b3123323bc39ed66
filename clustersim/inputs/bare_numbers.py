"""Bare numbers where a quantity is expected: `bandwidth: 400` is refused, with the units that it may be meant in.

In Python a plain number is SI, and so it is in JSON, which `clustersim run --json` writes. What people type needs a
unit: a file in YAML, a value on the command line, an axis of a sweep, an open value of a claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo

from clustersim.errors import Problem
from clustersim.inputs.base import Description
from clustersim.inputs.merging import kind_of, part_of
from clustersim.inputs.plausible import proposed
from clustersim.inputs.renaming import nested
from clustersim.inputs.table import Items, KeyPath, Origin, Table, as_table, dotted
from clustersim.inputs.units import DIMENSIONS, SI_UNITS, dimension_of, has_unit, parse_quantity, shown, si_text


def missing_units(table: Table, section: str, path: KeyPath = (), *, typed: bool = False) -> list[Problem]:
    """What has no unit in a mapping that describes a `section` and was written in a file; `typed`: wherever it is."""
    return [
        Problem(_message(value, field), dotted(place), origin.line, origin.file)
        for place, value, field, origin in _quantities(table, section, path)
        if (typed or _in_yaml(origin)) and _is_bare(value)
    ]


def missing_in(key: str, values: Iterable[Any]) -> list[Problem]:
    """The same for the values that a dotted key of a scenario is given, in a sweep or a claim."""
    tables = [nested(key.split("."), value) for value in values]
    return list(dict.fromkeys(problem for table in tables for problem in missing_units(table, "scenarios", typed=True)))


def with_units(value: Any, section: str) -> Any:
    """A mapping that describes a `section` with every bare number as a quantity: to be written into a file."""
    if not isinstance(value, Table):
        return value
    return Table({key: _with_unit(held, _field_at(section, key), part_of(section, key)) for key, held in value.items()})


def _with_unit(value: Any, field: FieldInfo | None, section: str) -> Any:
    if isinstance(value, list):
        return Items([_with_unit(item, field, section) for item in value])
    if field is None:
        return with_units(value, section)
    if isinstance(value, Table):
        return Table({entry: _with_unit(number, field, section) for entry, number in value.items()})
    return si_text(parse_quantity(value, "ratio"), dimension_of(field)) if _is_bare(value) else value


def axis_with_units(key: str, values: Any) -> Any:
    """The values of an axis of a sweep as files give them."""
    *parts, last = key.split(".")
    section = "scenarios"
    for part in parts:
        section = part_of(section, part)
    return _with_unit(as_table(values), _field_at(section, last), part_of(section, last))


def _field_at(section: str, key: str) -> FieldInfo | None:
    """The field of a key of a section, where it is a quantity."""
    kind = kind_of(section)
    return None if kind is None else _quantity_fields(kind).get(key)


@cache
def _quantity_fields(kind: type[Description]) -> dict[str, FieldInfo]:
    """The fields of a description that need a unit."""
    return {name: field for name, field in kind.model_fields.items() if dimension_of(field) in SI_UNITS}


def _quantities(table: Table, section: str, path: KeyPath) -> Iterator[tuple[KeyPath, Any, FieldInfo, Origin]]:
    """Every value of a mapping that is to be a quantity, with where it is and the field that it is of."""
    kind = kind_of(section)
    measured = {} if kind is None else _quantity_fields(kind)
    for key, value in table.items():
        field, origin, place = measured.get(key), table.origin(key), (*path, key)
        if field is not None:
            for entry, number in value.items() if isinstance(value, Table) else ((None, value),):
                yield (place if entry is None else (*place, entry)), number, field, origin
        else:
            for number, item in enumerate(value) if isinstance(value, list) else ((None, value),):
                if isinstance(item, Table):
                    where = place if number is None else (*place, number)
                    yield from _quantities(item, part_of(section, key), where)


def _in_yaml(origin: Origin) -> bool:
    return bool(origin.file) and not origin.file.lower().endswith(".json")


def _is_bare(value: Any) -> bool:
    """Whether a value is a number without a unit; nothing is nothing in any unit, and what is no number isn't ours."""
    try:
        return not (isinstance(value, str) and has_unit(value)) and parse_quantity(value, "ratio") > 0.0
    except ValueError:
        return False


def _message(value: Any, field: FieldInfo) -> str:
    dimension = dimension_of(field)
    proposals = proposed(parse_quantity(value, "ratio"), field)
    meant = f"Write {' or '.join(f'{chr(34)}{text}{chr(34)}' for text in proposals)}"
    if not proposals:
        meant = DIMENSIONS[dimension].accepted
    return f"{shown(value)} has no unit. {meant}"
