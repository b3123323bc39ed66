"""A stack without runs of its own: everything takes longer by one share."""

from __future__ import annotations

import pytest
from builders import cluster, scenario, stack

from clustersim.costs.exchanges import send
from clustersim.costs.links import link_of
from clustersim.inputs.stack import Stack
from clustersim.simulation.step.step import simulate_step


def short(by: float) -> Stack:
    return stack(kernel_gap=1e-5, residual={"spread": 0.1, "evidence": "assumed", "shortfall": by})


@pytest.mark.parametrize("layout", [{}, {"pipeline": 2, "tensor": 4}, {"sharding": "fsdp"}])
def test_the_step_takes_longer_by_the_shortfall(layout: dict[str, object]) -> None:
    known, new = (simulate_step(scenario(stack_=short(by), **layout)).step_time_s for by in (0.0, 0.25))
    assert new == pytest.approx(1.25 * known, rel=1e-9)


def test_links_are_slowed_in_all_they_do() -> None:
    link = link_of(cluster().node.scale_up, 1.0)
    for message in (1.0, 1e9):
        slow = send(message, False, link.slowed(2.0), link.slowed(2.0)).seconds
        assert slow == pytest.approx(2.0 * send(message, False, link, link).seconds)
