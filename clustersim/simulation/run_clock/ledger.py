"""Where the time of a run went: every second of wall time in one account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from clustersim.simulation.run_clock.plan import Phase


class Span(NamedTuple):
    """A piece of the run's timeline."""

    start: float  # seconds of wall time
    end: float
    state: str  # training, or the phase of an outage
    cause: str
    work: float  # done by its end, in seconds of undisturbed training


@dataclass
class Ledger:
    """Lost seconds by cause and phase; and, where asked for, the timeline."""

    timeline: list[Span] | None = None
    lost: dict[tuple[str, str], float] = field(default_factory=dict)
    interruptions: dict[str, int] = field(default_factory=dict)
    standing_s: float = 0.0  # seconds in which nothing is trained, checkpoints apart

    def lose(self, cause: str, phase: str, seconds: float) -> None:
        """Book lost seconds."""
        if seconds:
            key = cause, phase
            self.lost[key] = self.lost.get(key, 0.0) + seconds

    def stand(self, cause: str, phases: tuple[Phase, ...], start: float, end: float, work: float) -> None:
        """Book seconds in which the job stood still: phase after phase, the last as far as it came."""
        self.standing_s += end - start
        for phase, seconds in phases:
            until = min(end, start + seconds)
            if until > start:
                self.lose(cause, phase, until - start)
                self.show(start, until, phase, cause, work)
                start = until

    def show(self, start: float, end: float, state: str, cause: str, work: float) -> None:
        """Add a piece to the timeline."""
        if self.timeline is not None and end > start:
            self.timeline.append(Span(start, end, state, cause, work))

    def count(self, cause: str) -> None:
        """One more unexpected interruption."""
        self.interruptions[cause] = self.interruptions.get(cause, 0) + 1
