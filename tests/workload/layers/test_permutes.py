"""Copies around experts, against counts of reads and writes by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import moe, shape

from clustersim.costs.host import launches_of
from clustersim.workload.layers.experts import ExpertLayer
from clustersim.workload.layers.permutes import permuted, sliced
from clustersim.workload.operations import Pointwise
from clustersim.workload.passes import element_pass
from clustersim.workload.shape import Shape

V, H = 64.0, 16.0  # bytes of the routed rows, and of the tokens that a rank holds


def of(way: str = "fused", *, sequential: bool = False, **changes: Any) -> Shape:
    found = shape(**changes)
    return replace(found, software=replace(found.software, permutes=way, sequential_experts=sequential))


def around(here: Shape) -> dict[str, tuple[float, float]]:
    experts = moe().moe
    assert experts is not None
    copies = permuted(experts, here, vector=2.0, held=H / 2, routed=V / 2, kept=True)
    elements = [*copies.sent, *copies.arrived, *copies.leaving, *copies.returned]
    return {e.name: (float(e.forward_bytes), float(e.backward_bytes)) for e in elements}  # type: ignore[attr-defined]


def test_fused_kernels_move_each_token_once() -> None:
    assert around(of(dispatcher="deepep"))["permute"] == (2 * V, 2 * V)
    assert around(of("indexed", dispatcher="deepep")) == around(of(dispatcher="deepep")), "it brings its own"


def test_all_tokens_are_gathered_twice_and_scattered_twice() -> None:
    """Of 4 x 2 ranks' tokens. A gather reads and writes; its gradient clears, reads and adds: to rows, and to all."""
    here = of("indexed", dispatcher="allgather", expert=4.0, expert_tensor=2.0)
    rows, everybody = 2 * V, 8 * H
    assert around(here) == {
        "permute": (2 * 2 * rows, (1 + 3) * rows + everybody + 3 * rows),
        "unpermute": ((1 + 3 + 2 + 3) * rows + everybody, (2 + 6 + 2) * rows),
    }


@pytest.mark.parametrize(("precision", "width"), [("bf16", 2.0), ("tf32", 4.0)])
def test_an_index_for_every_element_is_written_and_read(precision: str, width: float) -> None:
    """By two operations each: 16 bytes an element, where tokens have 2 or 4."""
    cells = {"dispatcher": "allgather", "precision": precision}
    plain, expanded = (around(of(way, **cells)) for way in ("indexed", "expanded"))
    for name in ("permute", "unpermute"):
        for phase in (0, 1):
            assert expanded[name][phase] - plain[name][phase] == pytest.approx(2 * 16 * V / width)
    exchanged = (around(of(way, dispatcher="alltoall")) for way in ("indexed", "expanded"))
    assert next(exchanged) == next(exchanged), "rows are picked by one index each"


def test_one_expert_a_rank_needs_no_second_sort() -> None:
    one, several = (around(of("indexed", dispatcher="alltoall", expert=ranks)) for ranks in (16.0, 4.0))
    assert one["expert sort"] == one["expert unsort"] == (0.0, 0.0)
    assert several["expert sort"] == (2 * V, 4 * V)
    assert several["permute"] == one["permute"] == (2 * V, 3 * V + H)


@pytest.mark.parametrize("ranks", [1.0, 4.0, 16.0])
def test_each_slice_costs_a_whole_buffer_backward(ranks: float) -> None:
    """n experts: 2 n + 3 to copy gradients of assignments, n + 2 to clear buffers and fill them, 3 (n - 1) to add."""
    experts = moe().moe
    assert experts is not None
    local = experts.experts / ranks
    (slices,) = sliced(experts, of(sequential=True, expert=ranks), V)
    assert slices.forward_bytes == 3 * V  # type: ignore[attr-defined]
    assert slices.backward_bytes == V * ((2 * local + 3) + (local + 2) + 3 * (local - 1))  # type: ignore[attr-defined]
    assert sliced(experts, of(expert=ranks), V) == []


def test_a_layer_has_them_where_its_software_does() -> None:
    def names(here: Shape) -> list[str]:
        work = element_pass(ExpertLayer().train(moe(), here), "forward")
        return [operation.name for operation in work.operations if isinstance(operation, Pointwise)]

    old, new = (
        names(of(way, sequential=way != "fused", expert=4.0, dispatcher="allgather")) for way in ("indexed", "fused")
    )
    assert set(old) - set(new) == {"expert slices"}
    assert old.index("permute") < old.index("expert slices") < old.index("unpermute")


def test_modules_of_their_own_are_issued_one_by_one() -> None:
    """Sequential experts: every product a launch, and four kernels more an expert."""
    work = element_pass(ExpertLayer().train(moe(), of(sequential=True, expert=4.0)), "forward")
    plain = element_pass(ExpertLayer().train(moe(), of(expert=4.0)), "forward")
    assert launches_of(work.operations).kernels - launches_of(plain.operations).kernels == 4 * 4
