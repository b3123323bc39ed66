"""What a tier gives to one device."""

from __future__ import annotations

import pytest

from clustersim.costs.links import link_of
from clustersim.inputs.hardware import Tier


def test_tier_efficiency_scales_bandwidth() -> None:
    tier = Tier(kind="full-mesh", bandwidth=196e9, link_bandwidth=28e9, latency=1e-6, efficiency=0.5)
    link = link_of(tier, 0.8)
    assert link.bandwidth == pytest.approx(196e9 * 0.4)
    assert link.pair_bandwidth == pytest.approx(28e9 * 0.4)
    assert link_of(tier.model_copy(update={"kind": "switched"}), 1.0).pair_bandwidth is None
