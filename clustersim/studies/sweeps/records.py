"""Values in a temporary file: a long list that takes 8 bytes a value in memory."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import Generic, TypeVar, overload
from weakref import finalize

Value = TypeVar("Value")

IN_MEMORY = 1 << 24  # bytes of a list that isn't worth a file


class Records(Sequence[Value], Generic[Value]):
    """A list that only grows. Its file has no name and goes with it; nobody else reads or writes it."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (closed with the list)
        self._places = array("q", [0])
        finalize(self, self._file.close)

    def append(self, value: Value) -> None:
        """One more at the end."""
        self._file.seek(self._places[-1])
        self._file.write(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
        self._places.append(self._file.tell())

    def pickled(self, number: int) -> bytes:
        """A value as it is kept, for a reader elsewhere."""
        start, end = self._places[number], self._places[number + 1]
        self._file.seek(start)
        return self._file.read(end - start)

    def __len__(self) -> int:
        return len(self._places) - 1

    @overload
    def __getitem__(self, number: int) -> Value: ...

    @overload
    def __getitem__(self, number: slice) -> list[Value]: ...

    def __getitem__(self, number: int | slice) -> Value | list[Value]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        value: Value = pickle.loads(self.pickled(number % len(self)))
        return value

    def __iter__(self) -> Iterator[Value]:
        return (self[number] for number in range(len(self)))
