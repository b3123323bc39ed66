from __future__ import annotations

import math
import time
from typing import Any

import pytest
import yaml

from clustersim.errors import Problem
from clustersim.inputs import yaml as ours
from clustersim.inputs.table import Items, Origin, Table, as_plain, as_table, dotted, locate
from clustersim.inputs.yaml import read_scalar, read_yaml


def read(text: str) -> tuple[Any, list[Problem]]:
    problems: list[Problem] = []
    return read_yaml(text, "f.yaml", problems), problems


def value_of(text: str) -> Any:
    document, problems = read(f"key: {text}")
    assert problems == []
    return document["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("989e12", 989e12),
        ("1e5", 1e5),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("012", 12),
        ("-7", -7),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("2025-04-28", "2025-04-28"),
        ("1_000", "1_000"),
        ("80 GiB", "80 GiB"),
        ('"12"', "12"),
        ("'true'", "true"),
        (".inf", math.inf),
        ("-.inf", -math.inf),
    ],
)
def test_scalars_mean_what_people_mean(text: str, value: object) -> None:
    read_value = value_of(text)
    assert read_value == value
    assert type(read_value) is type(value)


def test_nan_is_a_float_and_absurd_numbers_stay_harmless() -> None:
    assert math.isnan(value_of(".nan"))
    assert read_scalar("9" * 400) == int("9" * 400)
    assert read_scalar("9" * 5000) == math.inf


def test_every_key_and_item_knows_its_line() -> None:
    document, problems = read("a: 1\nb:\n  c: {d: 2,\n    e: 3}\n  list:\n    - 4\n    - f: 5\n")
    assert problems == []
    assert as_plain(document) == {"a": 1, "b": {"c": {"d": 2, "e": 3}, "list": [4, {"f": 5}]}}
    lines = {
        dotted(path): locate(document, path).line
        for path in [("a",), ("b",), ("b", "c", "d"), ("b", "c", "e"), ("b", "list", 0), ("b", "list", 1, "f")]
    }
    assert lines == {"a": 1, "b": 2, "b.c.d": 3, "b.c.e": 4, "b.list[0]": 6, "b.list[1].f": 7}
    assert locate(document, ("b", "absent", "deeper")) == Origin("f.yaml", 2)
    assert locate(document, ("absent",)) == Origin()


def test_keys_are_text_whatever_they_look_like() -> None:
    document, problems = read("8: a\ntrue: b\n~: c\n")
    assert problems == []
    assert as_plain(document) == {"8": "a", "true": "b", "~": "c"}


def test_anchors_and_aliases_are_read() -> None:
    document, problems = read("a: &x {b: 1}\nc: *x\nd: &y 5\ne: *y\n")
    assert problems == []
    assert as_plain(document) == {"a": {"b": 1}, "c": {"b": 1}, "d": 5, "e": 5}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "stands on line 1 already"),
        ("a: !!python/object:os.system {}\n", 1, "tag"),
        ("a: 1\nb: !!str 5\n", 2, "tag"),
        ("a: ! 5\n", 1, "tag"),
        ("a: {b: 1}\nc:\n  <<: {d: 1}\n", 3, "extends"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\n{b: 1}: 2\n", 2, "plain word"),
        ("a: &x\n  b: *x\n", 2, "*x names nothing that is complete"),
        ("a: *nowhere\n", 1, "*nowhere"),
        ("a: [1, 2\nb: 3\n", 2, "not valid YAML"),
        ("a: b: c\n", 1, "not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
    ],
)
def test_refuses_with_the_line(text: str, line: int, message: str) -> None:
    _, problems = read(text)
    assert [problem.line for problem in problems] == [line]
    assert message in problems[0].message
    assert problems[0].file == "f.yaml"


def test_one_bad_key_does_not_hide_the_next() -> None:
    document, problems = read("a: 1\na: 2\nb: {c: 1, c: 2}\nd: !x 3\n")
    assert [(problem.key, problem.line) for problem in problems] == [("a", 2), ("b.c", 3), ("", 4)]
    assert as_plain(document) == {"a": 1, "b": {"c": 1}, "d": 3}


def test_control_characters_are_a_message() -> None:
    _, problems = read("a: 1\nb: \x07\n")
    assert (problems[0].line, problems[0].message) == (2, "not valid YAML: control characters are not allowed")


def test_bombs_cost_a_message() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    started = time.perf_counter()
    for text in ("\n".join(rows), "[" * 100_000, "- " * 100_000, "{a: " * 100_000, "a: " + "x" * 3_000_000):
        _, problems = read(text)
        assert len(problems) == 1
    assert time.perf_counter() - started < 5


def test_too_many_values() -> None:
    _, problems = read("[" + "1," * 200_001 + "]")
    assert "more than 200,000 values" in problems[0].message


def test_empty_document_is_none() -> None:
    assert read("# nothing\n") == (None, [])
    assert read("5") == (5, [])


def test_the_python_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: 1\nb:\n  c: {d: no, e: 989e12}\n  f: [1:30, 012]\n"
    fast, _ = read(text)
    monkeypatch.setattr(ours, "_PARSER", yaml.SafeLoader)
    slow, problems = read(text)
    assert problems == []
    assert as_plain(fast) == as_plain(slow)
    assert locate(slow, ("b", "f", 1)) == locate(fast, ("b", "f", 1))


def test_tables_are_not_changed_but_made_anew() -> None:
    table = Table({"a": 1, "b": 2}, {"a": Origin("f", 1), "b": Origin("f", 2)})
    changed = table.with_entry("a", 3).without("b")
    assert (dict(table), dict(changed)) == ({"a": 1, "b": 2}, {"a": 3})
    assert changed.origin("a") == Origin("f", 1)


def test_plain_values_become_tables() -> None:
    table = as_table({"a": {1: (2, {"b": 3})}})
    assert isinstance(table["a"], Table)
    assert as_plain(table) == {"a": {"1": [2, {"b": 3}]}}
    assert as_table(table) is table
    assert as_table(Items([1])) == [1]
    endless: dict[str, Any] = {}
    endless["self"] = endless
    with pytest.raises(ValueError, match="nested more than 50 deep"):
        as_table(endless)
