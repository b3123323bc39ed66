"""What a device holds at the peak of a step, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Stack
from clustersim.schedules import in_flight
from clustersim.simulation.results import MemoryReport
from clustersim.simulation.stages import Stage
from clustersim.workload.arrays import Array
from clustersim.workload.states import shard_sizes, state_bytes

LAYERS_ON_DEVICE = 2.0  # of offloaded activations: one that leaves or arrives while another is computed


@dataclass(frozen=True)
class Sharding:
    """How the states of one rank are cut and kept. Replicas may be arrays, one entry a layout."""

    kind: str  # none, zero1, zero2, ...
    offload: str  # none, optimizer or activations: what host memory holds
    replicas: Array  # of the dense parameters
    expert_replicas: Array
    gradient_precision: str


def memory_report(scenario: Scenario, stages: Sequence[Stage], micro_batches: int) -> MemoryReport:
    """The fullest pipeline stage of a scenario with a resolved layout."""
    layout = scenario.plan
    flying = in_flight(layout.schedule, layout.pipeline, micro_batches, layout.virtual_stages)  # [stages] chunks
    replicas = float(layout.data * layout.context)
    expert_replicas = replicas * layout.tensor / (layout.expert * layout.expert_tensor)
    if layout.sharding == "hybrid":
        replicas = min(replicas, max(1.0, scenario.cluster.node.domain // layout.tensor))
    precision = scenario.training.grad_reduce_precision or "fp32"
    sharding = Sharding(layout.sharding, layout.offload, replicas, expert_replicas, precision)
    usable = scenario.cluster.accelerator.memory.usable_bytes
    reports = []
    for stage in range(layout.pipeline):
        parts = memory_parts(stages[stage :: layout.pipeline], float(flying[stage]), sharding, scenario.stack)
        reports.append(MemoryReport(stage, {name: float(np.max(held)) for name, held in parts.items()}, usable))
    return max(reports, key=lambda report: report.peak_bytes)


def memory_parts(chunks: Sequence[Stage], flying: Array, sharding: Sharding, stack: Stack) -> dict[str, Array]:
    """Bytes on a device that holds `chunks`, by part.

    States by sharding; activations: what one micro-batch keeps of a chunk, times the chunk passes in flight.
    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4; Rajbhandari et al. 2020, arXiv 1910.02054.
    """
    states: dict[str, Array] = {}
    for parameters, replicas in (
        (sum(chunk.dense_parameters for chunk in chunks), sharding.replicas),
        (sum(chunk.expert_parameters for chunk in chunks), sharding.expert_replicas),
    ):
        held = state_bytes(parameters, shard_sizes(sharding.kind, replicas), sharding.gradient_precision)
        states = {name: states.get(name, 0.0) + bytes_ for name, bytes_ in held.items()}
    kept = sum(chunk.activation_bytes for chunk in chunks) / len(chunks) * flying
    if sharding.offload == "optimizer":
        states["optimizer"] = 0.0
    if sharding.offload == "activations":
        kept = kept / sum(unit.times for chunk in chunks for unit in chunk.units if unit.is_layer) * LAYERS_ON_DEVICE
    working = np.max([chunk.working_bytes for chunk in chunks], axis=0)
    return states | {
        "activations": kept,
        "recomputation": working,
        "logits": sum(chunk.logit_bytes for chunk in chunks),
        "fragmentation": stack.fragmentation * kept,
        "buffers": stack.buffers,
    }
