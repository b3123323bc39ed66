"""Small plans of runs for tests: ten days of training, seven failures a day, round numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from clustersim.simulation.run_clock.cycle import Cycle
from clustersim.simulation.run_clock.plan import InterruptionCause, JobNodes, Recovery, RunPlan
from clustersim.simulation.run_clock.play import play_run

DAY = 86_400.0


def source(name: str = "device", a_day: float = 4.0, **changes: Any) -> InterruptionCause:
    """A cause of interruptions, `a_day` times a day, found after two minutes and understood after three."""
    values: dict[str, Any] = {
        "name": name,
        "rate": a_day / DAY,
        "infant_count": 0.0,
        "infant_decay": 1.0,
        "replaces": 1.0,
        "on_a_node": True,
        "idle": True,
        "silent_s": None,
        "phases": (("detection", 120.0), ("diagnosis", 180.0)),
    }
    return InterruptionCause(**(values | changes))


def plan(**changes: Any) -> RunPlan:
    """64 nodes in 16 replicas, hardware and software failures, synchronous checkpoints."""
    days = RunPlan(
        work_s=10 * DAY,
        sources=(source(), source("software", 3.0, idle=False, replaces=0.0, phases=(("diagnosis", 1500.0),))),
        cycle=Cycle(3000.0, 60.0),
        recovery=Recovery(restart_s=300.0, loading_s=60.0, memory_loading_s=10.0),
        fleet=JobNodes(64, 16, 4.0),
    )
    return replace(days, **changes)


def walls(here: RunPlan, seeds: int) -> tuple[float, float]:
    """Mean wall seconds over seeds, and its standard error."""
    found = [play_run(here, seed).wall_s for seed in range(seeds)]
    return float(np.mean(found)), float(np.std(found, ddof=1) / seeds**0.5)
