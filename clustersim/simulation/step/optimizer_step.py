"""What follows the last backward pass: gradient reduction, norm, optimizer, parameter gathering."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.inputs.precisions import FP32_BYTES
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.segment.stages import Stage
from clustersim.simulation.step.data_parallel import OF_EXPERTS, gather_time, reduce_time, shard_group
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective, Pointwise
from clustersim.workload.states import StateBytes, shard_sizes, state_bytes_of

# Bytes a parameter that a device updates, with fp32 gradients (Megatron-LM's mixed-precision optimizer).
NORM_BYTES = 4.0  # read the gradient
CLIP_BYTES = 8.0  # read and write the gradient
UNSCALE_BYTES = 8.0  # fp16 alone: undo the loss scale, look for overflow
ZERO_BYTES = 4.0  # a parameter held: clear the gradient for the next step
NORM_MESSAGE = 4.0  # bytes: one float


def gradient_bytes(scenario: Scenario) -> float:
    """Bytes of one gradient when it is reduced."""
    return state_bytes_of(scenario.training, "fp32").gradients


def adam_bytes(each: StateBytes) -> float:
    """Bytes a parameter that Adam moves: read the fp32 gradient; read and write fp32 weight and moments."""
    return FP32_BYTES + 2.0 * (FP32_BYTES + each.moments)


def copy_bytes(each: StateBytes) -> float:
    """Bytes a parameter to make the weight from its master, where it has one: read the one, write the other."""
    return each.master + each.parameters if each.master else 0.0


def reduce_stage_time(scenario: Scenario, machine: Machine, stage: Stage) -> Array:
    """Seconds to reduce a chunk's gradients, all in one, with nothing to hide behind."""
    layout, size = scenario.resolved_layout, gradient_bytes(scenario)
    return sum(unit.times * reduce_time(unit, machine, layout, size) for unit in stage.units)


def gather_stage_time(scenario: Scenario, machine: Machine, stage: Stage) -> Array:
    """Seconds to gather a chunk's updated parameters from the replicas that updated them."""
    layout, size = scenario.resolved_layout, state_bytes_of(scenario.training, "fp32").parameters
    return sum(unit.times * gather_time(unit, machine, layout, size) for unit in stage.units)


def embedding_sync_time(scenario: Scenario, machine: Machine) -> Array:
    """Seconds for first and last stage to sum the gradients of a tied embedding: an all-reduce of two ranks."""
    model = scenario.model
    message = gradient_bytes(scenario) * model.hidden * model.vocab / machine.groups["tensor"].ranks
    return machine.transfer_time(message, stage=machine.groups["pipeline"].inside - 1.0)


def norm_time(machine: Machine) -> Array:
    """Seconds of the global gradient norm's all-reduces: a few bytes over the model-parallel ranks, all latency."""
    tensor = machine.collective_time(Collective("norm", "all-reduce", "tensor", NORM_MESSAGE))
    stages = machine.groups["pipeline"]
    hops = 2.0 * (stages.ranks - 1.0) * np.where(stages.across > 1.0, machine.out.latency, machine.up.latency)
    return tensor + hops


def optimizer_time(scenario: Scenario, machine: Machine, chunks: Sequence[Stage]) -> Array:
    """Seconds of the optimizer over a device's share of what it trains, and of the passes over its gradients.

    All of it is one kernel for many tensors, whatever the rest of the stack fuses: apex's and Transformer Engine's
    FusedAdam, torch_npu's fused AdamW. vTrain's rows of one node take 0.575 ms for 25.2 M parameters: 36 bytes each.
    Offloaded, gradients go to the host, where Adam runs as fast as host memory lets it (assumed: a device's share of
    host memory bandwidth is that of its link), and weights come back. Source: Ren et al. 2021, ZeRO-Offload,
    arXiv 2101.06840, section 4.
    """
    dense = sum(chunk.trained_dense for chunk in chunks)
    experts = sum(chunk.trained_experts for chunk in chunks)
    sharding, shard = scenario.resolved_layout.sharding, shard_group(scenario.resolved_layout)
    ranks = [machine.groups[group].ranks for group in (shard, OF_EXPERTS[shard])]
    cut, expert_cut = (shard_sizes(sharding, replicas).optimizer for replicas in ranks)
    updated = dense / cut + experts / expert_cut
    each = state_bytes_of(scenario.training, "fp32")
    if scenario.resolved_layout.offload == "optimizer":
        over_link = FP32_BYTES + each.parameters  # the gradient down, the weight up
        return (over_link + adam_bytes(each)) * updated / scenario.cluster.node.host_bandwidth
    unscale = UNSCALE_BYTES if scenario.training.precision == "fp16" else 0.0
    moved = adam_bytes(each) + copy_bytes(each) + NORM_BYTES + CLIP_BYTES + unscale
    traffic = moved * updated + ZERO_BYTES * (dense + experts)
    return machine.pointwise_time(Pointwise("optimizer", traffic, kernels=4.0, fused=True))
