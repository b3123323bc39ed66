"""The arithmetic of checkpoints against walking through them one by one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.simulation.run_clock.cycle import Cycle

CYCLES = st.builds(
    Cycle,
    interval=st.floats(200.0, 1e4),
    blocking=st.floats(0.0, 500.0),
    write=st.floats(0.0, 1.0),
    snapshots=st.integers(1, 6),
    pause=st.floats(0.0, 100.0),
)


def walk(cycle: Cycle, position: float) -> tuple[float, int, float]:
    """Training seconds, checkpoints in storage, and the place after the last snapshot, second by second of the plan."""
    trained = at = place = 0.0
    stored, number = 0, 0
    while True:
        step = min(cycle.interval, position - at)
        trained, at, number = trained + step, at + step, number + 1
        stop = cycle.blocking if number % cycle.snapshots == 0 else cycle.pause
        if at + stop > position or step < cycle.interval:
            return trained, stored, place
        at += stop
        place = at
        stored += number % cycle.snapshots == 0


@given(CYCLES, st.floats(0.0, 1e5))
def test_positions_are_those_of_walking(cycle: Cycle, position: float) -> None:
    trained, stored, place = walk(cycle, position)
    near = pytest.approx(trained, rel=1e-9, abs=1e-6)
    assert cycle.trained(position) == near
    if 1e-6 < position % cycle.length < cycle.length - 1e-6:
        assert cycle.taken(position) == stored
    assert cycle.trained(cycle.last_snapshot(position)) <= trained + 1e-6
    if place and not math.isclose(position, place, rel_tol=1e-9):
        assert cycle.last_snapshot(position) == pytest.approx(place, rel=1e-9, abs=cycle.interval * 1e-9)


@given(CYCLES, st.floats(0.0, 1e5))
def test_the_way_back(cycle: Cycle, trained: float) -> None:
    position = cycle.position(trained)
    assert cycle.trained(position) == pytest.approx(trained, rel=1e-9, abs=1e-6)
    assert cycle.trained(max(0.0, position - 1e-3)) <= trained + 1e-6


@pytest.mark.parametrize(
    ("position", "trained", "taken", "stored"),
    [(0.0, 0, 0, 0), (99.0, 99, 0, 0), (105.0, 100, 0, 0), (110.0, 100, 1, 0), (131.0, 121, 1, 1), (250.0, 230, 2, 2)],
)
def test_a_checkpoint_counts_when_it_is_safe(position: float, trained: float, taken: int, stored: int) -> None:
    """100 s of training, 10 s of blocking, 20 s of writing in the background."""
    cycle = Cycle(100.0, 10.0, 20.0)
    assert (cycle.trained(position), cycle.taken(position), cycle.stored(position)) == (trained, taken, stored)


def test_without_checkpoints_everything_is_training() -> None:
    cycle = Cycle()
    assert not cycle.saves
    assert (cycle.trained(1e6), cycle.position(1e6), cycle.stored(1e6), cycle.taken(1e6)) == (1e6, 1e6, 0, 0)
    assert cycle.last_snapshot(1e6) == 0.0
