from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveInt

from clustersim.errors import InputError, Problem
from clustersim.inputs.base import Description
from clustersim.inputs.layout import Layout
from clustersim.inputs.problems import described, did_you_mean, in_file, read_as
from clustersim.inputs.table import Table, as_table
from clustersim.inputs.units import Bytes
from clustersim.inputs.yaml import read_yaml


class Inner(Description):
    size: Annotated[Bytes, Field(gt=0, description="bytes of it")]
    count: PositiveInt = 1
    ratio: Annotated[float, Field(ge=0.5, lt=2)] = 1.0


class Outer(Description):
    name: Annotated[str, Field(min_length=2)]
    inner: Annotated[Inner, Field(description="what is inside")]
    flag: bool = False
    mode: Literal["fast", "slow"] = "fast"
    many: Annotated[tuple[Inner, ...], Field(strict=False, min_length=1)] | None = None
    peaks: dict[Literal["bf16", "fp8"], float] = {}
    either: Inner | Literal["none"] | PositiveInt = "none"


def complaints(text: str, kind: type[Description] = Outer) -> dict[str, tuple[int | None, str]]:
    problems: list[Problem] = []
    document = read_yaml(text, "f.yaml", problems)
    assert isinstance(document, Table)
    assert described(kind, document, problems) is None
    assert all(problem.file == "f.yaml" or problem.line is None for problem in problems)
    assert len({problem.key for problem in problems}) == len(problems), "one sentence a key"
    return {problem.key: (problem.line, problem.message) for problem in problems}


def test_every_error_of_a_file_with_line_and_remedy() -> None:
    found = complaints(
        "name: x\n"
        "inner:\n"
        "  size: 5 GB/s\n"
        "  cuont: 2\n"
        "  ratio: 2.5\n"
        "flag: yes\n"
        "mode: fats\n"
        "many:\n"
        "  - {size: 1 GB, count: 1.5}\n"
        "  - count: 2\n"
        "peaks: {bf61: 1.0, fp8: quick}\n"
        "entirely: different\n"
    )
    assert found == {
        "name": (1, 'expected at least 2 characters; got "x"'),
        "inner.size": (
            3,
            '"5 GB/s": GB/s is a unit of bytes/s. Accepted: "80 GiB", "64 GB"',
        ),
        "inner.cuont": (4, "unknown key. Did you mean count?"),
        "inner.ratio": (5, "expected less than 2; got 2.5"),
        "flag": (6, 'expected true or false; got "yes"'),
        "mode": (7, 'expected one of fast, slow; got "fats". Did you mean fast?'),
        "many[0].count": (9, "expected a whole number; got 1.5"),
        "many[1].size": (10, "required, but absent: bytes of it"),
        "peaks.bf61": (11, "unknown key. Did you mean bf16?"),
        "peaks.fp8": (11, 'expected a number; got "quick"'),
        "entirely": (12, "unknown key. Known: name, inner, flag, mode, many, peaks, either"),
    }


def test_missing_key_points_at_its_surroundings() -> None:
    assert complaints("name: xx\ninner: {count: 2}\n")["inner.size"][0] == 2
    assert complaints("name: xx\n")["inner"] == (None, "required, but absent: what is inside")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nothing_like_it", 'expected a mapping of keys to values, or none, or a whole number; got "nothing_like_it"'),
        ("-1", "expected a mapping of keys to values, or none, or more than 0; got -1"),
        ("", "expected a mapping of keys to values, or none, or a whole number; got nothing"),
    ],
)
def test_a_union_is_one_sentence(value: str, message: str) -> None:
    assert complaints(f"name: xx\ninner: {{size: 1}}\neither: {value}\n") == {"either": (3, message)}


def test_a_mapping_for_a_union_is_judged_as_a_mapping() -> None:
    found = complaints("name: xx\ninner: {size: 1}\neither: {size: much}\n")
    assert list(found) == ["either.size"]
    assert complaints("name: xx\ninner: {size: 1}\neither: [1]\n")["either"][1].endswith("got [1]")
    assert complaints("name: xx\ninner: 7\n")["inner"] == (2, "expected a mapping of keys to values; got 7")


def test_a_mapping_where_none_belongs() -> None:
    assert complaints("name: {a: 1}\ninner: {size: 1}\n")["name"][1] == "expected text; got a mapping"


def test_paths_known_to_be_bad_are_not_mentioned_again() -> None:
    problems: list[Problem] = []
    table = as_table({"name": "xx", "flag": 1})
    assert described(Outer, table, problems, known_bad=[("inner",)]) is None
    assert [str(problem) for problem in problems] == ["flag: expected true or false; got 1"]


def test_layout_words() -> None:
    found = complaints("overlap: [tensr]\nrecompute: ful\nrank_order: data-tensor\nwhere: tenser > 1\ntp: 0\n", Layout)
    assert found["overlap[0]"][1].endswith('got "tensr". Did you mean tensor?')
    assert found["recompute"][1].startswith(
        "expected one of none, selective, operations, full, or a mapping of keys to values; got"
    )
    assert found["rank_order"] == (
        3,
        "must name each of tensor, context, expert, data, pipeline once, joined by hyphens",
    )
    assert found["where"][1].startswith("unknown tenser. Known: tensor")
    assert found["tp"] == (5, "expected more than 0; got 0")


def test_read_as_raises_in_the_order_of_lines() -> None:
    problems: list[Problem] = []
    document = read_yaml("flag: 1\nname: x\nzzz: 1\n", "f.yaml", problems)
    with pytest.raises(InputError) as caught:
        read_as(Outer, document, "f.yaml")
    assert str(caught.value).splitlines() == [
        "f.yaml: 4 problems",
        "  inner: required, but absent: what is inside",
        "  line 1   flag: expected true or false; got 1",
        '  line 2   name: expected at least 2 characters; got "x"',
        "  line 3   zzz: unknown key. Known: name, inner, flag, mode, many, peaks, either",
    ]
    assert read_as(Outer, {"name": "xx", "inner": {"size": "1 GB"}}, "x").inner.size == 1e9


def test_each_problem_is_said_once_and_names_another_file() -> None:
    twice = [
        Problem("bad", "k", 3, "other.yaml"),
        Problem("bad", "k", 3, "other.yaml"),
        Problem("x", "", 9, "main.yaml"),
    ]
    assert [str(problem) for problem in in_file(twice, "main.yaml")] == ["line 9   x", "other.yaml line 3 k: bad"]


def test_hints() -> None:
    assert did_you_mean("tensro", ["tensor", "data"]) == ". Did you mean tensor?"
    assert did_you_mean("zzz", ["tensor", "data"]) == ". Known: tensor, data"
    assert did_you_mean("zzz", []) == ""
    assert did_you_mean("zzz", [f"word-{n}" for n in range(40)]) == ""
    assert did_you_mean("x" * 1000, [f"word-{n}" for n in range(40)]) == ""
