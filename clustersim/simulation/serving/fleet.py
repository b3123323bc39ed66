"""How many units of each phase a number of devices makes, and the users that they serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clustersim.simulation.serving.serving import PHASES, ServingResult
from clustersim.workload.serving import ServingPhase


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
    splits = [
        (prefill, (serving.devices - prefill * sizes["prefill"]) // sizes["decode"])
        for prefill in range(1, (serving.devices - sizes["decode"]) // sizes["prefill"] + 1)
    ]
    prefill, decode = max(
        splits, key=lambda split: (min(split[0] * each["prefill"], split[1] * each["decode"]), -split[0])
    )
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
