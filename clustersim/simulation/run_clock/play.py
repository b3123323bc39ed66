"""One run of one seed, played as discrete events from the first token to the last."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import simpy

from clustersim.errors import InfeasibleError
from clustersim.simulation.run_clock import causes
from clustersim.simulation.run_clock.job import Job
from clustersim.simulation.run_clock.ledger import Ledger, Span
from clustersim.simulation.run_clock.limits import check_events
from clustersim.simulation.run_clock.plan import RunPlan

PATIENCE = 50.0  # times the undisturbed run: who isn't done by then makes no headway


@dataclass(frozen=True)
class PlayedRun:
    """A run that came to its end."""

    seed: int
    wall_s: float
    work_s: float  # of undisturbed training
    standing_s: float  # of the wall time, in which nothing was trained
    lost: Mapping[str, Mapping[str, float]]  # seconds by cause and phase; with the work they sum to the wall time
    interruptions: Mapping[str, int]  # unexpected, by cause
    timeline: tuple[Span, ...] = ()

    @property
    def goodput(self) -> float:
        """Undisturbed over wall time."""
        return self.work_s / self.wall_s

    @property
    def mtti_s(self) -> float | None:
        """Mean wall time to an unexpected interruption; None where there was none."""
        count = sum(self.interruptions.values())
        return self.wall_s / count if count else None


def play_run(plan: RunPlan, seed: int, *, timeline: bool = False) -> PlayedRun:
    """Play a run: same plan and seed, same result, to the last bit.

    Raises InfeasibleError for one that never ends, or has more events than are played.
    """
    check_events(plan, PATIENCE)
    env = simpy.Environment()
    ledger = Ledger([] if timeline else None)
    job = Job(env, plan, seed, ledger)
    ended: list[float] = []
    job.process.callbacks.append(lambda _: ended.append(env.now))
    causes.start(job)
    with _no_collection():
        env.run(until=job.process | env.timeout(PATIENCE * plan.work_s))
    if not ended:
        done = job.work / plan.work_s
        raise InfeasibleError(
            f"the run makes no headway: {done:.1%} of the tokens after {PATIENCE:.0f} times the undisturbed time. "
            "Lower the failure rates, save more often, restart faster, or give reliability.spares or repair"
        )
    lost: dict[str, dict[str, float]] = {}
    for (cause, phase), seconds in ledger.lost.items():
        lost.setdefault(cause, {})[phase] = seconds
    return PlayedRun(
        seed=seed,
        wall_s=ended[0],
        work_s=plan.work_s,
        standing_s=ledger.standing_s,
        lost={cause: dict(sorted(phases.items())) for cause, phases in sorted(lost.items())},
        interruptions=dict(sorted(ledger.interruptions.items())),
        timeline=tuple(ledger.timeline or ()),
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the search for cycles, a sixth of a run's time: SimPy's events are freed when nobody holds them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
