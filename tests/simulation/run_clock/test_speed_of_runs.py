"""How long it takes to play a run: a year of 100,000 devices with every cause."""

from __future__ import annotations

import time
from collections.abc import Generator
from itertools import count

import pytest
import simpy
from run_plans import DAY

from clustersim.inputs.load import load_scenario
from clustersim.inputs.reliability import Maintenance, Stalls
from clustersim.simulation.run_clock.plan import RunPlan, plan_of
from clustersim.simulation.run_clock.play import play_run
from clustersim.simulation.run_clock.slow_nodes import SlowNodes

USUAL_EVENT_S = 0.8e-6  # a bare event of SimPy on an idle core of today; slower machines get their share more


def a_year_of_everything() -> RunPlan:
    """Llama 3's failures on 100,000 devices and what it has none of: infants, spares, slow nodes, stalls, memory."""
    infant = {"factor": 3.0, "decay": "20 d"}
    memory = {"interval": "60 s", "loading": "5 s", "survives": "50 %"}
    here = load_scenario(
        {
            "model": "llama-3.1-405b",
            "cluster": {"node": "grand-teton-h100", "devices": 102400},
            "training": {"sequence_length": 8192, "global_batch": 12800},
            "layout": {"tensor": 8},
            "stack": "meta-llama3-2024",
            "reliability": {
                "extends": "llama3-h100",
                "failures": {"device": {"infant": infant}},
                "checkpoint": {"mode": "asynchronous", "interval": "10 min", "memory": memory},
                "spares": 100,
                "repair": "2 d",
                "without_spares": "shrink",
                "stalls": {"rate": "2 /d", "duration": "5 min"},
                "maintenance": {"interval": "1 d", "duration": "10 min"},
            },
        }
    )
    slow = SlowNodes(0.07e-3 / DAY * 12800, 1.1, 0.01, detection_s=DAY)
    return plan_of(here, 220 * DAY, 5.0, slow)


def machine_factor() -> float:
    """How many times as long as usual SimPy takes here, now."""

    def ticks(env: simpy.Environment) -> Generator[simpy.Event, object, None]:
        for _ in count():
            yield env.timeout(1.0)

    env = simpy.Environment()
    env.process(ticks(env))
    started = time.process_time()
    env.run(until=100_000)
    return max(1.0, (time.process_time() - started) / 1e5 / USUAL_EVENT_S)


@pytest.mark.slow
def test_a_year_of_a_hundred_thousand_devices_takes_less_than_a_second() -> None:
    """Over a year and more than 10,000 interruptions. On an idle core 0.6 s and less, so 200 seeds a minute on two."""
    plan = a_year_of_everything()
    assert isinstance(plan.maintenance, Maintenance)
    assert isinstance(plan.stalls, Stalls)
    seconds = []
    for seed in range(5):
        started = time.process_time()
        run = play_run(plan, seed)
        seconds.append((time.process_time() - started) / machine_factor())
        assert run.wall_s / DAY > 330
        assert sum(run.interruptions.values()) > 10_000
        assert {
            "slow nodes",
            "data stalls",
            "maintenance",
            "checkpoints",
            "daily variation",
            "silent_corruption",
        } <= set(run.lost)
    assert min(seconds) < 1.0
