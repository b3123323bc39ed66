"""What a device holds at the peak of a step, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.kinds import chosen
from clustersim.inputs.layout import Offload
from clustersim.inputs.precisions import FP32_BYTES
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Stack
from clustersim.simulation.segment.stages import Stage
from clustersim.workload.arrays import Array
from clustersim.workload.sizes import Sizes
from clustersim.workload.states import MOMENT_BYTES, StateBytes, held_states, shard_sizes, state_bytes_of

LAYERS_UNSHARDED = 2.0  # one that computes, one that is gathered or reduced meanwhile
GATHERED = ("zero3", "fsdp", "hybrid")  # shardings whose parameters are whole only while they are needed
LAYERS_ON_DEVICE = 2.0  # of offloaded activations: one that leaves or arrives while another is computed


@dataclass(frozen=True)
class ShardedStates:
    """How the states of one rank are cut and kept. Replicas may be arrays, one entry a layout."""

    kind: str  # none, zero1, zero2, ...
    offload: Offload  # what host memory holds
    replicas: Array  # of the dense parameters
    expert_replicas: Array
    each: StateBytes  # of a parameter
    moment_bytes: float = 0.0  # of one moment of a parameter
    frees_gradients: bool = False  # there are none while the (only) forward pass runs
    whole_stages: bool = False  # parameters and gradients stay whole from the first micro-batch to the last


def sharding_of(scenario: Scenario, sizes: Sizes, micro_batches: int, copies: int = 1) -> ShardedStates:
    """How layouts of a scenario's structure cut their states; `micro_batches` that one replica runs in a step, which
    holds the model `copies` times.
    """
    layout = scenario.resolved_layout
    replicas = sizes.data * sizes.context * copies
    expert_replicas = replicas * sizes.tensor / (sizes.expert * sizes.expert_tensor)
    if layout.zero_group is not None:
        instances = sizes.data * sizes.context * copies / layout.zero_group
        replicas, expert_replicas = replicas / instances, expert_replicas / instances
    elif layout.sharding == "hybrid":
        replicas = np.minimum(replicas, np.maximum(1.0, scenario.cluster.node.domain // sizes.tensor))
    each = state_bytes_of(scenario.training, "fp32")
    at_once = scenario.stack.gradients_reduced_at_once and micro_batches == 1
    kind = "zero2" if at_once and layout.sharding == "zero1" else layout.sharding
    moment = chosen("training.moment_precision", scenario.training.moment_precision, MOMENT_BYTES)
    frees = scenario.stack.frees_gradients and micro_batches == 1
    whole = scenario.stack.whole_stages and layout.pipeline > 1 and kind in GATHERED
    return ShardedStates(kind, layout.offload, replicas, expert_replicas, each, moment, frees, whole)


def memory_parts(chunks: Sequence[Stage], flying: Array, sharding: ShardedStates, stack: Stack) -> dict[str, Array]:
    """Bytes on a device that holds `chunks` at its peak, by part, for many layouts at once.

    What stays all step, and what one micro-batch keeps of a chunk, times the chunk passes in flight. A played step's
    own figures (`memory_timeline`) tell chunks apart.
    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.
    """
    return resident_parts(chunks, sharding, stack) | moving_parts(chunks, flying, sharding, stack)


def moving_parts(chunks: Sequence[Stage], flying: Array, sharding: ShardedStates, stack: Stack) -> dict[str, Array]:
    """Bytes that passes take on a device that holds `chunks`, `flying` of them in flight, by part."""
    split = [offloaded_activations(chunk, sharding.offload) for chunk in chunks]
    staying = sum(each.staying for each in split) / len(chunks) * flying
    kept = staying + np.max([each.passing for each in split], axis=0)
    return {
        "activations": kept,
        "embedding": sum(chunk.embedding_bytes for chunk in chunks) / len(chunks) * flying,
        "working": np.max([chunk.working_bytes for chunk in chunks], axis=0),
        "logits": sum(chunk.logit_bytes for chunk in chunks),
        "fragmentation": stack.fragmentation * kept,
    }


def resident_parts(chunks: Sequence[Stage], sharding: ShardedStates, stack: Stack) -> dict[str, Array]:
    """Bytes that a device holding `chunks` keeps all step, by part."""
    return kept_all_step(held_by(np.array([holdings(chunk) for chunk in chunks])), sharding, stack)


class Held(NamedTuple):
    """Parameters, and bytes of placeholders, of one rank's chunks; arrays of one shape."""

    dense: Floats  # that the data group shares
    experts: Floats
    ends: Floats  # of the dense ones, those of embedding and head
    spared: Floats  # 16-bit parameters' worth that frozen dense ones in fewer bits don't take
    spared_experts: Floats
    trained: Floats  # of the dense ones, those that are trained
    trained_experts: Floats
    trained_ends: Floats
    largest_layer: Floats  # of its largest layer
    largest_trained: Floats
    placeholder_bytes: Floats


def holdings(chunk: Stage) -> Held:
    """What one chunk holds, [points] each."""
    return Held(
        chunk.dense_parameters,
        chunk.expert_parameters,
        chunk.end_parameters,
        chunk.spared,
        chunk.spared_experts,
        chunk.trained_dense,
        chunk.trained_experts,
        chunk.trained_ends,
        chunk.largest_layer,
        chunk.largest_trained,
        chunk.placeholder_bytes,
    )


def held_by(chunks: Floats) -> Held:
    """What devices hold: `chunks` are the holdings of each of their chunks, [chunks, ..., holdings, points].

    Layers come one after the other, so that of largest layers and placeholders one set is there at a time.
    """
    added, most = (np.moveaxis(figures, -2, 0) for figures in (chunks.sum(axis=0), chunks.max(axis=0)))
    return Held(*added[:8], *most[8:])


def kept_all_step(held: Held, sharding: ShardedStates, stack: Stack) -> dict[str, Array]:
    """Bytes that devices keep all step, by part: states as they are sharded, and buffers.

    Source: Rajbhandari et al. 2020, arXiv 1910.02054.
    """
    states: dict[str, Array] = {}
    dense = (held.dense, held.trained, held.spared, sharding.replicas)
    experts = (held.experts, held.trained_experts, held.spared_experts, sharding.expert_replicas)
    for parameters, trained, spared, replicas in (dense, experts):
        kept = held_states(parameters, trained, spared, shard_sizes(sharding.kind, replicas), sharding.each)
        states = {name: states.get(name, 0.0) + bytes_ for name, bytes_ in kept.items()}
    if sharding.offload == "optimizer":
        states["optimizer"] = 0.0
    return states | _unsharded(held, sharding) | {"buffers": stack.buffers}


def bytes_after_passes(chunks: Sequence[Stage], sharding: ShardedStates, stack: Stack) -> Array:
    """Bytes that stand beside the states while no pass runs: the most of three.

    An optimizer that works on all tensors at once makes copies of a moment. Where stages keep whole gradients, those of
    the chunk that ends last are joined for one bulk reduction. Where all weights are loaded before they are sharded
    that comes before the passes, without gradients and optimizer.
    Source: PyTorch, torch/optim/adam.py, _multi_tensor_adam: the square roots of all second moments;
    torch/distributed/pipelining/stage.py, perform_reduce_grad, and _fully_shard/_fsdp_collectives.py (copy-in).
    """
    if not may_peak_after_passes(sharding, stack):
        return 0.0
    return bytes_beside_states(held_by(np.array([holdings(chunk) for chunk in chunks])), len(chunks), sharding, stack)


def bytes_beside_states(held: Held, chunks: Array, sharding: ShardedStates, stack: Stack) -> Array:
    """The same of devices that hold so many `chunks`."""
    joined = FP32_BYTES * (held.trained + held.trained_experts) / chunks * sharding.whole_stages
    cut, expert_cut = (
        shard_sizes(sharding.kind, ranks).optimizer for ranks in (sharding.replicas, sharding.expert_replicas)
    )
    trained = held.trained / cut + held.trained_experts / expert_cut
    copies = stack.optimizer_copies * sharding.moment_bytes * trained
    loads = stack.loads_whole and sharding.kind in GATHERED
    states = sharding.each.gradients + sharding.each.optimizer  # that there are none of yet
    loaded = loads * (sharding.each.parameters * (held.dense + held.experts) - states * trained)
    return np.maximum(np.maximum(joined, copies), loaded)


def may_peak_after_passes(sharding: ShardedStates, stack: Stack) -> bool:
    """Whether anything stands beside the states when no pass runs."""
    return bool(stack.optimizer_copies or sharding.whole_stages or stack.loads_whole)


def fullest_moment(
    resident: dict[str, Floats], moving: dict[str, Floats], after: Floats, sharding: ShardedStates
) -> dict[str, Floats]:
    """Bytes by part at the fullest moment of a step: while passes run, or `after` them.

    Where gradients are freed after a step they come as activations go: the passes' peak is taken without them.
    Arrays of one shape.
    """
    if not (np.any(after) or sharding.frees_gradients):
        return resident | moving
    absent = resident["gradients"] if sharding.frees_gradients else np.zeros_like(after)
    updates = after > sum(moving.values(), -absent)
    later = {part: np.where(updates, 0.0, bytes_) for part, bytes_ in moving.items()}
    gradients = np.where(updates, resident["gradients"], resident["gradients"] - absent)
    return resident | {"gradients": gradients} | later | {"after_passes": np.where(updates, after, 0.0)}


def _unsharded(held: Held, sharding: ShardedStates) -> dict[str, Array]:
    """Bytes of whole parameters and gradients beside the shards, by part.

    FSDP and ZeRO-3 hold the layer that computes and the one that is gathered (or reduced) meanwhile, and the model's
    ends all step; ZeRO-2 the gradients of two layers. Placeholders of weight gradients stand beside.
    Pipeline stages of FSDP2 hold all their parameters and fp32 gradients whole.
    Source: Zhao et al. 2023, PyTorch FSDP, arXiv 2304.11277, sections 3.3 and 3.4; PyTorch,
    torch/distributed/pipelining/stage.py (no resharding and no reduction between micro-batches).
    """
    if sharding.whole_stages:
        return {
            "gathered_parameters": sharding.each.parameters
            * (held.dense + held.experts - held.spared - held.spared_experts),
            "gradient_buffers": FP32_BYTES * (held.trained + held.trained_experts) + held.placeholder_bytes,
        }
    whole = LAYERS_UNSHARDED * held.largest_layer + held.ends
    reduced = LAYERS_UNSHARDED * held.largest_trained + held.trained_ends
    gathers = sharding.kind in GATHERED
    reduces = gathers or sharding.kind == "zero2"
    return {
        "gathered_parameters": sharding.each.parameters * whole * gathers,
        "gradient_buffers": sharding.each.gradients * reduced * reduces + held.placeholder_bytes,
    }


@dataclass(frozen=True)
class KeptActivations:
    """Bytes [points] of the activations that one micro-batch leaves of a chunk's layers."""

    staying: Floats  # on the device, from forward to backward
    passing: Floats  # on the device while a pass runs: one layer's computed, one's on its way
    moving: Floats  # to the host behind the forward pass, and back before the backward one


def offloaded_activations(chunk: Stage, offload: Offload) -> KeptActivations:
    """What an offloading layout keeps of a chunk's activations, and where. Layers are taken as equal."""
    layers = max(1, chunk.layers)
    if isinstance(offload, str):
        gone = chosen("layout.offload", offload, {"none": 0, "optimizer": 0, "activations": layers})
    else:
        gone = min(layers, offload.layers)
    each = chunk.activation_bytes / layers
    return KeptActivations((layers - gone) * each, min(LAYERS_ON_DEVICE, gone) * each, gone * each)
