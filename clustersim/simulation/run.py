"""The run: the step repeated until the last token, what comes between, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clustersim.inputs.scenario import Scenario
from clustersim.inputs.units import SECONDS_A_DAY, SECONDS_AN_HOUR
from clustersim.simulation.intervals import ModelError, model_error
from clustersim.simulation.results import RunResult, StepResult
from clustersim.simulation.run_clock.expected import ExpectedRun, expected_run
from clustersim.simulation.run_clock.plan import plan_of
from clustersim.simulation.run_clock.slow_nodes import SlowNodes
from clustersim.simulation.step.step import play_step, result_of, simulate_steps
from clustersim.simulation.stragglers import slow_nodes_of

if TYPE_CHECKING:
    from clustersim.simulation.run_clock.runs import PlayedRuns

FIGURES = ("training_days", "device_hours", "cost_usd", "energy_kwh")
NO_HEADWAY = (
    "the run makes no headway: failures come faster than it recovers. Lower the rates, save more often, restart "
    "faster, or give more reliability.spares"
)


@dataclass(frozen=True)
class Bill:
    """What a run of some length costs."""

    device_hours: float
    cost_usd: float | None
    energy_kwh: float | None
    missing: Mapping[str, str]


def simulate_run(scenario: Scenario, *, engine: str = "auto", intervals: bool = True) -> RunResult:
    """Simulate a step and what the whole training of a scenario with a resolved layout is expected to take.

    With a failure profile (`reliability`) the closed form of the run clock says how long; `play_runs` plays it. Raises
    InfeasibleError as `simulate_step` does. A figure that the inputs don't reach is None, with the reason.
    """
    played = play_step(scenario, engine=engine)
    return run_of(result_of(played, intervals=intervals), slow_nodes_of(played))


def simulate_runs(scenarios: Sequence[Scenario], *, engine: str = "auto", intervals: bool = True) -> list[RunResult]:
    """The runs of scenarios of one structure (`columns.structure_of`), their steps played side by side."""
    if len(scenarios) == 1:
        return [simulate_run(scenarios[0], engine=engine, intervals=intervals)]
    return [run_of(step) for step in simulate_steps(scenarios, engine=engine, intervals=intervals)]


def run_of(step: StepResult, slow_nodes: SlowNodes | None = None) -> RunResult:
    """Training time, device-hours, cost and energy of a step repeated tokens / tokens-a-step times.

    days = tokens / (tokens a second) / goodput. Without a failure profile goodput is `cluster.availability`.
    """
    scenario, tokens = step.scenario, step.scenario.training.tokens
    if tokens is None:
        return RunResult(step, None, None, None, None, dict.fromkeys(FIGURES, "training.tokens is not given"))
    ideal = tokens / step.tokens_per_s
    if scenario.reliability is None:
        seconds = ideal / scenario.cluster.availability
        return _billed(step, ideal, ExpectedRun(seconds, scenario.cluster.availability, 0.0, None, None))
    plan = plan_of(scenario, ideal, step.step_time_s, slow_nodes)
    expected = expected_run(plan)
    return replace(_billed(step, ideal, expected), plan=plan, expected_goodput=expected.goodput)


def expected_goodput(step: StepResult) -> float:
    """Undisturbed over wall time of a step's training, by the closed form; 1 without tokens or a failure profile."""
    goodput = run_of(step).goodput
    return 1.0 if goodput is None else goodput


def with_runs(result: RunResult, runs: PlayedRuns) -> RunResult:
    """The figures of a result as they were played; intervals hold the step's residual and the spread of the runs."""
    step = result.step
    mean = ExpectedRun(runs.wall_s, runs.goodput, runs.standing_s, runs.mtti_s, None)
    error = model_error(step.scenario)
    wider = replace(error, spread=math.hypot(error.spread, runs.spread))
    billed = _billed(step, runs.runs[0].work_s, mean, wider)
    return replace(billed, plan=result.plan, runs=runs, expected_goodput=result.expected_goodput)


def _billed(step: StepResult, ideal: float, run: ExpectedRun, error: ModelError | None = None) -> RunResult:
    if math.isinf(run.wall_s):
        missing = dict.fromkeys(FIGURES, NO_HEADWAY)
        return RunResult(step, None, None, None, None, missing, ideal_days=ideal / SECONDS_A_DAY, goodput=0.0)
    bill = bill_of(step.scenario, run.wall_s, run.standing_s)
    return RunResult(
        step,
        run.wall_s / SECONDS_A_DAY,
        bill.device_hours,
        bill.cost_usd,
        bill.energy_kwh,
        bill.missing,
        None if step.error is None else error or step.error,
        ideal_days=ideal / SECONDS_A_DAY,
        goodput=run.goodput,
        mtti_s=run.mtti_s,
    )


def bill_of(scenario: Scenario, wall_s: float, standing_s: float = 0.0) -> Bill:
    """Device-hours, cost and energy of so many seconds, in some of which the job stands still.

    Spares are rented and idle all along. energy = power of accelerators and hosts x time x PUE; an accelerator that
    stands still draws `reliability.idle_power` of its power.
    """
    cluster, profile = scenario.cluster, scenario.reliability
    spares = (profile.spares or 0) if profile else 0
    device_hours = wall_s / SECONDS_AN_HOUR * (cluster.devices + spares * cluster.node.devices)
    missing: dict[str, str] = {}
    price = cluster.price if cluster.price is not None else cluster.accelerator.price
    if price is None:
        missing["cost_usd"] = f"the catalog has no price of a {cluster.accelerator.name} hour; set cluster.price"
    power = cluster.accelerator.power
    if power is None:
        missing["energy_kwh"] = f"the catalog has no power of a {cluster.accelerator.name}"
        return Bill(device_hours, None if price is None else device_hours * price, None, missing)
    idle = profile.idle_power if profile else 1.0
    busy_s = wall_s - standing_s * (1.0 - idle)
    devices = power * (cluster.devices * busy_s + spares * cluster.node.devices * idle * wall_s)
    joules = devices + (cluster.nodes + spares) * cluster.node.host_power * wall_s
    energy = joules * cluster.power_usage_effectiveness / SECONDS_AN_HOUR / 1000.0
    return Bill(device_hours, None if price is None else device_hours * price, energy, missing)
