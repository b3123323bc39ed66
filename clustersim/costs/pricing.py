"""Prices many operations at once: those that differ in nothing but amounts stand side by side in arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from clustersim.workload.arrays import Array
from clustersim.workload.operations import Operation

# Of operations, in formulas.
AMOUNTS = frozenset({"m", "n", "k", "count", "summed_bytes", "flops", "bytes", "heads", "kernels", "pieces"})


class Pricer(Protocol):
    """What prices one operation, or several whose amounts are columns [operations, 1] or [operations, points]."""

    def time(self, operation: Operation) -> Array:
        """Seconds."""
        ...


class OperationGroup(NamedTuple):
    """Operations that are alike, as one whose amounts are columns, and which of all operations they are."""

    rows: list[int]
    operation: Operation


def bundles(operations: Sequence[Operation]) -> list[OperationGroup]:
    """All operations, those that are alike together."""
    alike: dict[Hashable, list[int]] = defaultdict(list)
    for row, operation in enumerate(operations):
        alike[_words(operation)].append(row)
    return [OperationGroup(rows, _side_by_side([operations[row] for row in rows])) for rows in alike.values()]


def bundle_times(some: Sequence[OperationGroup], machine: Pricer, points: int) -> NDArray[np.float64]:
    """Seconds [operations, points] of all operations of bundles; formulas are called once a bundle."""
    seconds = np.empty((sum(len(bundle.rows) for bundle in some), points))
    for bundle in some:
        seconds[bundle.rows] = machine.time(bundle.operation)
    return seconds


def _words(operation: Operation) -> Hashable:
    """All of an operation but its name and its amounts."""
    words = [value for name, value in vars(operation).items() if name not in AMOUNTS]
    return type(operation), *words[1:]


def _side_by_side(operations: Sequence[Operation]) -> Operation:
    """Operations that are alike as one, whose amounts are columns where they differ."""
    first = operations[0]
    if len(operations) == 1:
        return first
    amounts: dict[str, Any] = {
        name: _column([getattr(operation, name) for operation in operations]) for name in AMOUNTS & vars(first).keys()
    }
    return replace(first, **amounts)


def _column(amounts: Sequence[Array]) -> Array:
    if all(isinstance(amount, (float, int)) for amount in amounts):
        return np.array(amounts, dtype=np.float64)[:, np.newaxis]
    return np.array(np.broadcast_arrays(*map(np.atleast_1d, amounts)))
