"""Published utilization at scale, which nothing is fitted to, beside what is predicted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from clustersim.inputs.load import load_scenario
from clustersim.simulation.step import simulate_step


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
    for devices, published in told["mfu"].items():
        scenario = told["scenario"]
        if isinstance(scenario, dict):
            batch = int(told["sequences_a_device"] * int(devices))
            scenario = scenario | {
                "cluster": scenario["cluster"] | {"devices": int(devices)},
                "training": scenario["training"] | {"global_batch": batch},
            }
        step = simulate_step(load_scenario(scenario), intervals=False)
        yield ScaleCheck(told["name"], int(devices), published, step.mfu)
