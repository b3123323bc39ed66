"""Fluid tasks against closed forms, against the reference engine where nothing is short, and within bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import Case, make_graph, random_case

from clustersim.engines import fluid, reference
from clustersim.engines.fluid import fair_shares
from clustersim.engines.graph import Floats
from clustersim.engines.sharing import Sharing
from clustersim.errors import DeadlockError


def sharing(
    users: dict[int, list[int]],
    kinds: int,
    *,
    wants: float = 1.0,
    computing: dict[int, float] | None = None,
    holds: dict[int, float] | None = None,
    columns: int = 1,
) -> Sharing:
    """Kinds that each want `wants` of links of capacity 1, all on one device."""
    table = {name: np.zeros((kinds, columns)) for name in ("holds", "computing", "moving")}
    for name, chosen in (("holds", holds), ("computing", computing)):
        for kind, value in (chosen or {}).items():
            table[name][kind] = value
    links = max((link for used in users.values() for link in used), default=-1) + 1
    places = np.full((kinds, max(links, 1)), -1)
    bandwidth = np.zeros((*places.shape, columns))
    for kind, used in users.items():
        table["moving"][kind] = 1.0
        places[kind, : len(used)] = used
        bandwidth[kind, : len(used)] = wants
    return Sharing(
        np.zeros(kinds, dtype=np.int64),
        links=places,
        bandwidth=bandwidth,
        owner=np.zeros(links, dtype=np.int64),
        capacity=np.ones((links, columns)),
        **table,
    )


def ends(graph: Any, seconds: list[float], shared: Sharing) -> list[float]:
    timeline = fluid.play(graph, np.array([seconds]).T, shared)
    assert timeline.engine == "fluid"
    ended: list[float] = timeline.end[:, 0].tolist()
    return ended


ALL_AT_ONCE = make_graph([0, 1], [[], []])


def test_two_flows_on_a_link_take_twice_as_long() -> None:
    assert ends(ALL_AT_ONCE, [3.0, 3.0], sharing({0: [0], 1: [0]}, 2)) == [6.0, 6.0]
    assert ends(ALL_AT_ONCE, [3.0, 3.0], sharing({0: [0], 1: [1]}, 2)) == [3.0, 3.0]


def test_a_long_flow_speeds_up_when_a_short_one_has_ended() -> None:
    assert ends(ALL_AT_ONCE, [10.0, 2.0], sharing({0: [0], 1: [0]}, 2)) == [12.0, 4.0]


def test_a_flow_that_wants_less_than_its_share_has_all_of_it() -> None:
    shared = sharing({0: [0], 1: [0]}, 2)
    shared.bandwidth[1] *= 0.25
    assert ends(ALL_AT_ONCE, [6.0, 4.0], shared) == [7.0, 4.0]  # 0.75 of its pace for 4 s, then 3 s of work alone


def test_a_flow_that_waits_for_another_is_alone() -> None:
    assert ends(make_graph([0, 1], [[], [0]]), [3.0, 2.0], sharing({0: [0], 1: [0]}, 2)) == [3.0, 5.0]


def test_compute_beside_a_message_takes_longer_while_that_is_under_way() -> None:
    shared = sharing({1: [0]}, 2, computing={0: 1.0}, holds={1: 0.5})
    assert ends(ALL_AT_ONCE, [4.0, 9.0], shared) == [6.0, 9.0]
    assert ends(ALL_AT_ONCE, [4.0, 3.0], shared) == [5.0, 3.0]  # 2 s of work in the first 3 s


def test_of_compute_and_messages_in_a_task_each_is_slowed_by_its_own() -> None:
    shared = sharing({0: [0], 1: [0]}, 2, computing={0: 0.75}, holds={1: 1.0})
    shared.moving[0] = 0.25
    assert ends(ALL_AT_ONCE, [1.0, 10.0], shared)[0] == 2.0  # 0.75 x 2 + 0.25 x 2


def test_the_makespan_is_that_of_tasks_not_of_alarms_that_were_put_off() -> None:
    graph = make_graph([0, 1, 1], [[], [], []])
    timeline = fluid.play(graph, [[10.0], [1.0], [1.0]], sharing({0: [0], 1: [0], 2: [0]}, 3))
    assert timeline.makespan.tolist() == [12.0]  # an alarm of the first task's had been set for 20 s


def test_columns_share_nothing_with_each_other() -> None:
    shared = sharing({0: [0], 1: [0]}, 2, columns=2)
    timeline = fluid.play(ALL_AT_ONCE, [[3.0, 1.0], [3.0, 5.0]], shared)
    assert timeline.end.tolist() == [[6.0, 2.0], [6.0, 6.0]]


def test_a_circle_of_waits_is_a_deadlock_here_too() -> None:
    with pytest.raises(DeadlockError, match="never end: 0 "):
        fluid.play(make_graph([0], [[0]]), [[1.0]], sharing({}, 1))


def test_what_a_flow_moves_elsewhere_is_nobody_s_business() -> None:
    """Both want 6 of the 10 that the first link has; one of them sends 20 over a second, where there is enough."""
    assert fair_shares(np.array([[6.0, 20.0], [6.0, 0.0]]), np.array([10.0, 50.0])).tolist() == [5 / 6, 5 / 6]


def test_max_min_fair_shares_of_a_chain_of_links() -> None:
    """One flow over three links in a row, one beside it on the first, two on the second, one on the third.

    The second link is the long flow's bottleneck: a third each. Bertsekas and Gallager 1992, section 6.5.2.
    """
    use = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert fair_shares(use, np.ones(3)) == pytest.approx([1 / 3, 2 / 3, 1 / 3, 1 / 3, 2 / 3], rel=1e-15)
    assert fair_shares(use, np.array([2.0, 9.0, 1.5])) == pytest.approx([0.75, 1.0, 1.0, 1.0, 0.75], rel=1e-15)


@st.composite
def flows(draw: st.DrawFn) -> tuple[Floats, Floats]:
    number, links = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    amounts = st.sampled_from([0.0, 0.1, 1 / 3, 1.0, 2.5, 7.0])
    use = draw(st.lists(amounts, min_size=number * links, max_size=number * links))
    return np.array(use).reshape(number, links), np.array(
        draw(st.lists(st.floats(0.1, 10.0), min_size=links, max_size=links))
    )


@given(drawn=flows())
def test_every_flow_has_all_that_it_wants_or_a_bottleneck(drawn: tuple[Floats, Floats]) -> None:
    """Max-min fair is: a flow short of what it wants crosses a full link on which no other moves more than it does."""
    use, capacity = drawn
    shares = fair_shares(use, capacity)
    moved = use * shares[:, np.newaxis]
    assert (shares > 0.0).all()
    assert (shares <= 1.0).all()
    assert (moved.sum(axis=0) <= capacity * (1 + 1e-8)).all()
    level = shares * use[:, use.sum(axis=0) > capacity].max(axis=1, initial=0.0)  # over the short link used most
    full = moved.sum(axis=0) >= capacity * (1 - 1e-8)
    for flow in np.flatnonzero(shares < 1.0).tolist():
        bottlenecks = np.flatnonzero(full & (use[flow] > 0.0))
        assert any(level[flow] >= level[use[:, link] > 0.0].max() * (1 - 1e-8) for link in bottlenecks)


def random_sharing(seed: int, case: Case, capacity: float) -> Sharing:
    """Each kind computes or is a message over up to two of three links; devices drawn too."""
    rng = np.random.default_rng(seed)
    kinds, columns = case.durations.shape
    message = rng.random((kinds, 1)) < 0.5
    ones = np.ones((kinds, columns))
    return Sharing(
        rng.integers(0, 2, kinds),
        holds=message * rng.choice([0.0, 0.15, 1.0], (kinds, 1)) * ones,
        computing=~message * ones,
        moving=message * ones,
        links=np.where(message, np.argsort(rng.random((kinds, 3)))[:, :2], -1),
        bandwidth=0.999 * rng.random((kinds, 2, columns)),  # each fits alone, whatever `capacity` is drawn
        owner=np.arange(3) % 2,
        capacity=np.full((3, columns), capacity),
    )


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_where_nothing_is_short_times_are_those_of_the_reference_engine(seed: int) -> None:
    case = random_case(seed)
    shared = random_sharing(seed, case, capacity=1e3)
    shared.holds[:] = 0.0
    expected, timeline = reference.play(*case), fluid.play(case.graph, case.durations, shared, case.groups)
    assert (timeline.start == expected.start).all()
    assert (timeline.end == expected.end).all()


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), capacity=st.sampled_from([0.999, 1.2, 1.8]))
def test_a_makespan_lies_between_that_of_tasks_alone_and_their_sum(seed: int, capacity: float) -> None:
    """Sharing never helps, and of tasks that share something all together go on as fast as one alone, at least."""
    graph, durations, _ = random_case(seed)
    case = Case(graph, durations, None)
    spans = fluid.play(graph, durations, random_sharing(seed, case, capacity)).makespan
    assert (spans >= reference.makespan(graph, durations) * (1 - 1e-9)).all()
    assert (spans <= durations[graph.kind].sum(axis=0) * (1 + 1e-9)).all()
