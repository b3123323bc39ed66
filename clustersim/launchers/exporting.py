"""From a scenario to what starts it: flags or a file of a launcher, and what can't be said there."""

from __future__ import annotations

from collections.abc import Callable

from clustersim.errors import InputError, Problem
from clustersim.inputs.scenario import Scenario
from clustersim.launchers.exported import Exported
from clustersim.launchers.to_bridge import to_bridge
from clustersim.launchers.to_deepspeed import to_deepspeed
from clustersim.launchers.to_megatron import to_megatron, to_mindspeed
from clustersim.launchers.to_torchtitan import to_torchtitan

TARGETS: dict[str, Callable[[Scenario], Exported]] = {
    "megatron": to_megatron,
    "megatron-bridge": to_bridge,
    "torchtitan": to_torchtitan,
    "deepspeed": to_deepspeed,
    "mindspeed": to_mindspeed,
}


def export(scenario: Scenario, target: str) -> Exported:
    """A scenario with a resolved layout in the words of a launcher. Raises InputError for one that isn't known."""
    if target not in TARGETS:
        raise InputError("export", [Problem(f"no launcher {target}. Known: {', '.join(TARGETS)}", "--to")])
    return TARGETS[target](scenario)
