"""Sweeps as they are described: axes, ranges, their order."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.errors import InputError
from clustersim.inputs.problems import read_as
from clustersim.inputs.sweep import FigureSpec, Sweep, axis_values, is_sweep
from clustersim.inputs.table import as_table


def sweep(**values: Any) -> Sweep:
    return read_as(Sweep, as_table({"name": "test", "base": "x"} | values), "test")


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("1..4", [1, 2, 3, 4]),
        ("16..1024 x2", [16, 32, 64, 128, 256, 512, 1024]),
        ("16..100x4", [16, 64]),
        ("0..10 step 5", [0, 5, 10]),
        ([1, "4..6", "auto"], [1, 4, 5, 6, "auto"]),
        ("25 GB/s", ["25 GB/s"]),
        (7, [7]),
        (["1..x", {"layers": 2}], ["1..x", {"layers": 2}]),
        ([[1, 2], [2, 1]], [[1, 2], [2, 1]]),
        ("5..4", []),
    ],
)
def test_axes(written: Any, values: list[Any]) -> None:
    assert axis_values(written) == values


@pytest.mark.parametrize("written", ["1..8 x1", "0..8 x2", "0..9 step 0", "0..999999999999999999"])
def test_ranges_end(written: str) -> None:
    with pytest.raises(InputError, match=r"never ends|values"):
        sweep(points={"a": written})


def test_points_come_in_order_with_the_last_key_fastest() -> None:
    described = sweep(zip={"c": ["x", "y"], "d": [1, 2]}, points={"a": [1, 2], "b": "3..4"})
    assert described.keys == ("c", "d", "a", "b")
    points = [tuple(point.values()) for point in described.expand()]
    assert points == [(c, d, a, b) for c, d in (("x", 1), ("y", 2)) for a in (1, 2) for b in (3, 4)]
    assert described.count == len(points) == 8


def test_seeds_follow_the_bases_own() -> None:
    described = sweep(points={"a": [1, 2]}, seeds=3)
    assert [point["seed"] for point in described.expand(seed=10)] == [10, 11, 12] * 2
    assert described.keys == ("a", "seed")
    assert list(sweep().expand()) == [{}]


def test_all_that_is_wrong_between_the_parts() -> None:
    described = sweep(points={"a": "1..2000", "b": "1..2000"}, zip={"a": [1, 2], "c": [1]})
    text = "\n".join(map(str, described.problems()))
    assert "a: stands in points and in zip" in text
    assert "zip: the lists differ in length: a 2, c 1" in text
    assert "at most 1,000,000" in text
    assert sweep(points={"a": [1]}).problems() == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"points": {"a": []}}, "a has no values"),
        ({"seeds": 0}, "seeds"),
        ({"figures": [{"x": "devices"}]}, r"figures\[0\].y: required"),
        ({"figures": [{"x": "devices", "y": "mfu", "name": "../evil"}]}, "name"),
        ({"name": "../evil"}, "name"),
        ({"point": {}}, "Did you mean points"),
    ],
)
def test_mistakes_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sweep(**values)


def test_figures_have_file_names() -> None:
    assert FigureSpec(x="devices", y="mfu").stem == "mfu_against_devices"
    assert FigureSpec(x="a/b", y="mfu", by="model").stem == "mfu_against_a_b_by_model"
    assert FigureSpec(x="a", y="b", name="mine").stem == "mine"


def test_a_sweep_is_told_from_a_scenario() -> None:
    assert is_sweep({"base": "x"})
    assert not is_sweep({"model": "x", "cluster": "y"})
