"""Operations priced at once against operations priced one by one."""

from __future__ import annotations

import builders
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.costs.machine import Machine, machine_of
from clustersim.costs.placement import group_sizes, place_groups
from clustersim.costs.pricing import bundle_times, bundles
from clustersim.workload.operations import Attention, Collective, Gemm, Operation, Pointwise
from clustersim.workload.sizes import sizes_of

amounts = st.floats(1.0, 1e9)
columns = st.one_of(amounts, st.lists(amounts, min_size=3, max_size=3).map(np.array))
sizes = st.floats(1.0, 1e5)
operations = st.one_of(
    st.builds(
        Gemm, st.just("g"), sizes, sizes, sizes, sizes, precision=st.sampled_from(["bf16", "fp8"]), part=st.just("gemm")
    ),
    st.builds(Attention, st.just("a"), columns, st.just(128.0), st.booleans()),
    st.builds(Pointwise, st.sampled_from("pq"), columns, st.floats(1.0, 9.0), st.booleans()),
    st.builds(
        Collective,
        st.just("c"),
        st.sampled_from(["all-reduce", "all-gather", "reduce-scatter", "all-to-all"]),
        st.sampled_from(["tensor", "data"]),
        columns,
    ),
    st.builds(
        Collective,
        st.just("d"),
        st.sampled_from(["dispatch", "combine"]),
        st.sampled_from(["tensor", "data"]),
        columns,
        st.sampled_from(["alltoall", "allgather", "deepep"]),
        st.sampled_from([2.0, 8.0]),
    ),
)


def machine() -> Machine:
    here = builders.scenario(tensor=4, data=4, nodes=2)
    layout, domain = here.resolved_layout, here.cluster.node.domain
    groups = {group: np.atleast_1d(size) for group, size in group_sizes(sizes_of(layout), layout.pipeline).items()}
    return machine_of(here.cluster, here.stack, place_groups(groups, layout.rank_order, domain))


@given(some=st.lists(operations, min_size=1, max_size=12))
def test_operations_priced_at_once_take_what_each_takes(some: list[Operation]) -> None:
    here = machine()
    together = bundle_times(bundles(some), here, 3)
    for row, operation in zip(together, some, strict=True):
        assert row.tolist() == (np.zeros(3) + here.time(operation)).tolist()


def test_what_differs_in_amounts_alone_is_priced_together() -> None:
    some = [Gemm("a", 8.0, 8.0, 8.0), Pointwise("p", 1.0), Gemm("b", 16.0, 8.0, 4.0), Gemm("c", 8.0, 8.0, 8.0, 2.0)]
    assert [bundle.rows for bundle in bundles(some)] == [[0, 2, 3], [1]]
    assert bundles(some)[1].operation is some[1]
    another = [Gemm("a", 8.0, 8.0, 8.0), Gemm("b", 8.0, 8.0, 8.0, precision="fp8")]
    assert [bundle.rows for bundle in bundles(another)] == [[0], [1]]


def test_nothing_takes_no_row() -> None:
    assert bundle_times(bundles([]), machine(), 2).shape == (0, 2)
    assert bundle_times(bundles([Pointwise("p", 1e12)]), machine(), 1)[0, 0] == pytest.approx(
        float(machine().time(Pointwise("p", 1e12)))
    )
