"""Where the ranks of groups sit."""

from __future__ import annotations

import pytest

from clustersim.costs.placement import place, place_groups


@pytest.mark.parametrize(
    ("ranks", "stride", "inside", "across"),
    [(8, 1, 8, 1), (8, 8, 1, 8), (16, 1, 8, 2), (4, 2, 4, 1), (8, 4, 2, 4), (1, 64, 1, 1), (12, 1, 8, 2)],
)
def test_placement_in_domains_of_eight(ranks: float, stride: float, inside: float, across: float) -> None:
    placed = place(ranks, stride, 8.0)
    assert (float(placed.inside), float(placed.across)) == (inside, across)


def test_megatrons_order_puts_tensor_inside_and_pipeline_far_apart() -> None:
    sizes = {"tensor": 8.0, "context": 1.0, "data": 4.0, "pipeline": 8.0, "expert": 4.0, "expert_tensor": 2.0}
    groups = place_groups(sizes, "tensor-context-expert-data-pipeline", 8.0)
    assert float(groups["tensor"].across) == 1
    assert float(groups["data"].inside) == 1
    assert float(groups["pipeline"].inside) == 1
    assert float(groups["expert"].inside) == 4
    assert float(groups["expert_data"].ranks) == 4
    swapped = place_groups(sizes, "pipeline-tensor-context-expert-data", 8.0)
    assert float(swapped["pipeline"].across) == 1
