"""What a step takes and holds, over many layouts at once: close enough to choose which ones to play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clustersim.costs.machine import Machine, machine_of
from clustersim.costs.placement import place_groups
from clustersim.engines.graph import Floats
from clustersim.inputs.layout import Schedule
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.registry import find_schedule
from clustersim.simulation.memory import Sharding, memory_parts
from clustersim.simulation.stages import Stage
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective, CollectiveKind, Group
from clustersim.workload.passes import Recomputation
from clustersim.workload.states import shard_sizes, state_bytes_of

RANK_ORDER = "tensor-context-expert-data-pipeline"


@dataclass(frozen=True)
class Structure:
    """What fixes the shape of a step's graph."""

    pipeline: int
    chunks: int
    mode: Recomputation

    @property
    def schedule(self) -> Schedule:
        """The schedule that runs so many chunks a device."""
        return "interleaved-1f1b" if self.chunks > 1 else "1f1b"


@dataclass(frozen=True)
class Sizes:
    """The sizes of many layouts of one structure, [points] each."""

    tensor: Floats
    expert: Floats
    expert_tensor: Floats
    data: Floats
    micro_batches: Floats  # that one replica runs in a step

    def machine(self, scenario: Scenario, pipeline: int) -> Machine:
        """The cluster with the groups of these layouts placed on it."""
        sizes: dict[str, Array] = {
            "tensor": self.tensor,
            "context": 1.0,
            "data": np.maximum(1.0, self.data),
            "pipeline": float(pipeline),
            "expert": self.expert,
            "expert_tensor": self.expert_tensor,
        }
        groups = place_groups(sizes, RANK_ORDER, scenario.cluster.node.domain)
        return machine_of(scenario.cluster, scenario.stack, groups)


def estimate_step(scenario: Scenario, stages: Sequence[Stage], sizes: Sizes, structure: Structure) -> Floats:
    """Seconds [points]: the busiest device's work, the time the pipeline takes to fill and drain, the data traffic.

    m max(F + B) + (p - 1)/v mean(F + B) a device. Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2.
    """
    pipeline, chunks = structure.pipeline, structure.chunks
    forward, backward = (
        np.array([getattr(stage, side).seconds for stage in stages]).reshape(chunks, pipeline, -1).sum(axis=0)
        for side in ("forward", "backward")
    )  # [devices of a pipeline, points]
    work = forward + backward
    played = sizes.micro_batches * work.max(axis=0) + (pipeline - 1) / chunks * work.mean(axis=0)
    traffic = _data_traffic(
        scenario, stages, sizes, structure, {"forward": forward.mean(0), "backward": backward.mean(0)}
    )
    return np.asarray(played + traffic)


def _data_traffic(
    scenario: Scenario, stages: Sequence[Stage], sizes: Sizes, structure: Structure, passes: Mapping[str, Floats]
) -> Floats:
    """Seconds [points] that data-parallel traffic and the optimizer add, a pass hiding what the stack overlaps.

    The mean device's parameters stand for all. Source: as simulation.data_parallel.
    """
    defaults, machine = scenario.stack.defaults, sizes.machine(scenario, structure.pipeline)
    dense, experts = (
        sum((getattr(stage, kind) for stage in stages), np.zeros_like(sizes.data)) / structure.pipeline
        for kind in ("dense_parameters", "expert_parameters")
    )

    def seconds(kind: CollectiveKind, element_bytes: float) -> Array:
        shards: Group = "data_shard" if defaults.sharding == "hybrid" else "data"
        groups: tuple[tuple[Group, Floats], ...] = ((shards, dense), ("expert_data", experts))
        messages = (Collective("parameters", kind, group, element_bytes * held) for group, held in groups)
        return sum(machine.collective_time(message) for message in messages)

    def exposed(sent: Array, side: str, overlaps: set[str]) -> Array:
        return np.maximum(0.0, sent - passes[side]) if overlaps & defaults.overlap else sent

    each = state_bytes_of(scenario.training, defaults.grad_reduce_precision)
    reduced = seconds("all-reduce" if defaults.sharding == "none" else "reduce-scatter", each.gradients)
    gathered = seconds("all-gather", each.parameters)
    sharding = shard_sizes(defaults.sharding, machine.groups["data"].ranks)
    optimizer = 2 * each.optimizer * (dense + experts) / sharding.optimizer / machine.memory_bandwidth
    if defaults.sharding in ("zero3", "fsdp", "hybrid"):
        forward = exposed(gathered, "forward", {"fsdp"})
        return np.asarray(
            sizes.micro_batches * (forward + exposed(gathered + reduced, "backward", {"fsdp"})) + optimizer
        )
    reductions = sizes.micro_batches if defaults.sharding == "zero2" else 1.0
    gather = 0.0 if defaults.sharding == "none" else exposed(gathered, "forward", {"param_gather", "fsdp"})
    return np.asarray(reductions * exposed(reduced, "backward", {"grad_reduce", "fsdp"}) + gather + optimizer)


def peak_bytes(scenario: Scenario, stages: Sequence[Stage], sizes: Sizes, structure: Structure) -> Floats:
    """Bytes [points] on the fullest device."""
    defaults, pipeline = scenario.stack.defaults, structure.pipeline
    replicas, expert_group = sizes.data, sizes.expert * sizes.expert_tensor
    if defaults.sharding == "hybrid":
        replicas = np.minimum(replicas, np.maximum(1.0, scenario.cluster.node.domain // sizes.tensor))
    sharding = Sharding(
        defaults.sharding,
        "none",
        replicas,
        np.maximum(1.0, sizes.data * sizes.tensor / expert_group),
        state_bytes_of(scenario.training, defaults.grad_reduce_precision),
    )
    counts = np.maximum(1.0, sizes.micro_batches).astype(np.int64)
    in_flight = find_schedule(structure.schedule).in_flight
    flying = in_flight(np.arange(pipeline)[:, None], pipeline, counts, structure.chunks)  # [stages, points]
    peak = np.zeros_like(sizes.data)
    seen = set()
    for stage in range(pipeline):
        chunk_stages = stages[stage::pipeline]
        key = tuple(id(chunk) for chunk in chunk_stages)
        if key not in seen:  # an earlier stage of the same chunks has more micro-batches in flight
            seen.add(key)
            parts = memory_parts(chunk_stages, flying[stage], sharding, scenario.stack)
            peak = np.maximum(peak, sum(parts.values()))
    return peak
