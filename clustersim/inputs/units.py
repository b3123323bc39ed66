"""Quantities with units: parsed once at the border, SI floats inside.

from clustersim.inputs.units import SECONDS_A_DAY
A quantity is a string with a unit: `"80 GiB"`, `"200 Gb/s"`, `"353.9 TFLOP/s"`, `"82 %"`, `"14.8T"`; in Python and
JSON it may be a plain number in SI.
GB (1e9) and GiB (2^30) are different units, and so are bits (b) and bytes (B).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from quantiphy import Quantity

SECONDS_A_DAY, SECONDS_AN_HOUR = 86_400.0, 3_600.0
GIB = 2.0**30  # bytes

LARGE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21}
BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": GIB, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60}
BIT = 1 / 8  # bytes

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_QUANTITY = re.compile(rf"(?P<dollar>\$?)\s*(?P<number>{_NUMBER})\s*(?P<unit>[^\d\s.+-].*)?", re.DOTALL)


@dataclass(frozen=True)
class Dimension:
    """What a quantity measures: the units it can be written in, and examples to show to people."""

    name: str
    plain: str  # what a number without a unit means
    units: Mapping[str, float]  # spelling -> SI units
    examples: tuple[str, ...]
    most: float = math.inf

    @property
    def plural(self) -> str:
        """What a unit is a unit of."""
        return f"{self.name}s" if self.name in ("fraction", "ratio", "count") else self.name

    @property
    def accepted(self) -> str:
        """What people may write, in words."""
        plain = "" if self.name in SI_UNITS else f", or a plain number {self.plain}"
        return f"Accepted: {', '.join(self.examples)}{plain}"


# What needs a unit where people write it, and the unit of its SI value; the other dimensions are plain numbers, too.
SI_UNITS = {"bytes": "B", "bytes/s": "B/s", "FLOP/s": "FLOP/s", "s": "s", "W": "W", "USD/h": "USD/h", "1/s": "/s"}


def _prefixed(*units: str, prefixes: Mapping[str, float] = LARGE, scale: float = 1.0) -> dict[str, float]:
    return {prefix + unit: factor * scale for unit in units for prefix, factor in prefixes.items()}


_KILO = {"K": 1e3}  # KB and Kb are in use beside kB and kb
_DECIMAL = LARGE | _KILO
_BYTES = _prefixed("B", prefixes=_DECIMAL | BINARY) | _prefixed("b", "bit", prefixes=_DECIMAL | BINARY, scale=BIT)
_BYTE_RATES = _prefixed("B/s", "Bps", prefixes=_DECIMAL | BINARY) | _prefixed(
    "b/s", "bit/s", "bps", prefixes=_DECIMAL | BINARY, scale=BIT
)
_TIMES = {
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "\N{MICRO SIGN}s": 1e-6,
    "\N{GREEK SMALL LETTER MU}s": 1e-6,
    "ns": 1e-9,
    "min": 60.0,
    "h": SECONDS_AN_HOUR,
    "d": SECONDS_A_DAY,
    "day": SECONDS_A_DAY,
    "days": SECONDS_A_DAY,
}
_RATES = {
    f"/{many}{word}": 1 / (seconds * times)
    for many, times in (("", 1), ("1000 ", 1000), ("1000", 1000))
    for word, seconds in (_TIMES | {"year": 365.25 * SECONDS_A_DAY}).items()
    if seconds >= 1
}


def _money(size: str) -> tuple[str, ...]:
    """How people write an amount of so many thousands, millions, ... of dollars, after the number or around it."""
    return (f"${size}", f"{size} USD", f"{size}USD", *([size] if size else []))


DIMENSIONS = {
    dimension.name: dimension
    for dimension in (
        Dimension("bytes", "of bytes", _BYTES, ('"80 GiB"', '"64 GB"')),
        Dimension("bytes/s", "of bytes a second", _BYTE_RATES, ('"25 GB/s"', '"200 Gb/s"')),
        Dimension(
            "FLOP/s",
            "of FLOP a second",
            _prefixed("FLOP/s", "FLOPS", "FLOPs", "FLOP", "FLOPs/s", prefixes=_DECIMAL),
            ('"312 TFLOP/s"', '"1.5 PFLOP/s"'),
        ),
        Dimension("s", "of seconds", _TIMES, ('"10 us"', '"0.4 ms"', '"2 h"')),
        Dimension("W", "of watts", _prefixed("W", prefixes=LARGE), ('"400 W"', '"1.2 kW"')),
        Dimension(
            "USD/h",
            "of USD an hour",
            dict.fromkeys(("USD/h", "$/h", "USD/hour", "$/hour"), 1.0),
            ('"2.29 USD/h"', '"$2/h"'),
        ),
        Dimension(
            "USD",
            "of USD",
            {word: factor for size, factor in (LARGE | {"B": 1e9}).items() for word in _money(size)},
            ('"5.576e6"', '"$0.27"', '"5.6M USD"'),
        ),
        Dimension("1/s", "of events a second", _RATES, ('"6.5 /1000 d"', '"2e-5 /h"')),
        Dimension("fraction", "from 0 to 1", {"%": 0.01}, ('"82 %"', "0.82"), most=1.0),
        Dimension("ratio", "such as 1.3", {"%": 0.01}, ('"91 %"', '"130 %"')),
        Dimension(
            "count",
            "such as 175e9",
            {unit: factor for unit, factor in (_DECIMAL | {"B": 1e9}).items() if unit},
            ('"14.8T"', '"300B"'),
        ),
    )
}


@dataclass(frozen=True)
class Measures:
    """Marks a type of number as a quantity of a dimension."""

    dimension: str


def dimension_of(field: FieldInfo) -> str:
    """The dimension of a field, of the numbers in it where it is a mapping; "" where it is no quantity."""
    return _dimension_in(field.annotation) or next(filter(None, map(_dimension_in, field.metadata)), "")


def _dimension_in(part: Any) -> str:
    """The dimension that a type, or what stands beside it, is marked with."""
    if isinstance(part, Measures):
        return part.dimension
    parts = (*getattr(part, "__metadata__", ()), *get_args(part))
    return next((found for inner in parts if (found := _dimension_in(inner))), "")


def si_text(value: float, dimension: str) -> str | float:
    """An SI value as files give it: with its unit, digit for digit."""
    return f"{value!r} {SI_UNITS[dimension]}" if dimension in SI_UNITS else value


def parse_quantity(value: object, dimension: str) -> float:
    """The SI value of a number, or of a string with a unit of `dimension` (a key of `DIMENSIONS`).

    Raises ValueError, saying what would be accepted, for a wrong unit, and for what is negative, infinite or no number.
    """
    wanted = DIMENSIONS[dimension]
    if isinstance(value, str):
        number = _parse_text(value, wanted)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = _as_float(value)
    else:
        raise ValueError(f"{shown(value)} is not a quantity. {wanted.accepted}")
    if not math.isfinite(number):
        raise ValueError(f"{shown(value)} is not a finite number. {wanted.accepted}")
    if number < 0:
        raise ValueError(f"{shown(value)} is negative. {wanted.accepted}")
    if number > wanted.most:
        raise ValueError(f"{shown(value)} is more than {wanted.most:g}. {wanted.accepted}")
    return number


def has_unit(text: str) -> bool:
    """Whether a number in a text is followed by something, or stands behind a dollar."""
    match = _QUANTITY.fullmatch(text.strip())
    return match is not None and bool(match["unit"] or match["dollar"])


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _parse_text(text: str, wanted: Dimension) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{shown(text)} is not a quantity. {wanted.accepted}")
    number, unit = match["number"], (match["unit"] or "").strip()
    unit = ("$" if match["dollar"] else "") + unit
    if not unit:
        return float(number)
    if unit in wanted.units:
        return _scaled(number, wanted.units[unit])
    others = [other.plural for other in DIMENSIONS.values() if unit in other.units and other is not wanted]
    what = f"{unit} is a unit of {' or '.join(others)}" if others else f"unknown unit {shown(unit)}"
    raise ValueError(f"{shown(text)}: {what}. {wanted.accepted}")


def _scaled(number: str, factor: float) -> float:
    """The float nearest to number x factor: multiplied in decimal, because 70 x 1e-6 in binary isn't 7e-5."""
    value = float(number)
    if value == 0 or math.isinf(value):
        return value
    return float(Decimal(number) * Decimal(repr(factor) if factor < 1 else factor))


def shown(value: object, limit: int = 60) -> str:
    """A value as error messages print it: as YAML would, strings in double quotes, long ones cut."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def format_quantity(value: float, dimension: str) -> str:
    """A quantity for people, in four digits: `353.9 TFLOP/s`, `80 GiB`, `54 days`, `82 %`."""
    if not math.isfinite(value):
        return str(value)
    if dimension in ("fraction", "ratio"):
        return f"{100 * value:.4g} %"
    if dimension == "USD/h":
        return f"{value:.4g} USD/h"
    if dimension == "1/s":
        a_day = value * SECONDS_A_DAY
        return f"{a_day:.4g} /d" if a_day >= 1 else f"{1000 * a_day:.4g} /1000 d"
    if dimension == "s":
        for unit, seconds, least in (
            ("days", SECONDS_A_DAY, 2 * SECONDS_A_DAY),
            ("h", 3600.0, 7200.0),
            ("min", 60.0, 600.0),
        ):
            if value >= least:
                return f"{value / seconds:.4g} {unit}"
    unit = {"bytes": "B", "bytes/s": "B/s", "count": ""}.get(dimension, dimension)
    quantity = _quantity_class("mun" if dimension == "s" else "ZEPTGMk")(value, unit)
    return str(quantity.binary(prec=3) if dimension == "bytes" else quantity.render(prec=3))


@cache
def _quantity_class(prefixes: str) -> type[Quantity]:
    """quantiphy's Quantity with these prefixes alone; imported when something is printed, not before."""
    from quantiphy import Quantity

    class Readable(Quantity):
        pass

    Readable.set_prefs(output_sf=prefixes)
    return Readable


def _validate(value: Any, dimension: str) -> float:
    try:
        return parse_quantity(value, dimension)
    except ValueError as error:
        raise PydanticCustomError("quantity", "{message}", {"message": str(error)}) from None


def _annotations(name: str) -> tuple[BeforeValidator, WithJsonSchema, Measures]:
    """What turns `Annotated[float, ...]` into the quantity `name`: how it is read, and how the schema describes it."""
    dimension = DIMENSIONS[name]
    number = {"type": "number", "minimum": 0} | ({"maximum": dimension.most} if dimension.most < math.inf else {})
    schema = {
        "anyOf": [number, {"type": "string"}],
        "description": f"{dimension.accepted}.",
        "examples": [example.strip('"') for example in dimension.examples],
    }
    return BeforeValidator(partial(_validate, dimension=name)), WithJsonSchema(schema), Measures(name)


Bytes = Annotated[float, *_annotations("bytes")]
BytesPerSecond = Annotated[float, *_annotations("bytes/s")]
FlopsPerSecond = Annotated[float, *_annotations("FLOP/s")]
Rate = Annotated[float, *_annotations("1/s")]
Seconds = Annotated[float, *_annotations("s")]
Watts = Annotated[float, *_annotations("W")]
DollarsPerHour = Annotated[float, *_annotations("USD/h")]
Fraction = Annotated[float, *_annotations("fraction")]
Ratio = Annotated[float, *_annotations("ratio")]
Count = Annotated[float, *_annotations("count")]
