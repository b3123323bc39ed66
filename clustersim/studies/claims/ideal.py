"""What no layout and no software gets past: the chip's best measured kernel for the whole step, states in all memory.

Nothing here is fitted, and nothing needs a layout that divides the devices.
"""

from __future__ import annotations

from clustersim.inputs.layout import Layout
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import MemoryReport, RunResult, StepResult
from clustersim.simulation.run import run_of
from clustersim.studies.claims.definitions import kernel_rate, model_flops_a_token, most_flops
from clustersim.workload.parameters import total_parameters
from clustersim.workload.states import state_bytes_of


def ideal_run(scenario: Scenario) -> RunResult:
    """The run that no software gets past: causal work at the best kernel's rate, nothing else to do, nothing fails.

    step = tokens x causal FLOPs a token / (devices x best measured rate); memory holds states alone, cut over all.
    """
    undisturbed = {"reliability": None, "cluster": scenario.cluster.model_copy(update={"availability": 1.0})}
    scenario = scenario.model_copy(update=undisturbed)
    tokens, devices = scenario.training.tokens_per_step, scenario.cluster.devices
    chip = scenario.cluster.accelerator
    share = {name: most_flops(scenario, name) / chip.base_peak for name in ("full", "causal")}
    step = StepResult(
        scenario,
        tokens * model_flops_a_token(scenario, "causal") / (devices * kernel_rate(scenario)),
        mfu=share["full"],
        mfu_causal=share["causal"],
        hfu=share["full"],
        busy_any=1.0,
        busy_compute=1.0,
        gemm_efficiency=kernel_rate(scenario) / chip.base_peak,
        model_flops=tokens * model_flops_a_token(scenario, "full"),
        breakdown={},
        memory=MemoryReport(("states",), [[least_state_bytes(scenario)]], chip.memory.usable_bytes),
        error=None,
        engine="none",
    )
    return run_of(step)


def state_bytes(scenario: Scenario) -> float:
    """Bytes of 16-bit weights, masters and moments of the whole model: no mixed-precision Adam holds less.

    Source: Rajbhandari et al. 2020 (ZeRO), arXiv 1910.02054, section 3.1, gradients left out.
    """
    layout = scenario.layout
    held = state_bytes_of(scenario.training, "bf16").least(layout.offload if isinstance(layout, Layout) else "none")
    return held * total_parameters(scenario.model)


def least_state_bytes(scenario: Scenario) -> float:
    """Bytes a device of the model's states, cut over all devices."""
    return state_bytes(scenario) / scenario.cluster.devices
