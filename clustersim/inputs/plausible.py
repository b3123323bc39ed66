"""Values that no hardware has had, by four orders of magnitude: a slip of the unit, and refused as one.

A field declares what hardware has had (`Plausible`). `implausible_ok: true` in a scenario plays other values, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic.fields import FieldInfo

from clustersim.inputs.base import Description
from clustersim.inputs.units import DIMENSIONS, SI_UNITS, dimension_of, format_quantity

ORDERS = 1e4
# Units that people leave out, likeliest first.
LEFT_OUT = {
    "bytes": ("GB", "GiB", "TB", "MB", "B"),
    "bytes/s": ("GB/s", "Gb/s", "TB/s", "MB/s", "B/s"),
    "FLOP/s": ("TFLOP/s", "PFLOP/s", "GFLOP/s", "FLOP/s"),
    "s": ("us", "ms", "s"),
    "W": ("W", "kW"),
    "USD/h": ("USD/h",),
    "1/s": ("/1000 d", "/d", "/h"),
}
LONG = {"s": ("s", "min", "h")}  # of what isn't hardware's
PROPOSED = 2


@dataclass(frozen=True)
class Plausible:
    """Marks a quantity with the least and the most, in SI, that hardware of the field has had."""

    low: float
    high: float


def plausible_range(field: FieldInfo) -> Plausible | None:
    """What hardware has had of a field; None where nothing is declared."""
    return next((marker for marker in field.metadata if isinstance(marker, Plausible)), None)


def proposed(value: float, field: FieldInfo) -> list[str]:
    """The likeliest quantities that a bare number of a field may be meant as: such as hardware has had."""
    dimension = dimension_of(field)
    known = plausible_range(field)
    units = LEFT_OUT[dimension] if known is not None else LONG.get(dimension, LEFT_OUT[dimension])
    found = {f"{value:.12g} {unit}": value * DIMENSIONS[dimension].units[unit] for unit in units}
    if known is not None:
        found = {text: si for text, si in found.items() if known.low <= si <= known.high}
    plain = SI_UNITS[dimension]
    return [format_quantity(si, dimension) if text.endswith(f" {plain}") else text for text, si in found.items()][
        :PROPOSED
    ]


def implausible(part: Description) -> Iterator[tuple[str, str]]:
    """The values of a description that no hardware has had, by dotted key, and what is to be said of each."""
    for steps, field, known in _ranges(type(part)):
        value: Any = part
        for step in steps:
            value = getattr(value, step, None)
        for entry, number in value.items() if isinstance(value, dict) else ((None, value),):
            if number and not known.low / ORDERS <= number <= known.high * ORDERS:
                key = ".".join(steps if entry is None else (*steps, entry))
                yield key, _message(number, field, known)


def _message(value: float, field: FieldInfo, known: Plausible) -> str:
    dimension = dimension_of(field)
    low, high = (format_quantity(end, dimension) for end in (known.low, known.high))
    meant = " or ".join(f'"{text}"' for text in proposed(value, field))
    return (
        f"{format_quantity(value, dimension)} is more than {ORDERS:,.0f} times "
        f"{'below' if value < known.low else 'above'} what any hardware has had, {low} to {high}."
        + (f" Is {meant} meant?" if meant else "")
        + " `implausible_ok: true` in the scenario plays it all the same"
    )


@cache
def _ranges(kind: type[Description]) -> tuple[tuple[tuple[str, ...], FieldInfo, Plausible], ...]:
    """Every declared range of a description and of its parts, with the way to it."""
    found: list[tuple[tuple[str, ...], FieldInfo, Plausible]] = []
    for name, field in kind.model_fields.items():
        known = plausible_range(field)
        if known is not None:
            found.append(((name,), field, known))
        for inner in _kinds(field.annotation):
            found += [((name, *steps), held, limits) for steps, held, limits in _ranges(inner)]
    return tuple(found)


def _kinds(annotation: Any) -> list[type[Description]]:
    if isinstance(annotation, type) and issubclass(annotation, Description):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in _kinds(part)]
