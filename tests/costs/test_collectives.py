"""Bytes over a device's links: closed forms, and never more than what the links carry in the time that is priced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import builders
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.costs.algorithms import algorithm
from clustersim.costs.collectives import ALGORITHMS, Cost, Reach
from clustersim.costs.machine import Machine, machine_of
from clustersim.costs.placement import RankPlacement
from clustersim.errors import InputError
from clustersim.inputs.checks import UNPRICED_DISPATCHERS
from clustersim.inputs.layout import Dispatcher
from clustersim.workload.operations import Collective, CollectiveKind

INSIDE, ACROSS, SPREAD, ALONE = (
    RankPlacement(*sizes) for sizes in ((8.0, 8.0, 1.0), (32.0, 8.0, 4.0), (4.0, 1.0, 4.0), (1.0, 1.0, 1.0))
)


def machine(group: RankPlacement, **changes: Any) -> Machine:
    return machine_of(builders.cluster(4), builders.stack(**changes), {"expert": group})


def sent(kind: CollectiveKind, group: RankPlacement, **changes: Any) -> list[float]:
    collective = Collective(kind, kind, "expert", 32.0, **changes)
    _, near, far = machine(group).collective(collective)
    return [float(near), float(far)]


def test_a_ring_sends_the_whole_vector_but_a_rank_s_share_and_leaves_a_domain_over_all_its_links() -> None:
    assert sent("all-gather", INSIDE) == [28.0, 0.0]
    assert sent("reduce-scatter", ACROSS) == [31.0 * 7 / 8, 31.0 / 8]
    assert sent("all-reduce", ACROSS, algorithm="ring") == [62.0 * 7 / 8, 62.0 / 8]
    assert sent("all-gather", SPREAD) == [0.0, 24.0]


def test_a_tree_sends_up_and_down_and_a_switch_sums_what_it_passes_on() -> None:
    assert sent("all-reduce", ACROSS, algorithm="tree") == [64.0 * 7 / 8, 64.0 * 3 / 4 / 8]
    here = machine(INSIDE)
    summing = replace(here, up=replace(here.up, switch_bandwidth=150e9))
    assert summing.collective(Collective("m", "all-reduce", "expert", 32.0))[1:] == (32.0 + 4.0, 0.0)


def test_an_exchange_sends_each_rank_its_part() -> None:
    assert sent("all-to-all", ACROSS) == [7.0, 24.0]
    assert sent("all-to-all", INSIDE) == [28.0, 0.0]


def test_routed_vectors_travel_as_they_are_dispatched() -> None:
    """8 copies that meet 4 (1 - (3/4)^8) of 4 domains and 7.2 of 32 ranks, once each; or every token to every rank."""
    domains, ranks = 4 * (1 - 0.75**8), 32 * (1 - (31 / 32) ** 8)
    once = [4.0 * ranks * 7 / 8, 4.0 * domains * 0.75]
    assert sent("dispatch", ACROSS, algorithm="deepep", copies=8.0) == pytest.approx(once)
    assert sent("combine", ACROSS, algorithm="allgather", copies=8.0) == [31.0 * 4 * 7 / 8, 31.0 * 4 / 8]


def test_what_goes_to_one_or_comes_from_one_passes_every_rank_and_waits_for_every_hop() -> None:
    assert sent("broadcast", INSIDE) == sent("reduce", INSIDE) == [32.0, 0.0]
    assert sent("broadcast", ACROSS) == [32.0 - 32.0 / 8, 32.0 / 8]
    here = machine(SPREAD)
    here = replace(here, out=replace(here.out, latency=1e-3))
    seconds = here.collective_time(Collective("m", "broadcast", "expert", 1e9))
    assert seconds == pytest.approx(3 * 1e-3 + 1e9 / here.out.bandwidth)


@pytest.mark.parametrize("kind", ["all-gather", "reduce-scatter", "broadcast"])
def test_a_message_in_pieces_takes_as_long_as_all_of_them(kind: CollectiveKind) -> None:
    here = machine(ACROSS)
    here = replace(here, out=replace(here.out, latency=1e-5), up=replace(here.up, start=3e-5))
    piece, whole = Collective("m", kind, "expert", 1e6), Collective("m", kind, "expert", 4e6, pieces=4.0)
    seconds, near, far = map(float, here.collective(whole))
    assert [seconds, near, far] == pytest.approx([4.0 * float(amount) for amount in here.collective(piece)])
    assert [near, far] == pytest.approx([float(some) for some in here.collective(replace(whole, pieces=1.0))[1:]])


def test_the_host_makes_a_list_s_parts_rank_by_rank() -> None:
    plain = Collective("m", "all-gather", "expert", 4e6, pieces=4.0)
    listed = replace(plain, host_a_rank=1e-5)
    here = machine(ACROSS)
    assert here.collective_time(listed) - here.collective_time(plain) == pytest.approx(4 * 32 * 1e-5)
    assert machine(ALONE).collective_time(listed) == 0.0


KINDS = [(kind, name) for kind, known in ALGORITHMS.items() for name in known]


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_a_rank_alone_sends_nothing(kind: CollectiveKind, name: str) -> None:
    here = machine(ALONE)
    collective = Collective("m", kind, "expert", 32.0, algorithm=name, copies=8.0)
    seconds, near, far = here.collective(collective)
    assert seconds == 0.0
    if name != "switch":  # one rank has none
        assert (near, far) == (0.0, 0.0)


@given(
    kind=st.sampled_from(KINDS),
    group=st.sampled_from([INSIDE, ACROSS, SPREAD, ALONE]),
    message=st.floats(1e3, 1e10),
    copies=st.sampled_from([1.0, 2.0, 8.0]),
)
def test_links_carry_no_more_than_they_can(
    kind: tuple[CollectiveKind, str], group: RankPlacement, message: float, copies: float
) -> None:
    here = machine(group)
    seconds, near, far = here.collective(Collective("m", kind[0], "expert", message, kind[1], copies))
    assert np.all(near <= seconds * here.up.bandwidth * (1 + 1e-9))
    assert np.all(far <= seconds * here.out.bandwidth * (1 + 1e-9))


def test_every_kind_and_every_dispatcher_has_an_algorithm() -> None:
    """What a layout may ask for is priced, or refused where layouts are checked."""
    assert set(ALGORITHMS) == set(get_args(CollectiveKind))
    asked = set(get_args(Dispatcher)) - set(UNPRICED_DISPATCHERS)
    assert set(ALGORITHMS["dispatch"]) == set(ALGORITHMS["combine"]) == asked


def test_unknown_kinds_and_algorithms_are_refused() -> None:
    here = machine(INSIDE)
    for kind, name, said in (
        ("send", None, 'collective: "send" is not modelled. Accepted: all-to-all, pass-on, '),
        ("all-gather", "carrier pigeon", 'all-gather: "carrier pigeon" is not modelled. Accepted: ring'),
        (
            "dispatch",
            None,
            'layout.dispatcher: "none" is not modelled. Accepted: alltoall, allgather, hybridep, deepep',
        ),
        ("combine", "of-tomorrow", 'layout.dispatcher: "of-tomorrow" is not modelled. Accepted: alltoall'),
    ):
        with pytest.raises(InputError) as caught:
            here.collective(Collective("m", kind, "expert", 1.0, name))  # type: ignore[arg-type]
        assert said in str(caught.value)


def test_an_algorithm_is_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered, it is asked for by name, or chosen where it is the fastest, with its own bytes."""
    monkeypatch.setitem(ALGORITHMS, "all-reduce", dict(ALGORITHMS["all-reduce"]))

    @algorithm("all-reduce", "butterfly")
    def butterfly(collective: Collective, reach: Reach) -> Cost:
        """Fast with small messages alone."""
        size = collective.bytes
        return Cost(np.where(size > 1e6, np.inf, 1e-12), size, 0.0 * size)

    here = machine(INSIDE)
    sizes = np.array([1e3, 1e9])
    message = Collective("m", "all-reduce", "expert", sizes)
    chosen, ring = here.collective(message), here.collective(replace(message, algorithm="ring"))
    assert chosen.seconds.tolist() == [1e-12, ring.seconds[1]]
    assert chosen.near.tolist() == [1e3, ring.near[1]]
    assert here.time(replace(message, algorithm="butterfly")).tolist() == [1e-12, np.inf]
    with pytest.raises(ValueError, match="has an algorithm butterfly already"):
        algorithm("all-reduce", "butterfly")(butterfly)
