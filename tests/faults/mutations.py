"""Things done to documents, tables, logs and words so that they are wrong in the ways of people and of enemies."""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Callable
from typing import Any

import yaml
from faults.hostile import EVIL

Path = tuple[Any, ...]

SIZES = [0, -1, 1, 2, 3, 7, 255, 10**6, 10**9, 2**31, 2**63, 2**64, 10**20, 10**150, 10**308, 10**399, 10**4000]
FLOATS = [0.0, -0.0, -1.5, 1e-320, 1e-300, 1e-9, 0.1, 0.5, 0.999999, 1.0000001, 1e9, 1e18, 1e150, 1e300, 1.7e308]
NO_NUMBERS = [float("inf"), float("-inf"), float("nan")]
WORDS = [
    "", " ", "x", "auto", "search", "none", "null", "true", "~", "full", "best", "1..8", "1..999999999999", "1..1e9",
    "0..0", "5..1", "1..1000000", "1..4 x1", "1..1000000000000 x2", "80 GiB", "25 GB/s", "-3 us", "1e999 W", "110 %",
    "1e-400 s", "1e150T", "99999999999 days", "9 parsecs", "0x10", "0o7", "1_000", "1.2.3", "١٢٣", "1e5", "½", "²",
    "é☃\u2028", "a\0b", "../..", "/dev/zero", "/dev/null.yaml", "/proc/self/mem.yaml", "~/x.json", "https://a.b/c.yaml",
    "x" * 3000, "9" * 5000, "1." + "0" * 5000, "tensor ** 99", "(" * 100, "tensor " * 60, EVIL, "=1+1", "{{7*7}}",
    "%s%n",
]  # fmt: skip
SHAPES: list[Callable[[], Any]] = [
    lambda: None, lambda: True, list, dict, lambda: [[]], lambda: [None], lambda: {"": ""}, lambda: {1: 2},
    lambda: {"value": 3, "source": "s"}, lambda: {"extends": "x"}, lambda: {"extends": ["x"]}, lambda: [1, "two", None],
    lambda: list(range(2000)), lambda: nested(40), lambda: nested(400), lambda: dict.fromkeys(map(str, range(500)), 1),
    lambda: ["1..1000000"] * 60, lambda: {"layers": 10**9}, lambda: [10**9] * 3,
]  # fmt: skip


def nested(depth: int) -> Any:
    value: Any = 1
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


def odd(draw: random.Random) -> Any:
    """Any value that nobody should have written."""
    kind = draw.randrange(5)
    if kind == 0:
        return draw.choice(SIZES)
    if kind == 1:
        return draw.choice([*FLOATS, *NO_NUMBERS])
    return draw.choice(WORDS) if kind < 4 else draw.choice(SHAPES)()


def places(value: Any, path: Path = ()) -> list[Path]:
    """The way to every entry of a document."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in entries for place in ((*path, key), *places(item, (*path, key)))]


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def _holder(document: Any, path: Path) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
EXTREME = [
    "0",
    "1e-320",
    "1e-30",
    "1e-9",
    "0.5",
    "1",
    "2",
    "3",
    "1e3",
    "1e9",
    "1e18",
    "1e30",
    "1e150",
    "1e300",
    "1e308",
]


def stretched(value: Any, draw: random.Random) -> Any:
    """The same kind of value, so that it is often accepted, at the ends of what it can be."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice([0, 1, 2, 4, 8, 16, value * 2, value // 2, value * 10**3, value * 10**6, value * 10**12])
    if isinstance(value, float):
        return draw.choice([*FLOATS, value * 2, value / 2])
    if isinstance(value, str) and NUMBER.search(value):
        return NUMBER.sub(draw.choice(EXTREME), value, count=1)
    return value


def change(document: Any, draw: random.Random) -> None:
    """One entry dropped, renamed, replaced, scaled, wrapped, garbled, or put where another stands."""
    path = draw.choice(places(document))
    parent, key = _holder(document, path), path[-1]
    value = parent[key]
    what = draw.randrange(16)
    if what > 8:
        parent[key] = stretched(value, draw)
    elif what == 0:
        del parent[key]
    elif what == 1 and isinstance(parent, dict):
        parent[draw.choice([key + "s", key.upper(), "", "extends", 5, None, EVIL, "tensor"])] = parent.pop(key)
    elif what == 2 and isinstance(value, (int, float)):
        parent[key] = draw.choice([-value, value + 1, value * 1e9, value * 10**9, value / 3, str(value), 0 * value])
    elif what == 3 and isinstance(value, str):
        cut = draw.randrange(len(value) + 1)
        parent[key] = draw.choice(
            [value[:cut] + draw.choice(WORDS) + value[cut:], value[:cut], value * 50, value[::-1]]
        )
    elif what == 4:
        parent[key] = draw.choice([[value], {"value": value}, {key: value}, [value] * 3, [value] * 300])
    elif what == 5:
        other = draw.choice(places(document))
        parent[key] = copied(_holder(document, other)[other[-1]])
    else:
        parent[key] = odd(draw)


def changed(document: Any, draw: random.Random) -> Any:
    """A copy with one to four such changes."""
    made = copied(document)
    for _ in range(draw.choice([1, 1, 1, 2, 2, 4])):
        if places(made):
            change(made, draw)
    return made


def as_yaml(document: Any, draw: random.Random) -> str:
    """The document as a file, once in a while torn as text."""
    text = yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
    return torn(text, draw) if draw.random() < 0.2 else text


LINES = [
    "tensor: 4", "  - 1", "\tx: 1", "? [a]", "---", "%YAML 1.1", "!!python/object/apply:os.system [ls]", "a: &a [*a]",
    "<<: *b", "*x", "'", '"\\x00"', "{{{{", "]", "x: |", "@", "\x07", "~: ~", "- " * 60 + "x", "[" * 5000,
    "{a: " * 2000,
    "&a [" * 30, "x: " + "[1]," * 3000, "a: &a [1,1,1,1]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c,*c]",
]  # fmt: skip


def torn(text: str, draw: random.Random) -> str:
    """A text with bytes or lines dropped, doubled, swapped, cut or put in."""
    lines = text.splitlines()
    for _ in range(draw.choice([1, 1, 2, 3])):
        at = draw.randrange(len(lines) + 1)
        what = draw.randrange(6)
        if what == 0:
            lines[at:at] = [draw.choice(LINES)]
        elif what == 1:
            del lines[at : at + draw.choice([1, 1, 5])]
        elif what == 2:
            lines[at:at] = lines[max(0, at - 2) : at] * draw.choice([1, 2, 20])
        elif what == 3 and at < len(lines):
            lines[at] = lines[at][: draw.randrange(len(lines[at]) + 1)]
        elif what == 4 and at < len(lines):
            cut = draw.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:cut] + draw.choice(WORDS) + lines[at][cut:]
        elif at < len(lines):
            lines[at] = f"  {lines[at]}"
    return "\n".join(lines) + draw.choice(["\n", "", "\0", "\n" * 50])


def changed_table(columns: list[str], rows: list[dict[str, str]], draw: random.Random) -> str:
    """A CSV file whose cells, columns or quotes are wrong."""
    columns, rows = list(columns), [dict(row) for row in rows]
    for _ in range(draw.choice([1, 1, 2, 3, 6])):
        what = draw.randrange(8)
        column = draw.choice(columns)
        if what == 0 and len(columns) > 1:
            columns.remove(column)
        elif what == 1:
            columns.insert(draw.randrange(len(columns)), draw.choice([column, "", "new", EVIL]))
        else:
            row = draw.choice(rows)
            given = [name for name in columns if row.get(name)]
            column = draw.choice(given or columns)
            row[column] = str(draw.choice([odd(draw), odd(draw), row.get(draw.choice(columns), "")]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", restval="")
    writer.writerow(dict(zip(columns, columns, strict=True)))
    writer.writerows(rows)
    return torn(text.getvalue(), draw) if draw.random() < 0.2 else text.getvalue()


NAMES = ["tensor", "pipeline", "data", "context", "schedule", "micro_batch", "recompute", "model.layers", "x", "True"]
PIECES = [
    "and", "or", "not", "in", "+", "-", "*", "/", "//", "%", "**", "<", "<=", "==", "!=", "(", ")", "[", "]", ",",
    "'a'",
    '"gpipe"', "1", "0", "0.0", "-1", "1e308", "1e999", "9" * 300, "if", "else", "lambda", ":", "tensor.x", "None",
    "...",
    "(1, 2)", "f'{1}'", "b'x'", "1j", "not not", "\\", "\n", "\0", "¬", "is", ":=", "await", "x[0]", "tensor()",
]  # fmt: skip


def condition(draw: random.Random) -> str:
    """A condition on a layout, or something like one."""
    if draw.random() < 0.5:
        return _truth(draw, 3)
    words = _truth(draw, 1).split()
    for _ in range(draw.randrange(1, 5)):
        words.insert(draw.randrange(len(words) + 1), draw.choice([*NAMES, *PIECES]))
    return " ".join(words)


def _truth(draw: random.Random, depth: int) -> str:
    what = draw.randrange(5) if depth else 4
    if what == 0:
        return f"({_truth(draw, depth - 1)} {draw.choice(['and', 'or'])} {_truth(draw, depth - 1)})"
    if what == 1:
        return f"not ({_truth(draw, depth - 1)})"
    if what == 2:
        choices = ", ".join(_amount(draw, 1) for _ in range(draw.randrange(0, 4)))
        return f"{_amount(draw, depth)} {draw.choice(['in', 'not in'])} ({choices},)"
    return f"{_amount(draw, depth)} {draw.choice(['<', '<=', '==', '!=', '>', '>='])} {_amount(draw, depth)}"


def _amount(draw: random.Random, depth: int) -> str:
    if depth and draw.random() < 0.5:
        sign = draw.choice(["+", "-", "*", "/", "//", "%"])
        return f"({_amount(draw, depth - 1)} {sign} {_amount(draw, depth - 1)})"
    return draw.choice(
        [*NAMES[:7], "1", "0", "64", "0.5", "1e308", "1e999", "9" * 30, "9" * 400, "'gpipe'", "True", "-1"]
    )
