"""How many units of each phase a number of devices makes, and the users that they serve."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from clustersim.simulation.serving.serving import PHASES, ServingResult
from clustersim.workload.layers.serving_batch import ServingPhase


@dataclass(frozen=True)
class Fleet:
    """Units of both phases on a number of devices, and what they serve."""

    units: Mapping[ServingPhase, int]
    spare_devices: int
    requests_per_s: float
    prompt_tokens_per_s: float
    output_tokens_per_s: float
    load: Mapping[ServingPhase, float]  # over what a phase's units could serve


def fleet_of(result: ServingResult) -> Fleet | None:
    """The whole units that serve the most requests on the scenario's devices; None where it states no number.

    A request asks for a prompt and an answer of mean length: u units of D devices serve u D rate / length of them a
    second, and the slower phase is the limit. Of equally good splits the one with the fewest prefill units is taken.
    """
    serving = result.serving
    if serving.devices is None:
        return None
    lengths: dict[ServingPhase, float] = {"prefill": serving.traffic.prompt, "decode": serving.traffic.output}
    sizes = {phase: result.phases[phase].devices for phase in PHASES}
    each = {phase: sizes[phase] * result.phases[phase].central.tokens_per_s / lengths[phase] for phase in PHASES}
    most = (serving.devices - sizes["decode"]) // sizes["prefill"]

    def served_by(prefill: int) -> tuple[float, float]:
        """Requests a second that so many prefill units can take, and that the decode units beside them can."""
        decode = (serving.devices - prefill * sizes["prefill"]) // sizes["decode"] if serving.devices else 0
        return prefill * each["prefill"], decode * each["decode"]

    # What prefill can take grows with its units, what decode can falls: the best is where they cross, or just before.
    cross = bisect_left(range(1, most + 1), True, key=lambda units: served_by(units)[0] >= served_by(units)[1]) + 1
    near = [units for units in (cross - 1, cross) if 1 <= units <= most]
    prefill = max(near, key=lambda units: (min(served_by(units)), -units))
    decode = (serving.devices - prefill * sizes["prefill"]) // sizes["decode"]
    units: dict[ServingPhase, int] = {"prefill": prefill, "decode": decode}
    could = {phase: units[phase] * each[phase] for phase in PHASES}
    served = min(could.values()) * serving.utilization
    return Fleet(
        units,
        serving.devices - sum(units[phase] * sizes[phase] for phase in PHASES),
        served,
        served * lengths["prefill"],
        served * lengths["decode"],
        {phase: served / could[phase] for phase in PHASES},
    )
