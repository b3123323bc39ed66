from __future__ import annotations

import numpy as np
import pytest

from clustersim.inputs.where import check_expression, satisfies

VALUES = {"tensor": 8, "pipeline": 16, "data": 4, "schedule": "1f1b", "layout.context": 2, "sequence_parallel": True}


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("tensor * pipeline <= 256", True),
        ("tensor * pipeline <= 127", False),
        ("1 < tensor <= 8", True),
        ("1 < tensor < 8", False),
        ("tensor in (1, 2, 4)", False),
        ("tensor not in [1, 2, 4]", True),
        ("tensor in ()", False),
        ("schedule == '1f1b' and data > 2", True),
        ("schedule in ('gpipe', '1f1b')", True),
        ("not (data > 2) or pipeline % tensor == 0", True),
        ("layout.context == 2", True),
        ("pipeline // 3 == 5 and pipeline / 32 == 0.5", True),
        ("-data + 5 - 1 == 0", True),
        ("sequence_parallel", True),
        ("tensor and not 0", True),
        ("'words'", True),
        ("data % 0 == 1", False),
    ],
)
def test_evaluates_like_python(expression: str, answer: bool) -> None:
    assert satisfies(expression, VALUES) is answer


def test_answers_point_by_point_for_arrays() -> None:
    values = {"tensor": np.array([1, 2, 4, 8]), "pipeline": np.array([8, 8, 0, 64])}
    assert satisfies("tensor * pipeline <= 64 and tensor in (1, 4)", values).tolist() == [True, False, True, False]
    assert satisfies("not tensor > 2", values).tolist() == [True, True, False, False]
    assert satisfies("1 < tensor < 8", values).tolist() == [False, True, True, False]
    assert satisfies("tensor % pipeline == 1", values).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "(lambda: 1)()",
        "tensor.__class__",
        "[x for x in (1,)]",
        "tensor[0]",
        "9 ** 9 ** 9",
        "tensor if data else 1",
        "tensor in data",
        "(1, 2) == (1, 2)",
        "tensor is 8",
        "b'x'",
        "f'{tensor}'",
        "tensor := 5",
        "tensor *",
        "",
        "(" * 300,
        "tensor" + " + tensor" * 100,
        "\0",
        "1 < 2 < unknown_name",
        "...",
        "~tensor",
    ],
)
def test_refuses_everything_else(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_expression(expression, tuple(VALUES))


def test_names_what_is_unknown() -> None:
    with pytest.raises(ValueError, match=r"unknown tenser\. Known: tensor, data"):
        check_expression("tenser > 1", ("tensor", "data"))
    with pytest.raises(ValueError, match="unknown nodes"):
        satisfies("nodes > 1", VALUES)


@pytest.mark.parametrize(
    "expression", ["schedule * 1000000000 == 1", "schedule < 5", "-schedule > 1", "'%9s' % 5 == 1"]
)
def test_what_has_no_meaning_is_said(expression: str) -> None:
    with pytest.raises(ValueError, match="cannot be evaluated"):
        satisfies(expression, VALUES)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("schedule > 1", "a word compared with a number"),
        ("tensor < 'a'", "a word compared with a number"),
        ("schedule % 64 == 1", "arithmetic on words"),
        ("-schedule == 1", "arithmetic on words"),
        ("tensor in (1, 'a' - 2)", "arithmetic on words"),
        ("tensor <= " + "9" * 400, "larger than 1e\\+18"),
        ("tensor <= 1e999", "larger than 1e\\+18"),
    ],
)
def test_what_never_has_a_value_is_refused_before_it_is_asked(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_expression(expression, ("tensor", "schedule"), ("schedule",))


def test_words_are_compared_with_words_and_equality_with_anything() -> None:
    for expression in ("schedule == 'a'", "schedule != 1", "schedule in ('a', 1)", "schedule < 'b'", "tensor == 'a'"):
        check_expression(expression, ("tensor", "schedule"), ("schedule",))


def test_numbers_never_overflow() -> None:
    product = "*".join(["1000000000000000000"] * 20)
    assert satisfies(f"tensor < {product}", {"tensor": 3})
    assert satisfies(f"tensor < {product}", {"tensor": np.array([3, 2**62])}).tolist() == [True, True]
    assert satisfies("tensor * tensor * tensor > 0", {"tensor": np.array([2**40])}).tolist() == [True]
    assert satisfies("tensor % 0 == 0 or tensor == 3", {"tensor": np.array([3])}).tolist() == [True]
    assert not satisfies("tensor % 0 == 0", {"tensor": 3})
