"""Checkpoints as a pattern of wall time that repeats: train, pause, train, pause, ..., and the last pause stores.

Everything is a closed form of the position in the pattern, so that a stretch of days is one event however many
checkpoints it holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Cycle:
    """`snapshots` of a cycle stay in the memory of hosts, save the last, which goes to storage.

    Positions are seconds of wall time since a checkpoint in storage from which training goes on.
    """

    interval: float = math.inf  # training seconds before each snapshot; infinite: none is ever taken
    blocking: float = 0.0  # training stops for the one that goes to storage
    write: float = 0.0  # after that, until it is safe
    snapshots: int = 1
    pause: float = 0.0  # training stops for one that stays in memory
    pace: float = 1.0  # of training, over its pace without writes in the background

    @cached_property
    def length(self) -> float:
        """Wall seconds from one checkpoint in storage to the next."""
        return self.snapshots * self.interval + (self.snapshots - 1) * self.pause + self.blocking

    @property
    def saves(self) -> bool:
        """Whether there are checkpoints."""
        return self.interval < math.inf

    @property
    def trained_a_cycle(self) -> float:
        """Training seconds of a cycle."""
        return self.snapshots * self.interval

    def trained(self, position: float) -> float:
        """Training seconds up to a position."""
        if not self.saves:
            return position
        cycles, rest = divmod(position, self.length)
        unit = self.interval + self.pause
        done = min(int(rest // unit), self.snapshots - 1)
        return (cycles * self.snapshots + done) * self.interval + min(rest - done * unit, self.interval)

    def position(self, trained: float) -> float:
        """The position at which so many seconds have been trained, the pause that follows them not yet begun."""
        if not self.saves:
            return trained
        whole = max(0, math.ceil(trained / self.interval) - 1)
        cycles, done = divmod(whole, self.snapshots)
        return cycles * self.length + done * (self.interval + self.pause) + trained - whole * self.interval

    def stored(self, position: float) -> int:
        """Checkpoints that are safe in storage."""
        return max(0, math.floor((position - self.write) / self.length)) if self.saves else 0

    def taken(self, position: float) -> int:
        """Checkpoints of what was trained before a position, be they safe by then or not."""
        return math.floor(position / self.length) if self.saves else 0

    def last_snapshot(self, position: float) -> float:
        """Where training went on after the last snapshot in memory or storage."""
        if not self.saves:
            return 0.0
        cycles, rest = divmod(position, self.length)
        unit = self.interval + self.pause
        return cycles * self.length + min(int(rest // unit), self.snapshots - 1) * unit
