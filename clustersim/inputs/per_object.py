"""What is worked out of a part of a scenario, once for all the scenarios that share the part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Part = TypeVar("Part")
Value = TypeVar("Value")

MOST_OBJECTS = 1000  # that are kept: where more come, few come again


class PerObject(Generic[Part, Value]):
    """A function of objects that never change, called once for each. To compare or hash one may cost what it saves."""

    def __init__(self, function: Callable[[Part], Value]) -> None:
        self._function = function
        self._known: dict[int, tuple[Part, Value]] = {}  # the object is held, so that its identity stays its own

    def __call__(self, part: Part) -> Value:
        """What the function gives for a part."""
        known = self._known.get(id(part))
        if known is None:
            if len(self._known) >= MOST_OBJECTS:
                self._known.clear()
            known = self._known[id(part)] = part, self._function(part)
        return known[1]
