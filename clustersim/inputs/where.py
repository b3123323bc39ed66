"""Conditions on a layout, such as `tensor * pipeline <= 256 and schedule != "gpipe"`.

The syntax is Python's, the meaning is kept small: names, numbers, quoted words, + - * / // %, comparisons, `in`, `and`,
`or`, `not`. Nothing else is evaluated. Values may be NumPy arrays: the answer then has one entry a point.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, reduce
from typing import Any

LONGEST = 500
ACCEPTED = "names, numbers, quoted words, + - * / // %, comparisons, in, and, or, not"

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda value, choices: reduce(operator.or_, [value == choice for choice in choices], False),
    ast.NotIn: lambda value, choices: reduce(operator.and_, [value != choice for choice in choices], True),
}
_CHOICES = (ast.Tuple, ast.List)


def satisfies(expression: str, values: Mapping[str, Any]) -> Any:
    """Whether `values` meet the condition: a bool, or an array of them where values are arrays.

    What divides by zero is not met. Raises ValueError for an expression that is not understood.
    """
    import numpy as np

    tree = _parse(expression)
    unknown = _names(tree) - set(values)
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            return _truth(_value(tree, values))
    except ZeroDivisionError:
        return False
    except TypeError as error:
        raise ValueError(f"cannot be evaluated: {error}") from None


def check_expression(expression: str, known: Collection[str]) -> None:
    """Raise ValueError, with the reason, unless the expression is understood and names only what is known."""
    unknown = sorted(_names(_parse(expression)) - set(known))
    if unknown:
        raise ValueError(f"unknown {', '.join(unknown)}. Known: {', '.join(known)}")


@lru_cache(maxsize=256)
def _parse(expression: str) -> ast.expr:
    if len(expression) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(expression.strip(), mode="eval").body
        _check(tree)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError('not an expression. Accepted: conditions such as "tensor * pipeline <= 256"') from None
    return tree


def _check(node: ast.expr) -> None:
    """Raise ValueError where the expression holds more than conditions need."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str()) | ast.Name():
            return
        case ast.Attribute() if _dotted(node):
            return
        case ast.BoolOp(values=parts):
            pass
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=part):
            parts = [part]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            parts = [left, right]
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
            parts = [left, *_compared(ops, others)]
        case _:
            raise ValueError(f'"{ast.unparse(node)}" is not accepted. Accepted: {ACCEPTED}')
    for part in parts:
        _check(part)


def _compared(ops: list[ast.cmpop], others: list[ast.expr]) -> list[ast.expr]:
    """What a comparison looks at, choices opened; `in` needs a list of choices and nothing else may have one."""
    parts: list[ast.expr] = []
    for op, other in zip(ops, others, strict=True):
        if isinstance(op, (ast.In, ast.NotIn)) and isinstance(other, _CHOICES):
            parts += other.elts
        elif isinstance(op, (ast.In, ast.NotIn)):
            raise ValueError("`in` needs a list of choices, such as (1, 2, 4)")
        else:
            parts.append(other)
    return parts


def _dotted(node: ast.expr) -> str:
    """`layout.tensor` as a name; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def _names(node: ast.AST) -> set[str]:
    name = _dotted(node) if isinstance(node, ast.expr) else ""
    if name:
        return {name}
    return {name for child in ast.iter_child_nodes(node) for name in _names(child)}


def _truth(value: Any) -> Any:
    """Numbers count as true unless zero, as in Python."""
    return value != 0 if not isinstance(value, str) else bool(value)


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=constant):
            return constant
        case ast.BoolOp(op=op, values=parts):
            join = operator.and_ if isinstance(op, ast.And) else operator.or_
            return reduce(join, [_truth(_value(part, values)) for part in parts])
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return _truth(_value(part, values)) == 0
        case ast.UnaryOp(operand=part):
            return -_value(part, values)
        case ast.BinOp(left=left, op=op, right=right):
            operands = (_value(left, values), _value(right, values))
            if any(isinstance(operand, str) for operand in operands):
                raise TypeError("arithmetic on words")
            return _ARITHMETIC[type(op)](*operands)
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _compare(left, ops, others, values)
        case _:
            return values[_dotted(node)]


def _compare(left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr], values: Mapping[str, Any]) -> Any:
    """A chain such as `1 < tensor <= 8` holds where each of its links does."""
    answers = []
    before = _value(left, values)
    for op, other in zip(ops, others, strict=True):
        after: Any = (
            [_value(choice, values) for choice in other.elts] if isinstance(other, _CHOICES) else _value(other, values)
        )
        answers.append(_COMPARISONS[type(op)](before, after))
        before = after
    return reduce(operator.and_, answers)
