"""The run: the step repeated until the last token, and what it costs."""

from __future__ import annotations

from clustersim.inputs.scenario import Scenario
from clustersim.simulation.intervals import interval
from clustersim.simulation.results import RunResult, StepResult
from clustersim.simulation.step import simulate_step

SECONDS_A_DAY = 86_400.0
SECONDS_AN_HOUR = 3_600.0


def simulate_run(scenario: Scenario, *, engine: str = "auto", intervals: bool = True) -> RunResult:
    """Simulate a step and scale it to the whole training of a scenario with a resolved layout.

    Raises InfeasibleError as `simulate_step` does. A figure that the inputs don't reach is None, with the reason.
    """
    return run_of(simulate_step(scenario, engine=engine, intervals=intervals))


def run_of(step: StepResult) -> RunResult:
    """Training time, device-hours, cost and energy of a step repeated tokens / tokens-a-step times.

    days = tokens / (tokens a second) / availability; energy = power of accelerators and hosts x time x PUE.
    """
    cluster, tokens = step.scenario.cluster, step.scenario.training.tokens
    missing: dict[str, str] = {}
    if tokens is None:
        reason = "training.tokens is not given"
        figures = ("training_days", "device_hours", "cost_usd", "energy_kwh")
        return RunResult(step, None, None, None, None, dict.fromkeys(figures, reason))
    seconds = tokens / step.tokens_per_s / cluster.availability
    device_hours = seconds / SECONDS_AN_HOUR * cluster.devices
    price = cluster.price if cluster.price is not None else cluster.accelerator.price
    if price is None:
        missing["cost_usd"] = f"the catalog has no price of a {cluster.accelerator.name} hour; set cluster.price"
    power = cluster.accelerator.power
    if power is None:
        missing["energy_kwh"] = f"the catalog has no power of a {cluster.accelerator.name}"
    cost = None if price is None else device_hours * price
    energy = None
    if power is not None:
        watts = cluster.devices * power + cluster.nodes * cluster.node.host_power
        energy = watts * cluster.power_usage_effectiveness * seconds / SECONDS_AN_HOUR / 1000.0
    figures_of_time = {"training_days": seconds / SECONDS_A_DAY, "device_hours": device_hours, "cost_usd": cost}
    residual = step.scenario.stack.residual
    intervals = {
        name: interval(value, residual)
        for name, value in figures_of_time.items()
        if step.intervals and value is not None
    }
    return RunResult(step, seconds / SECONDS_A_DAY, device_hours, cost, energy, missing, intervals)
