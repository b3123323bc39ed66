"""Runs with more events than are played, said before the first of them."""

from __future__ import annotations

from clustersim.errors import InfeasibleError
from clustersim.inputs.units import SECONDS_A_DAY
from clustersim.simulation.run_clock.expected import expected_run
from clustersim.simulation.run_clock.plan import RunPlan

MOST_EVENTS = 60_000  # of a run: some 25 microseconds each; months on 16,384 devices have a few hundred
MOST_YOUNG = 10_000_000  # failures of infant mortality of one cause, drawn for a run without end


def check_events(plan: RunPlan, patience: float) -> None:
    """Raise InfeasibleError where a run is expected to have more events than are played, with what would be.

    `patience`: times the undisturbed run after which it is given up.
    """
    events = expected_events(plan, patience)
    if events > MOST_EVENTS:
        share = MOST_EVENTS / events
        raise InfeasibleError(
            f"a run of this plan has some {events:.3g} interruptions and checks of slow nodes; at most {MOST_EVENTS:,} "
            f"are played. With training.tokens, or reliability.rate_factor, of {share:.1g} times as much it would be"
        )
    for source in plan.sources:
        if source.infant_count > MOST_YOUNG:
            raise InfeasibleError(
                f"reliability.failures.{source.name}.infant: {source.infant_count:.3g} failures of young machines; at "
                f"most {MOST_YOUNG:,} are drawn. With a smaller factor or a shorter decay it would be played"
            )


def expected_events(plan: RunPlan, patience: float) -> float:
    """What can come between in the expected wall time, twice over; where that is past all patience, in that time."""
    wall = min(2.0 * expected_run(plan).wall_s, patience * plan.work_s)
    a_second = sum(source.rate for source in plan.sources)
    a_second += plan.stalls.rate if plan.stalls is not None else 0.0
    a_second += 1.0 / plan.maintenance.interval if plan.maintenance is not None else 0.0
    if plan.slow_nodes is not None:
        days = min(plan.slow_nodes.stay_s, wall) / SECONDS_A_DAY if plan.slow_nodes.drift else 0.0
        a_second += plan.slow_nodes.rate * (1.0 + days)
    return a_second * wall + sum(source.excess(wall) for source in plan.sources)
