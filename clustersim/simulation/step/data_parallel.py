"""Data-parallel collectives beside a stage's passes: what layers gather and reduce, and how much of it compute hides.

A stage's layers are played once more, a task each, with their parameter gathers and gradient reductions on the data
stream: gathers run one layer ahead of compute, reductions follow their layer. Source: Zhao et al. 2023, PyTorch FSDP,
arXiv 2304.11277, section 3.3; Rajbhandari et al. 2020 (ZeRO), arXiv 1910.02054, section 7; Megatron-LM's distributed
optimizer (overlap of gradient reduction and parameter gathering).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.engines import play
from clustersim.engines.graph import NO_BARRIER, Floats, TaskGraph, Timeline
from clustersim.inputs.layout import ResolvedLayout
from clustersim.schedules.program import FORWARDS, TaskType
from clustersim.simulation.segment.coupling import play_coupled
from clustersim.simulation.segment.demands import Demand, collective_demand, sent_by, sharing_of, work_demand
from clustersim.simulation.segment.segment import Segment
from clustersim.simulation.segment.stages import LayerRun, Stage
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective, CollectiveKind, Group
from clustersim.workload.states import StateBytes

TENSORS = 9.0  # of a block: four or five matrices, their biases, two norms
MODULES = 4.0  # of a block, whose weights are sharded; what is smaller stays whole (stage3_param_persistence_threshold)
SLICE = 15e-6  # seconds of the host for a slice of a list: 5 to 25 us from Python to launch (PyTorch, eager)

Messages = Callable[[LayerRun], tuple[list[Collective], list[Collective]]]  # that a layer gathers and reduces with

# Ranks with the same experts, beside those with the same dense parameters.
OF_EXPERTS: Mapping[str, Group] = {
    "data": "expert_data",
    "data_shard": "expert_data_shard",
    "data_replica": "expert_data_replica",
}
EXPERT_GROUPS = frozenset(OF_EXPERTS.values())

COMPUTE, DATA = 0, 1
COMPUTE_TASKS = slice(2, None, 3)  # of the graph below: first gather, then gather, compute, reduce of each layer


@dataclass(frozen=True)
class DataTraffic:
    """What every layer of a pass sends over its data groups, and whether compute may run meanwhile."""

    gathers: bool = False  # parameters, before the layer computes
    reduces: bool = False  # gradients, after it has
    hidden: bool = False


SILENT = DataTraffic()
MAKE_GRADIENTS = frozenset({TaskType.BACKWARD, TaskType.BACKWARD_BESIDE, TaskType.WEIGHT_GRADIENT})


def pass_traffic(layout: ResolvedLayout, operation: TaskType, at_end: bool) -> DataTraffic:
    """What a pass sends. `at_end`: the first forward or what ends the gradients of a step, where replicas meet.

    ZeRO-3 and FSDP gather parameters for every pass and reduce after every backward; ZeRO-2 reduces after every
    backward (and FSDP's form of it gathers for the forward); else gradients are reduced and parameters gathered once a
    step, beside the passes where the stack overlaps them. Pipeline stages gather beside the whole pipeline's filling,
    which is the step's graph to play. Gradients are reduced by the pass that makes those of weights.
    """
    forward, makes_gradients = operation in FORWARDS, operation in MAKE_GRADIENTS
    if has_no_replicas(layout):
        return SILENT
    sharded = layout.sharding in ("zero3", "fsdp", "hybrid")
    hidden = "fsdp" in layout.overlap or layout.overlap >= {"grad_reduce", "param_gather"}
    if sharded:
        gathers_all = operation is not TaskType.WEIGHT_GRADIENT
        return DataTraffic(gathers=gathers_all, reduces=makes_gradients, hidden=hidden)
    if layout.sharding == "zero2":
        return DataTraffic(
            gathers=forward and hidden, reduces=makes_gradients, hidden=hidden or "grad_reduce" in layout.overlap
        )
    if not at_end:
        return SILENT
    if forward:
        return DataTraffic(gathers=True, hidden=True) if gathers(layout) == "beside" else SILENT
    return DataTraffic(reduces=True, hidden=True) if makes_gradients and "grad_reduce" in layout.overlap else SILENT


def has_no_replicas(layout: ResolvedLayout) -> bool:
    """Whether nobody else holds the same parameters."""
    return layout.data * layout.context == 1


def gathers(layout: ResolvedLayout) -> Literal["none", "beside", "before", "after"]:
    """When parameters that other ranks have updated arrive.

    `beside` the first forward pass, a layer ahead; `before` it, chunk by chunk while the pipeline fills; `after` the
    optimizer, with nothing to hide behind; or not at all.
    """
    if has_no_replicas(layout) or layout.sharding not in ("zero1", "zero2"):
        return "none"
    if layout.sharding == "zero2":
        return "none" if "fsdp" in layout.overlap else "after"
    if "param_gather" not in layout.overlap:
        return "after"
    return "beside" if layout.pipeline == 1 else "before"


@dataclass(frozen=True)
class SharedPass:
    """A stage's pass with its data traffic: as long as compute took, and what was left to send when it ended."""

    segment: Segment  # its data_comm is what compute waited for
    carry_s: Floats  # [points] seconds that the data stream runs on

    @property
    def whole(self) -> Segment:
        """The pass until its last message has arrived."""
        return _waiting(self.segment, self.carry_s) if self.carry_s.any() else self.segment


def shared_pass(
    stage: Stage, machine: Machine, layout: ResolvedLayout, each: StateBytes, operation: TaskType, *, at_end: bool
) -> SharedPass:
    """Play a stage's layers with their data traffic; `each`: bytes of a parameter's states."""
    plain = stage.passes[operation]
    traffic, none = pass_traffic(layout, operation, at_end), np.zeros(plain.seconds.shape)
    if traffic == SILENT or not stage.units:  # a stage without layers has nothing to gather or reduce
        return SharedPass(plain, none)
    units = [unit for unit in stage.units for _ in range(unit.times)]
    if operation not in FORWARDS:
        units.reverse()
    messages = partial(data_messages, machine=machine, layout=layout, each=each, traffic=traffic)
    took = {id(unit): [none + _seconds(some, machine) for some in messages(unit)] for unit in stage.units}
    gather, reduce = zip(*(took[id(unit)] for unit in units), strict=True)
    if not traffic.hidden:
        return SharedPass(_waiting(plain, sum([*gather, *reduce], none)), none)
    compute = [unit.piece.passes[operation].seconds for unit in units]
    layers = zip([*gather[1:], none], compute, reduce, strict=True)
    durations = np.array([gather[0], *(seconds for layer in layers for seconds in layer)])  # [tasks, points]
    graph, stack = _graph(len(units), traffic.gathers), machine.stack
    if stack.coupling:
        sharing = sharing_of(_layer_demands(units, durations, operation, machine, messages), machine)
        timeline = play_coupled(graph, durations, sharing, stack.coupling).timeline
    else:
        timeline = play(graph, durations)
        if np.any(stack.overlap_slowdown):
            durations[COMPUTE_TASKS] += stack.overlap_slowdown * _beside_messages(timeline)
            timeline = play(graph, durations)
    computed = timeline.end[COMPUTE_TASKS].max(axis=0)
    waited = np.maximum(0.0, computed - plain.seconds)
    return SharedPass(_waiting(plain, waited), np.maximum(0.0, timeline.makespan - computed))


def _layer_demands(
    units: Sequence[LayerRun], durations: Floats, operation: TaskType, machine: Machine, messages: Messages
) -> list[Demand]:
    """What the tasks of the graph below draw on; `messages`: what a layer gathers and reduces."""
    sent = {}  # by unit: in its gathers, inside its compute, in its reductions
    for key, unit in {id(unit): unit for unit in units}.items():
        gathers, reduces = messages(unit)
        inside = unit.piece.work[operation].operations
        sent[key] = [sent_by(some, machine, durations.shape[1]) for some in (gathers, inside, reduces)]
    demands = [collective_demand(0, durations[0], sent[id(units[0])][0])]
    layers = zip(units, [*units[1:], units[-1]], durations[1:].reshape(len(units), 3, -1), strict=True)
    for unit, following, (gather, compute, reduce) in layers:
        demands += [
            collective_demand(0, gather, sent[id(following)][0]),
            work_demand(0, compute, unit.piece.passes[operation].parts, sent[id(unit)][1]),
            collective_demand(0, reduce, sent[id(unit)][2]),
        ]
    return demands


def _beside_messages(timeline: Timeline) -> Floats:
    """Seconds [layers, points] that each layer's compute ran while the data stream was busy. One pass of coupling."""
    messages = np.ones(len(timeline.start), dtype=np.bool_)
    messages[COMPUTE_TASKS] = False
    start, end = timeline.start[messages], timeline.end[messages]  # [messages, points], one behind the other
    took = end - start
    done = np.zeros_like(took)  # seconds of messages before each one
    np.cumsum(took[:-1], axis=0, out=done[1:])
    moments = np.concatenate([timeline.start[COMPUTE_TASKS], timeline.end[COMPUTE_TASKS]])
    order = np.argsort(np.concatenate([start, moments]), axis=0, kind="stable")  # a message before what starts with it
    under_way = np.empty_like(order)
    np.put_along_axis(under_way, order, np.cumsum(order < len(start), axis=0) - 1, axis=0)
    at = under_way[len(start) :]  # the message under way at each moment; the first starts at 0
    begun, length, before = (np.take_along_axis(figure, at, axis=0) for figure in (start, took, done))
    opening, closing = np.split(before + np.minimum(moments - begun, length), 2)
    return np.asarray(closing - opening)


def gather_time(unit: LayerRun, machine: Machine, layout: ResolvedLayout, parameter_bytes: float) -> Array:
    """Seconds to gather one layer's parameters from the ranks that they are spread over."""
    return _seconds(gathers_of(unit, machine, layout, parameter_bytes), machine)


def reduce_time(unit: LayerRun, machine: Machine, layout: ResolvedLayout, gradient_bytes: float) -> Array:
    """Seconds to reduce one layer's gradients."""
    return _seconds(reductions_of(unit, machine, layout, gradient_bytes), machine)


def shard_group(layout: ResolvedLayout) -> Literal["data", "data_shard"]:
    """The ranks that what is sharded is spread over: all with the same parameters, or groups of them."""
    return "data_shard" if layout.sharding == "hybrid" or layout.zero_group is not None else "data"


def gathers_of(unit: LayerRun, machine: Machine, layout: ResolvedLayout, parameter_bytes: float) -> list[Collective]:
    """The messages that gather one layer's parameters from the ranks that they are spread over."""
    stack, group = machine.stack, shard_group(layout)
    if layout.sharding == "zero1" and stack.owned_tensors:
        return _both(unit, "broadcast", group, parameter_bytes, {"pieces": _tensors(unit, machine.groups[group].ranks)})
    everything = layout.sharding in ("zero3", "fsdp", "hybrid")  # else what others have updated
    listed = _listed(unit, layout, machine)
    return _both(unit, "all-gather", group, parameter_bytes, listed, trained=not everything)


def reductions_of(unit: LayerRun, machine: Machine, layout: ResolvedLayout, gradient_bytes: float) -> list[Collective]:
    """The messages that reduce one layer's gradients: to all, or to the ranks that keep them; in groups both in turn.

    Source: Megatron-LM, distributed optimizer instances (`num_distributed_optimizer_instances`): reduce-scatter inside
    a group, all-reduce of each rank's part across groups.
    """
    sharding, group = layout.sharding, shard_group(layout)
    if sharding == "none" or (sharding == "zero1" and machine.stack.all_reduce_gradients):
        return _both(unit, "all-reduce", "data", gradient_bytes)
    if sharding == "zero1" and machine.stack.owned_tensors:
        pieces = _tensors(unit, machine.groups[group].ranks)
        sums = _both(unit, "reduce", group, gradient_bytes, {"pieces": pieces})
    else:
        sums = _both(unit, "reduce-scatter", group, gradient_bytes, _listed(unit, layout, machine))
    if group == "data":
        return sums
    parts = [gradient_bytes / machine.groups[shard].ranks for shard in (group, OF_EXPERTS[group])]
    return sums + _both(unit, "all-reduce", "data_replica", parts[0], expert_bytes=parts[1])


def _tensors(unit: LayerRun, ranks: Array) -> Array:
    """Messages of a layer whose tensors have owners: one for each of its tensors, of all that one rank owns at most.

    Source: InternEvo, solver/optimizer/hybrid_zero_optim.py (recalled): a flat buffer for each owner.
    """
    return np.minimum(TENSORS if unit.place == "layer" else 1.0, ranks)


def _listed(unit: LayerRun, layout: ResolvedLayout, machine: Machine) -> Mapping[str, Any]:
    """How sharded parameters and their gradients are sent: as one message, or module by module as lists of parts.

    Source: DeepSpeed, runtime/zero/partition_parameters.py of 2021: `dist.all_gather` into a list with a part a rank.
    """
    if not machine.stack.listed_shards or layout.sharding not in ("zero3", "fsdp", "hybrid"):
        return {}
    return {"pieces": MODULES if unit.place == "layer" else 1.0, "host_a_rank": SLICE}


def _both(
    unit: LayerRun,
    kind: CollectiveKind,
    group: Group,
    element_bytes: Array,
    cut: Mapping[str, Any] | None = None,
    *,
    trained: bool = True,
    expert_bytes: Array | None = None,
) -> list[Collective]:
    """Dense parameters over the data group, experts over theirs, one after the other: those that are trained, or all,
    as few bytes as they are kept in. `expert_bytes`: of an element of experts, where it isn't that of the others.
    """
    expert_bytes = element_bytes if expert_bytes is None else expert_bytes
    held = (unit.dense_parameters - unit.spared, unit.expert_parameters - unit.spared_experts)
    few, many = (unit.trained_dense, unit.trained_experts) if trained else held
    sent: Callable[..., Collective] = partial(Collective, **(cut or {}))
    dense = sent(f"parameters {kind}", kind, group, element_bytes * few)
    experts = sent(f"experts {kind}", kind, OF_EXPERTS[group], expert_bytes * many)
    return [message for message in (dense, experts) if np.any(message.bytes)]


def data_messages(
    unit: LayerRun, machine: Machine, layout: ResolvedLayout, each: StateBytes, traffic: DataTraffic
) -> tuple[list[Collective], list[Collective]]:
    """What one layer gathers, and what it reduces, as far as the `traffic` has it."""
    gathers = gathers_of(unit, machine, layout, each.parameters) if traffic.gathers else []
    return gathers, reductions_of(unit, machine, layout, each.gradients) if traffic.reduces else []


def _seconds(messages: Sequence[Collective], machine: Machine) -> Array:
    """Seconds of a layer's messages: those of dense parameters one after the other, those of experts beside them.

    Each group of ranks has a communicator and a stream of its own, so that the latency of one hides behind the other;
    the wire they share. Source: PyTorch, ProcessGroupNCCL (a stream for each process group).
    """
    costs = [(message.group, machine.collective(message)) for message in messages]
    dense, experts = (
        sum(cost.seconds for group, cost in costs if (group in EXPERT_GROUPS) == of_experts)
        for of_experts in (False, True)
    )
    if len({group in EXPERT_GROUPS for group, _ in costs}) < 2:
        return dense + experts
    wire = sum(np.maximum(cost.near / machine.up.bandwidth, cost.far / machine.out.bandwidth) for _, cost in costs)
    return np.maximum(np.maximum(dense, experts), wire)


def _waiting(segment: Segment, seconds: Floats) -> Segment:
    parts = dict(segment.parts)
    parts["data_comm"] = parts.get("data_comm", 0.0) + seconds
    return replace(segment, seconds=segment.seconds + seconds, parts=parts)


@lru_cache(maxsize=256)
def _graph(layers: int, gathers: bool) -> TaskGraph:
    """The first gather, then for every layer: the next layer's gather, its own compute, its own reduction.

    One data stream, as both kinds of message share the network; the next gather starts with the layer's compute, so
    parameters are at most one layer ahead.
    """
    waits: list[list[int]] = [[]]
    for layer in range(layers):
        first = 3 * layer + 1  # the next layer's gather
        before, own_gather = first - 2, first - 3 if layer else 0
        waits += [[before] if layer else [], [own_gather] if gathers else [], [first + 1]]
    tasks = len(waits)
    return TaskGraph(
        kind=np.arange(tasks),
        stream=np.array([DATA] + [DATA, COMPUTE, DATA] * layers),
        dependency_offsets=np.cumsum([0, *(len(wait) for wait in waits)]),
        dependencies=np.array([task for wait in waits for task in wait], dtype=np.int64),
        barrier=np.full(tasks, NO_BARRIER),
        kinds=tasks,
        streams=2,
        barriers=0,
    )
