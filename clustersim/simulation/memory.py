"""What the fullest device holds at the peak of a step."""

from __future__ import annotations

from collections.abc import Sequence

from clustersim.inputs.scenario import Scenario
from clustersim.schedules import in_flight
from clustersim.simulation.results import MemoryReport
from clustersim.simulation.stages import Stage
from clustersim.workload.states import shard_sizes, state_bytes


def memory_report(scenario: Scenario, stages: Sequence[Stage], micro_batches: int) -> MemoryReport:
    """The fullest pipeline stage of a resolved scenario.

    States by sharding; activations: what one micro-batch keeps of each chunk, times the micro-batches in flight.
    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.
    """
    layout = scenario.layout
    if layout == "search":
        raise ValueError("the layout is to be searched first")
    pipeline, chunks = layout.pipeline, layout.virtual_stages
    flying = in_flight(layout.schedule or "1f1b", pipeline, micro_batches, chunks)  # [stages] chunk activations
    usable = scenario.cluster.accelerator.memory.usable_bytes
    reports = [
        MemoryReport(stage, _parts(scenario, stages[stage::pipeline], float(flying[stage])), usable)
        for stage in range(pipeline)
    ]
    return max(reports, key=lambda report: report.peak_bytes)


def _parts(scenario: Scenario, chunks: Sequence[Stage], flying: float) -> dict[str, float]:
    layout, stack = scenario.layout, scenario.stack
    if layout == "search" or layout.data == "auto":
        raise ValueError("the layout is not resolved")
    precision = scenario.training.grad_reduce_precision or stack.defaults.grad_reduce_precision
    sharding = layout.sharding or stack.defaults.sharding
    replicas = float(layout.data * layout.context)
    expert_replicas = replicas * layout.tensor / (layout.expert * (layout.expert_tensor or 1))
    dense = sum(float(chunk.dense_parameters[0]) for chunk in chunks)
    experts = sum(float(chunk.expert_parameters[0]) for chunk in chunks)
    states = state_bytes(dense, shard_sizes(sharding, replicas), precision)
    expert_states = state_bytes(experts, shard_sizes(sharding, max(1.0, expert_replicas)), precision)
    kept = sum(float(chunk.activation_bytes[0]) for chunk in chunks) / len(chunks) * flying
    return {name: float(states[name] + expert_states[name]) for name in states} | {
        "activations": kept,
        "recomputation": max(float(chunk.working_bytes[0]) for chunk in chunks),
        "logits": sum(float(chunk.logit_bytes[0]) for chunk in chunks),
        "fragmentation": stack.fragmentation * kept,
        "buffers": stack.buffers,
    }
