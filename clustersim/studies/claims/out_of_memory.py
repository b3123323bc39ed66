"""Claims of what cannot fit: no layout holds the model in the memory of the stated devices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clustersim.inputs.claim import Claim
from clustersim.inputs.claim_metrics import FIGURES
from clustersim.inputs.layout import Layout
from clustersim.inputs.scenario import Scenario
from clustersim.studies.claims.assertion_rows import AssertionRow, reasoned_row
from clustersim.studies.layouts.search import leanest_bytes
from clustersim.workload.parameters import total_parameters
from clustersim.workload.states import state_bytes_of


def too_large_rows(claim: Claim, scenarios: Sequence[Scenario], reasons: Sequence[str]) -> list[AssertionRow]:
    """A row for every figure where memory is what keeps all scenarios from running; none where something else does.

    Impossible where weights, masters and moments alone are more than all devices hold; implausible where no layout
    that was tried fits.
    """
    if not scenarios or any(math.isinf(_least(scenario)) for scenario in scenarios):
        return []
    roomiest = max(scenarios, key=_room)
    held = _state_bytes(roomiest)
    room = roomiest.cluster.devices * roomiest.cluster.accelerator.memory.usable_bytes
    verdict, reason = "implausible", "; ".join(reasons)
    if held > room:
        verdict = "impossible"
        reason = (
            f"16-bit weights, 32-bit masters and Adam's moments are {held / 2**40:.3g} TiB, and "
            f"{roomiest.cluster.devices:,} devices hold {room / 2**40:.3g} TiB"
        )
    figures = [(found.id, found.metric, found.claimed) for found in claim.assertions]
    figures += [(found.id, found.asserted.metric, found.asserted.value) for found in claim.relations]
    return [reasoned_row(name, metric, value, FIGURES[metric].unit, verdict, reason) for name, metric, value in figures]


def _room(scenario: Scenario) -> float:
    """How much more all devices hold than the states take."""
    return scenario.cluster.devices * scenario.cluster.accelerator.memory.usable_bytes / _state_bytes(scenario)


def _state_bytes(scenario: Scenario) -> float:
    layout = scenario.layout
    offload = layout.offload if isinstance(layout, Layout) else "none"
    return state_bytes_of(scenario.training, "bf16").least(offload) * total_parameters(scenario.model)


def _least(scenario: Scenario) -> float:
    """Bytes a device of the leanest layout; a stated one was found not to fit, so any number will do."""
    return leanest_bytes(scenario) if scenario.layout == "search" else 0.0
