"""What a figure shows, before it is drawn: rows of results as lines with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from clustersim.errors import InputError, Problem
from clustersim.inputs.base import MOST_NUMBER
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.sweep import FigureSpec
from clustersim.inputs.units import shown
from clustersim.studies.measured.above_published import row_above_published
from clustersim.views.columns import COLUMNS, Cell, numbers

Rows = Sequence[Mapping[str, Cell]]

MOST_LINES = 8  # colours that stay apart
COMPARED = ("mfu", "mfu_causal")  # what published runs are held against
NICEST = ("accelerator", "model")  # columns to tell lines apart by, before those that varied


@dataclass(frozen=True)
class Line:
    """Points of one group, by x. `low` and `high` are the 80 % interval, where the results have one."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    above: tuple[int, ...] = ()  # places of points above every published run of their chip and kind of model

    def scaled(self, along: float, up: float) -> Line:
        """The same in other units."""
        x, y, low, high = (
            None if values is None else tuple(value * scale for value in values)
            for values, scale in ((self.x, along), (self.y, up), (self.low, up), (self.high, up))
        )
        return Line(self.label, x or (), y or (), low, high, self.above)


@dataclass(frozen=True)
class Curves:
    """A figure's data: lines over a numeric x, or over named categories."""

    lines: tuple[Line, ...]
    by: tuple[str, ...]
    categories: tuple[str, ...] = ()  # the names at x = 0, 1, 2 ... where x is words
    misfits: tuple[Line, ...] = ()  # points that don't fit in memory, of the lines that they would be on
    absent: tuple[str, ...] = ()  # lines of which no finished point has a value


def curves_of(rows: Rows, keys: Sequence[str], spec: FigureSpec) -> Curves:
    """The lines of a figure. Without `by`, the fewest columns that leave one point an x in each line are found.

    Points that are not done are left out. Raises InputError for an unknown column, when nothing is left to draw, and
    when several points of a line share an x.
    """
    _check_columns(rows, {"x": spec.x, "y": spec.y, "by": spec.by}, spec.where)
    drawn = picked(rows, spec.x, spec.y, spec.where)
    y = _numeric(spec.y, drawn)
    places, categories = places_of(spec.x, drawn)
    by = (spec.by,) if spec.by else groups_of(drawn, places, keys, spec)
    lines = _lines(drawn, places, y, by, spec)
    misfits = _misfits(rows, spec, by, categories)
    known = {line.label for line in (*lines, *misfits)}
    absent = [label for row in rows if _chosen(row, spec.where) and (label := label_of(row, by)) not in known]
    return Curves(lines, by, categories, misfits, tuple(dict.fromkeys(absent)))


def _misfits(rows: Rows, spec: FigureSpec, by: Sequence[str], categories: tuple[str, ...]) -> tuple[Line, ...]:
    """Points that are predicted, but don't fit in memory: a line without order for each group."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.get("status") != "infeasible" or not _chosen(row, spec.where):
            continue
        y = _single(spec.y, row.get(spec.y))
        name = str(row.get(spec.x))
        x = float(categories.index(name)) if name in categories else None
        x = x if categories else _single(spec.x, row.get(spec.x))
        if x is not None and y is not None:
            found.setdefault(label_of(row, by), []).append((x, y))
    return tuple(
        Line(label, tuple(x for x, _ in points), tuple(y for _, y in points)) for label, points in found.items()
    )


def _single(name: str, cell: Cell) -> float | None:
    """The number of a cell; None where it holds none that an axis reaches."""
    found = numbers(name, [cell])
    value = found[0] if found else None
    return value if value is not None and abs(value) <= MOST_NUMBER else None


def picked(rows: Rows, x: str, y: str, where: Mapping[str, Cell]) -> list[Mapping[str, Cell]]:
    """The finished points that have both columns and the values asked for. Raises InputError where there is none."""
    _check_columns(rows, {"x": x, "y": y}, where)
    drawn = [row for row in rows if row.get("status", "done") == "done" and _chosen(row, where)]
    drawn = [row for row in drawn if row.get(x) not in (None, "") and row.get(y) not in (None, "")]
    if not drawn:
        raise InputError("plot", [Problem(f"no finished point has both {x} and {y}", "rows")])
    return drawn


def places_of(name: str, rows: Rows) -> tuple[list[float], tuple[str, ...]]:
    """Where each row stands along x; and the names at 0, 1, 2 ... where the column holds words."""
    found = numbers(name, [row[name] for row in rows])
    if found is not None:
        _check_drawable(name, found)
        return [place for place in found if place is not None], ()
    names = tuple(dict.fromkeys(str(row[name]) for row in rows))
    return [float(names.index(str(row[name]))) for row in rows], names


def _check_columns(rows: Rows, wanted: Mapping[str, str | None], where: Mapping[str, Cell]) -> None:
    known = list(dict.fromkeys(column for row in rows for column in row))
    problems = [
        Problem(f"no column {shown(name)} in the results{did_you_mean(name, known)}", option)
        for option, name in [*wanted.items(), *(("where", key) for key in where)]
        if name is not None and name not in known
    ]
    if problems:
        raise InputError("plot", problems)


def _chosen(row: Mapping[str, Cell], where: Mapping[str, Cell]) -> bool:
    """Whether a row has the values asked for; 16 and "16" are the same."""
    return all(_word(row.get(key)) == _word(value) for key, value in where.items())


def _word(cell: Cell) -> str:
    text = str(cell).strip()
    try:
        return repr(float(text))
    except ValueError:
        return text.lower()


def _check_drawable(name: str, values: Iterable[float | None]) -> None:
    """Raise InputError for numbers that no axis reaches."""
    beyond = next((value for value in values if value is not None and abs(value) > MOST_NUMBER), None)
    if beyond is not None:
        raise InputError("plot", [Problem(f"{name} holds {beyond:g}; at most {MOST_NUMBER:g} is drawn", "rows")])


def _numeric(name: str, rows: Rows) -> list[float]:
    found = numbers(name, [row[name] for row in rows])
    _check_drawable(name, found or ())
    if found is None:
        raise InputError("plot", [Problem(f"the column {name} holds words, not numbers", "y")])
    return [value for value in found if value is not None]


def groups_of(rows: Rows, x: Sequence[float], keys: Sequence[str], spec: FigureSpec) -> tuple[str, ...]:
    """The columns that make the lines: as few as leave one point an x, then as few lines as possible."""
    taken = {spec.x, spec.y}
    candidates = [name for name in dict.fromkeys((*NICEST, *keys)) if name not in taken and name in rows[0]]
    candidates = [name for name in candidates if len({_word(row.get(name)) for row in rows}) > 1]
    for size in range(len(candidates) + 1):
        fitting = [chosen for chosen in combinations(candidates, size) if not _shared(rows, x, chosen)]
        if fitting:
            return min(fitting, key=lambda chosen: len({label_of(row, chosen) for row in rows}))
    return tuple(candidates)


def _shared(rows: Rows, x: Sequence[float], by: Sequence[str]) -> list[Mapping[str, Cell]]:
    """The first rows that share an x and a line."""
    seen: dict[tuple[object, ...], Mapping[str, Cell]] = {}
    for row, place in zip(rows, x, strict=True):
        spot = (place, *(_word(row.get(name)) for name in by))
        if spot in seen:
            return [seen[spot], row]
        seen[spot] = row
    return []


def label_of(row: Mapping[str, Cell], by: Iterable[str]) -> str:
    """What a line is called: the value where it speaks for itself, `micro-batch 4` where it is a number."""
    words = []
    for name in by:
        value = str(row.get(name))
        speaks = numbers(name, [row.get(name)]) is None and value.lower() not in ("true", "false")
        what = COLUMNS[name].label.split(" (")[0] if name in COLUMNS else name.split(".")[-1].replace("_", " ")
        words.append(value if speaks else f"{what} {value}")
    return ", ".join(words)


def _lines(rows: Rows, x: Sequence[float], y: Sequence[float], by: Sequence[str], spec: FigureSpec) -> tuple[Line, ...]:
    clash = _shared(rows, x, by)
    if clash:
        differ = [key for key in clash[0] if key in clash[1] and "." in key and clash[0][key] != clash[1][key]]
        remedy = f"They differ in {', '.join(differ)}: " if differ else ""
        message = f"several points share {spec.x} = {clash[0][spec.x]}. {remedy}choose with --by or --where"
        raise InputError("plot", [Problem(message, "by")])
    groups: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(label_of(row, by), []).append(number)
    if len(groups) > MOST_LINES:
        message = f"{len(groups)} lines are too many to tell apart ({MOST_LINES} at most): choose with --by or --where"
        raise InputError("plot", [Problem(message, "by")])
    lines = []
    for label, members in groups.items():
        members.sort(key=lambda number: x[number])
        low, high = (_bound(rows, members, f"{spec.y}_{side}_80") for side in ("low", "high"))
        along, up = (tuple(values[number] for number in members) for values in (x, y))
        inside = low and high and all(a <= y <= b for a, y, b in zip(low, up, high, strict=True))
        above = [row_above_published(rows[number]) is not None for number in members] if spec.y in COMPARED else []
        places = tuple(place for place, is_above in enumerate(above) if is_above)
        lines.append(Line(label, along, up, *((low, high) if inside else (None, None)), places))
    return tuple(lines)


def _bound(rows: Rows, members: Sequence[int], column: str) -> tuple[float, ...] | None:
    found = numbers(column, [rows[number].get(column) for number in members])
    values = [value for value in found or [] if value is not None and abs(value) <= MOST_NUMBER]
    return tuple(values) if len(values) == len(members) else None
