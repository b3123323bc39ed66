"""Published utilization at scale, which nothing is fitted to, beside what is predicted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from clustersim.inputs.load import load_scenario
from clustersim.simulation.step.step import simulate_step


@dataclass(frozen=True)
class ScaleCheck:
    """One published MFU (full attention, over the cube or tensor-core peak)."""

    name: str
    devices: int
    published: float
    predicted: float

    @property
    def error(self) -> float:
        """predicted / published - 1."""
        return self.predicted / self.published - 1.0


def scale_checks() -> list[ScaleCheck]:
    """All of them, simulated now."""
    text = files("clustersim.catalog").joinpath("measured", "at_scale.json").read_text(encoding="utf-8")
    return [check for told in json.loads(text)["checks"] for check in _checks(told)]


def _checks(told: dict[str, Any]) -> Iterator[ScaleCheck]:
    """A check for each number of devices; tokens a second become the MFU that so many of ours are."""
    rates = told.get("tokens_per_s", {})
    for devices, published in (told.get("mfu") or rates).items():
        step = simulate_step(load_scenario(_scenario(told, int(devices))), intervals=False)
        mfu = step.mfu * published / step.tokens_per_s if rates else published
        yield ScaleCheck(told["name"], int(devices), mfu, step.mfu)


def _scenario(told: dict[str, Any], devices: int) -> Any:
    """The scenario on so many devices."""
    scenario = told["scenario"]
    if not isinstance(scenario, dict):
        return scenario
    training = dict(scenario["training"])
    if "sequences_a_device" in told:
        training["global_batch"] = int(told["sequences_a_device"] * devices)
    return scenario | {"cluster": scenario["cluster"] | {"devices": devices}, "training": training}
