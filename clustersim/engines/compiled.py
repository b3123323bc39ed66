"""The array engine's walk over all nodes as one loop, for numba to compile.

numba is optional (`pip install 'clustersim[fast]'`). Importing it and compiling take one to four seconds, so it is
called only once a process has walked for about that long: a short run never pays, a long one at most twice.
The code isn't cached on disk, where an installation may not be writable. Results don't depend on which walk ran.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from math import inf

import numpy as np
from numpy.typing import NDArray

from clustersim.engines.graph import NO_BARRIER, Floats, Ints

Walk = Callable[..., None]  # with the arguments of `walk_nodes`

WORTH_COMPILING = 1_000_000_000  # nodes x columns that NumPy walks in some three seconds


def walk_nodes(
    first: Ints,
    second: Ints,
    row: Ints,
    kind: Ints,
    barrier: Ints,
    final: NDArray[np.bool_],
    labels: Ints,
    table: Floats,
    starts: Floats,
    ends: Floats,
    last: Floats,
) -> None:
    """Fill `starts`, `ends` and `last`; arguments as in `Plan`, `labels` empty where no column meets another."""
    kinds, columns = table.shape
    latest = np.empty(columns)
    for node in range(len(row)):
        one, other, own = first[node], second[node], row[node]
        for column in range(columns):
            starts[own, column] = max(ends[one, column], ends[other, column])
        if barrier[node] != NO_BARRIER and len(labels) > 0:
            latest[:] = 0.0
            for column in range(columns):
                group = labels[barrier[node], column]
                latest[group] = max(latest[group], starts[own, column])
            for column in range(columns):
                starts[own, column] = latest[labels[barrier[node], column]]
        if kind[node] < kinds:
            for column in range(columns):
                ends[own, column] = starts[own, column] + table[kind[node], column]
        else:
            ends[own] = starts[own]
        if final[node]:
            for column in range(columns):
                last[column] = max(last[column], ends[own, column])


class Compiler:
    """Counts the work of a process, and compiles `walk_nodes` once it is worth it."""

    def __init__(self, worth: int = WORTH_COMPILING) -> None:
        self.missing: float = worth
        self.walk: Walk | None = None

    def walk_for(self, work: int) -> Walk | None:
        """The compiled walk for so many nodes x columns; None while NumPy is to do it."""
        self.missing -= work
        if self.missing < 0:
            self.missing = inf  # asked once, whether numba is there or not
            if find_spec("numba") is not None:
                self.walk = import_module("numba").njit(walk_nodes)
        return self.walk


walk_for = Compiler().walk_for
