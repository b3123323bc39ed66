"""Conditions on a layout, such as `tensor * pipeline <= 256 and schedule != "gpipe"`.

The syntax is Python's, the meaning is kept small: names, numbers, quoted words, + - * / // %, comparisons, `in`, `and`,
`or`, `not`. Nothing else is evaluated. Numbers are floats, whatever they were; values may be NumPy arrays: the answer
then has one entry a point.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, reduce
from typing import Any

from clustersim.inputs.units import parse_quantity, shown

LONGEST = 500
LARGEST = 1e18  # number that may be written
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
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_CHOICES = (ast.Tuple, ast.List)


MEMORY_LIMIT = re.compile(r"\s*memory\s*(?:<=?)\s*(.+?)\s*")


def memory_condition(expression: str) -> tuple[float | None, str | None]:
    """The bytes that a condition lets a device hold, such as `memory < 70 GiB`, and what else it asks of the layout.

    Limits on memory stand alone or beside others, joined by `and`. Raises ValueError for a limit that is no size.
    """
    parts = re.split(r"\band\b", expression)
    found = [MEMORY_LIMIT.fullmatch(part) for part in parts]
    limits = [parse_quantity(match[1], "bytes") for match in found if match]
    rest = "and".join(part for part, match in zip(parts, found, strict=True) if not match).strip()
    return min(limits, default=None), (rest or None) if limits else expression


def satisfies(expression: str, values: Mapping[str, Any]) -> Any:
    """Whether `values` meet the condition: a bool, or an array of them where values are arrays.

    What divides by zero is not met. Raises ValueError for an expression that is not understood.
    """
    import numpy as np

    tree = _parse(expression)
    unknown = _names(tree) - set(values)
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    floats = {name: _as_floats(value) for name, value in values.items()}
    try:
        with np.errstate(all="ignore"):
            return _truth(_value(tree, floats))
    except ZeroDivisionError:
        return False
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except TypeError as error:
        raise ValueError(f"cannot be evaluated: {error}") from None


def _as_floats(value: Any) -> Any:
    """A number, or an array of them, as floats, which know no overflow; words as they are."""
    if isinstance(value, (bool, int)):
        return float(value)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return value.astype(float) if kind in ("i", "u", "b") else value


def check_expression(expression: str, known: Collection[str], words: Collection[str] = ()) -> None:
    """Raise ValueError, with the reason, unless the expression is understood and names only what is known.

    `words` are those of the known names that stand for words: no arithmetic is done with these, nor are they compared
    with numbers.
    """
    unknown = sorted(_names(_parse(expression)) - set(known))
    if unknown:
        raise ValueError(f"unknown {', '.join(unknown)}. Known: {', '.join(known)}")
    _is_word(_parse(expression), words)


def _is_word(node: ast.expr, words: Collection[str]) -> bool:
    """Whether a part stands for a word. Raises ValueError where words are taken for numbers in it."""
    parts = [_is_word(part, words) for part in _parts(node)]
    match node:
        case ast.Constant(value=constant):
            return isinstance(constant, str)
        case ast.Name() | ast.Attribute():
            return _dotted(node) in words
        case ast.UnaryOp(op=ast.USub()) | ast.BinOp() if any(parts):
            raise ValueError("cannot be evaluated: arithmetic on words")
        case ast.Compare(ops=ops) if any(isinstance(op, _ORDER) for op in ops) and len(set(parts)) > 1:
            raise ValueError("cannot be evaluated: a word compared with a number")
    return False


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
        case ast.Constant(value=int() | float() as number) if not abs(number) <= LARGEST:
            raise ValueError(f"the number {shown(number)} is larger than {LARGEST:g}")
        case ast.Constant(value=bool() | int() | float() | str()) | ast.Name():
            return
        case ast.Attribute() if _dotted(node):
            return
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not() | ast.USub()):
            pass
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            pass
        case ast.Compare(ops=ops) if all(type(op) in _COMPARISONS for op in ops):
            pass
        case _:
            raise ValueError(f'"{ast.unparse(node)}" is not accepted. Accepted: {ACCEPTED}')
    for part in _parts(node):
        _check(part)


def _parts(node: ast.expr) -> list[ast.expr]:
    """What an operation is done on."""
    match node:
        case ast.BoolOp(values=parts):
            return parts
        case ast.UnaryOp(operand=part):
            return [part]
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.Compare(left=left, ops=ops, comparators=others):
            return [left, *_compared(ops, others)]
    return []


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
            return _as_floats(constant)
        case ast.BoolOp(op=op, values=parts):
            join = operator.and_ if isinstance(op, ast.And) else operator.or_
            return reduce(join, [_truth(_value(part, values)) for part in parts])
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return _truth(_value(part, values)) == 0
        case ast.UnaryOp(operand=part):
            operand = _value(part, values)
            if isinstance(operand, str):
                raise TypeError("arithmetic on words")
            return -operand
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
        if isinstance(op, _ORDER) and isinstance(before, str) != isinstance(after, str):
            raise TypeError("a word compared with a number")
        answers.append(_COMPARISONS[type(op)](before, after))
        before = after
    return reduce(operator.and_, answers)
