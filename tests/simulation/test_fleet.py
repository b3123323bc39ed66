"""Whole units of both phases on a number of devices."""

from __future__ import annotations

import pytest
from serving_scenarios import serving

from clustersim.simulation.serving.fleet import fleet_of
from clustersim.simulation.serving.serving import PHASES, simulate_serving


@pytest.mark.parametrize("devices", [32, 40, 160, 1000])
def test_no_other_split_serves_more(devices: int) -> None:
    result = simulate_serving(serving(devices=devices))
    fleet = fleet_of(result)
    assert fleet is not None
    rates = {phase: 16 * result.phases[phase].central.tokens_per_s for phase in PHASES}
    best = max(
        min(prefill * rates["prefill"] / 1000, decode * rates["decode"] / 250)
        for prefill in range(1, devices // 16)
        for decode in range(1, devices // 16 - prefill + 1)
    )
    assert fleet.requests_per_s == pytest.approx(best)
    assert 16 * sum(fleet.units.values()) + fleet.spare_devices == devices
    assert max(fleet.load.values()) == pytest.approx(1.0)
    assert fleet.prompt_tokens_per_s == pytest.approx(4 * fleet.output_tokens_per_s)


def test_half_the_load_is_half_the_requests() -> None:
    full, half = (fleet_of(simulate_serving(serving(devices=160, utilization=share))) for share in (1.0, 0.5))
    assert full is not None
    assert half is not None
    assert half.requests_per_s == pytest.approx(full.requests_per_s / 2)
    assert max(half.load.values()) == pytest.approx(0.5)


def test_no_number_of_devices_no_fleet() -> None:
    assert fleet_of(simulate_serving(serving())) is None
