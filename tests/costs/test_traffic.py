"""Bytes over a device's links: closed forms, and never more than what the links carry in the time that is priced."""

from __future__ import annotations

from typing import Any, get_args

import builders
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.costs.machine import Machine, machine_of
from clustersim.costs.placement import RankPlacement
from clustersim.costs.traffic import FAR, NEAR, collective_bytes
from clustersim.workload.operations import Collective, CollectiveKind

INSIDE, ACROSS, SPREAD, ALONE = (
    RankPlacement(*sizes) for sizes in ((8.0, 8.0, 1.0), (32.0, 8.0, 4.0), (4.0, 1.0, 4.0), (1.0, 1.0, 1.0))
)


def machine(group: RankPlacement, **changes: Any) -> Machine:
    return machine_of(builders.cluster(4), builders.stack(**changes), {"expert": group})


def sent(kind: CollectiveKind, group: RankPlacement, **changes: Any) -> list[float]:
    collective = Collective(kind, kind, "expert", 32.0, **changes)
    figures: list[float] = collective_bytes(collective, machine(group))[:, 0].tolist()
    return figures


def test_a_ring_sends_the_whole_vector_but_a_rank_s_share_and_leaves_a_domain_over_all_its_links() -> None:
    assert sent("all-gather", INSIDE) == [28.0, 0.0]
    assert sent("reduce-scatter", ACROSS) == [31.0 * 7 / 8, 31.0 / 8]
    assert sent("all-reduce", ACROSS) == [62.0 * 7 / 8, 62.0 / 8]
    assert sent("all-gather", SPREAD) == [0.0, 24.0]


def test_an_exchange_sends_each_rank_its_part() -> None:
    assert sent("all-to-all", ACROSS) == [7.0, 24.0]
    assert sent("all-to-all", INSIDE) == [28.0, 0.0]


def test_routed_vectors_travel_as_they_are_dispatched() -> None:
    """8 copies that meet 4 (1 - (3/4)^8) of 4 domains, once each; or every token to every rank."""
    met = 4 * (1 - 0.75**8)
    assert sent("all-to-all", ACROSS, dispatcher="deepep", copies=8.0) == pytest.approx([28.0, 4.0 * met * 0.75])
    assert sent("all-to-all", ACROSS, dispatcher="allgather", copies=8.0) == [31.0 * 4 * 7 / 8, 31.0 * 4 / 8]


@pytest.mark.parametrize("kind", ["all-gather", "all-reduce", "all-to-all"])
def test_a_rank_alone_sends_nothing(kind: CollectiveKind) -> None:
    assert sent(kind, ALONE) == [0.0, 0.0]


@given(
    kind=st.sampled_from([kind for kind in get_args(CollectiveKind) if kind != "send"]),
    group=st.sampled_from([INSIDE, ACROSS, SPREAD, ALONE]),
    dispatcher=st.sampled_from([None, "alltoall", "allgather", "deepep", "hybridep"]),
    message=st.floats(1e3, 1e10),
    copies=st.sampled_from([1.0, 2.0, 8.0]),
)
def test_links_carry_no_more_than_they_can(
    kind: CollectiveKind, group: RankPlacement, dispatcher: str | None, message: float, copies: float
) -> None:
    here = machine(group)
    collective = Collective(kind, kind, "expert", message, copies=copies, dispatcher=dispatcher)
    seconds, moved = here.collective_time(collective), collective_bytes(collective, here)
    slack = (
        1 + 1e-9 if kind != "all-reduce" else 4 / 3
    )  # trees send 2 (D - 1)/D over the links that rings send (n - 1)/n
    assert np.all(moved[NEAR] <= seconds * here.up.bandwidth * slack)
    assert np.all(moved[FAR] <= seconds * here.out.bandwidth * slack)
