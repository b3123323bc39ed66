"""What an export hands over: a text for a launcher, and the keys of the scenario that it can't say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clustersim.inputs.model import Model
from clustersim.inputs.scenario import Scenario

Flags = dict[str, Any]  # by Megatron's names with underscores; True is a bare flag


@dataclass
class Exported:
    """A text of a launcher and, by dotted key, why something of the scenario isn't in it."""

    text: str = ""
    suffix: str = ".sh"
    left: dict[str, str] = field(default_factory=dict)
    idle: set[str] = field(default_factory=set)  # keys that mean nothing in this scenario, and aren't written

    def leave(self, key: str, why: str) -> None:
        """Say that a key can't be said there."""
        self.left.setdefault(key, why)


def expert_layers(model: Model) -> list[int]:
    """Of every layer, 1 where it has experts and 0 where it is dense."""
    return [int(model.block_kind(layer).channel_mixer == "experts") for layer in range(model.layers)]


def is_even(layers: tuple[int, ...]) -> bool:
    """Whether all stages hold as many layers."""
    return len(set(layers)) <= 1


def devices_of(scenario: Scenario) -> tuple[int, int]:
    """Nodes and devices a node."""
    return scenario.cluster.nodes, scenario.cluster.node.devices


def header(scenario: Scenario) -> list[str]:
    """What a reader should know first, and the chip by its name."""
    nodes, each = devices_of(scenario)
    chip = scenario.cluster.accelerator.name
    return [
        f"# {scenario.name}: {scenario.model.name} on {nodes * each} GPUs ({nodes} nodes of {each} {chip})",
        "# Written by clustersim export.",
    ]


def unsaid(left: Mapping[str, str]) -> list[str]:
    """What can't be said, as comments."""
    return [f"# not said: {key}: {why}" for key, why in left.items()]
