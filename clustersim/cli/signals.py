"""Requests to end, SIGTERM and SIGHUP, end a command as Ctrl-C does: what is finished is kept, and it says so."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

POLITE = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@dataclass
class Ended:
    """Which signal ended the command; Ctrl-C unless another came."""

    number: int = signal.SIGINT

    @property
    def code(self) -> int:
        """The exit code that shells give to it: 130, 143, 129."""
        return 128 + self.number

    def __call__(self, number: int, frame: FrameType | None) -> NoReturn:
        """The handler."""
        self.number = number
        raise KeyboardInterrupt


@contextmanager
def ended_by_signals() -> Iterator[Ended]:
    """Turns the signals into KeyboardInterrupt; one that is ignored, as `nohup` has it, stays so."""
    ended, before = Ended(), {}
    for number in POLITE:
        try:
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, ended)
        except ValueError:  # not in the main thread: signals are somebody else's
            break
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
