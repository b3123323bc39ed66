"""What can come between: a failure, a planned stop, a stall of the data, another pace."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.simulation.run_clock.plan import Phase


@dataclass(eq=False, slots=True)
class Outage:
    """The job stops, loses what wasn't saved, and comes back."""

    cause: str
    phases: tuple[Phase, ...]  # before nodes are replaced and the job restarts
    planned: bool = False  # saved first: nothing is lost
    from_memory: bool = False  # the hosts' memory has the last snapshot
    clean_work: float | None = None  # of a corruption: work done in the last checkpoint before it
    node: int | None = None  # that leaves the job
    repair_s: float = 0.0


@dataclass(frozen=True)
class Stall:
    """Training waits for data, and goes on where it was."""

    seconds: float


@dataclass(frozen=True)
class PaceChange:
    """Training goes on faster or slower."""


@dataclass(eq=False)
class SlowNode:
    """A node that computes `factor` times as long."""

    node: int
    stage: int
    factor: float


@dataclass(frozen=True, eq=False)
class Stain:
    """A corruption that nobody has noticed: checkpoints past `clean_work` hold it."""

    clean_work: float


def planned(cause: str, saving_s: float, duration_s: float, node: int | None = None, repair_s: float = 0.0) -> Outage:
    """A stop that is announced: a checkpoint first."""
    phases: tuple[Phase, ...] = (("saving", saving_s), ("stopped", duration_s))
    return Outage(cause, phases, planned=True, node=node, repair_s=repair_s)
