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
