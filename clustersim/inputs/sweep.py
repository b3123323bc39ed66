"""Sweeps: a base scenario, what varies over it, and the figures to draw of the results."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import Field, PositiveInt, field_validator

from clustersim.errors import Problem
from clustersim.inputs.base import Description, refusal
from clustersim.inputs.units import shown

MOST_POINTS = 1_000_000
SEED = "seed"  # the key that `seeds` varies

_RANGE = re.compile(r"(?P<first>\d{1,18})\.\.(?P<last>\d{1,18})(?:\s*(?P<how>x|step)\s*(?P<by>\d{1,18}))?")


class FigureSpec(Description):
    """A utilization curve, or any column of the results against any other."""

    x: Annotated[str, Field(description="column along the horizontal axis")]
    y: Annotated[str, Field(description="column along the vertical axis")]
    by: Annotated[str | None, Field(description="column that makes the lines; found if absent")] = None
    where: Annotated[dict[str, Any], Field(description="columns with the value that drawn points have")] = {}
    log_x: Annotated[bool | None, Field(description="powers of two along x; found if absent")] = None
    log_y: Annotated[bool, Field(description="a logarithmic vertical axis, which then doesn't begin at zero")] = False
    title: Annotated[str, Field(description="above the figure")] = ""
    name: Annotated[str | None, Field(pattern=r"^[\w.-]+$", description="of its files; y_against_x if absent")] = None
    published: Annotated[
        tuple[str, ...], Field(strict=False, description="published series to draw beside: ids of catalog/records")
    ] = ()

    @property
    def stem(self) -> str:
        """The name of its files, without suffix."""
        by = f"_by_{self.by}" if self.by else ""
        return self.name or re.sub(r"[^\w.-]", "_", f"{self.y}_against_{self.x}{by}")


class Sweep(Description):
    """All combinations of `points`, for each row of `zip`, for each seed, laid over a base scenario."""

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$", description="of the results' folder")]
    base: Annotated[str | dict[str, Any], Field(description="a scenario: name, path or mapping")]
    points: Annotated[
        dict[str, Any],
        Field(description='dotted scenario keys with a list of values, or a range: "1..8", "16..1024 x2"'),
    ] = {}
    zip: Annotated[dict[str, Any], Field(description="the same, but all lists advance together")] = {}
    seeds: Annotated[PositiveInt, Field(description="every point with so many seeds, from the base's on")] = 1
    figures: Annotated[tuple[FigureSpec, ...], Field(strict=False, description="drawn when the sweep ends")] = ()

    @field_validator("points", "zip")
    @classmethod
    def _axes_have_values(cls, axes: dict[str, Any]) -> dict[str, Any]:
        for key, value in axes.items():
            if not axis_length(value):
                raise refusal(f"{key} has no values. Give a list, or a range such as 1..8 or 16..1024 x2")
        return axes

    def problems(self) -> list[Problem]:
        """What is wrong between its parts."""
        found = [Problem("stands in points and in zip", key) for key in self.points if key in self.zip]
        lengths = {key: axis_length(value) for key, value in self.zip.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{key} {count}" for key, count in lengths.items())
            found.append(Problem(f"the lists differ in length: {told}", "zip"))
        if self.count > MOST_POINTS:
            many = f"{self.count:,}" if self.count < 10**15 else f"some 10^{math.log10(self.count):.0f}"
            found.append(Problem(f"{many} points; a sweep has at most {MOST_POINTS:,}", "points"))
        return found

    @property
    def count(self) -> int:
        """How many points it has."""
        rows = max((axis_length(value) for value in self.zip.values()), default=1)
        return math.prod(axis_length(value) for value in self.points.values()) * rows * self.seeds

    @property
    def keys(self) -> tuple[str, ...]:
        """The dotted keys that vary, as columns of the results."""
        return (*self.zip, *self.points, *([SEED] if self.seeds > 1 else []))

    def expand(self, seed: int = 0) -> Iterator[dict[str, Any]]:
        """The values of every point in order: rows of `zip`, then `points` with the last key fastest, then seeds."""
        rows = zip(*map(axis_values, self.zip.values()), strict=True) if self.zip else [()]
        for row in rows:
            for combination in product(*map(axis_values, self.points.values())):
                values = dict(zip((*self.zip, *self.points), (*row, *combination), strict=True))
                for number in range(self.seeds):
                    yield values | ({SEED: seed + number} if self.seeds > 1 else {})


def axis_values(value: Any) -> list[Any]:
    """The values of one axis: a list, whose ranges are written out, a range or a single value."""
    return [found for item in _items(value) for found in _written_out(item)]


def axis_length(value: Any) -> int:
    """How many values an axis has, none of them written out. Raises where they are more than a sweep has points."""
    length = sum(len(_written_out(item)) for item in _items(value))
    if length > MOST_POINTS:
        raise refusal(f"{length:,} values; a sweep has at most {MOST_POINTS:,} points")
    return length


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _written_out(item: Any) -> Sequence[Any]:
    match = _RANGE.fullmatch(item.strip()) if isinstance(item, str) else None
    if match is None:
        return [item]
    first, last, by = int(match["first"]), int(match["last"]), int(match["by"] or 1)
    doubles = match["how"] == "x"
    if by < (2 if doubles else 1) or (doubles and first < 1):
        raise refusal(f"the range {shown(item)} never ends")
    if not doubles:
        return range(first, last + 1, by)
    values = []
    while first <= last:
        values.append(first)
        first *= by
    return values


def is_sweep(document: Mapping[str, Any]) -> bool:
    """Whether a document is a sweep, and not a scenario."""
    return bool({"base", "points", "zip", "figures"} & set(document))
