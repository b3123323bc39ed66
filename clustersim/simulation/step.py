"""The step clock: micro-batches through pipeline stages in a schedule's order, then gradients and optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clustersim.costs.machine import Machine, machine_of
from clustersim.costs.placement import group_sizes, place_groups
from clustersim.engines import play
from clustersim.engines.graph import Timeline
from clustersim.errors import InfeasibleError
from clustersim.inputs.layout import PartialRecompute, ResolvedLayout
from clustersim.inputs.scenario import Scenario
from clustersim.schedules import build_program
from clustersim.schedules.program import Kind, Operation, Position, Program
from clustersim.simulation.breakdown import breakdown, busy_shares
from clustersim.simulation.data_parallel import SILENT, gathers, pass_traffic, shared_pass
from clustersim.simulation.intervals import interval
from clustersim.simulation.memory import memory_report
from clustersim.simulation.results import StepResult
from clustersim.simulation.segment import Segment
from clustersim.simulation.stages import Stage, assemble_stages, price_pieces, recomputations
from clustersim.simulation.tail import (
    embedding_sync_time,
    gather_stage_time,
    gradient_bytes,
    norm_time,
    optimizer_time,
    reduce_stage_time,
)
from clustersim.simulation.unfolded import is_uneven, unfolded_seconds
from clustersim.workload.flops import model_flops_per_token, recomputed_flops_per_token
from clustersim.workload.operations import Collective
from clustersim.workload.shape import ACTIVATION_BYTES, shape_of

Parts = Mapping[str, float]


@dataclass(frozen=True)
class PlayedStep:
    """A step as it was played: the task graph, when every task ran, and what every kind of task spent its time on."""

    scenario: Scenario
    program: Program
    timeline: Timeline
    parts: tuple[Parts, ...]  # of each kind: seconds by part of the breakdown
    stages: tuple[Stage, ...]  # virtual stages in pipeline order
    imbalance_s: float = 0.0  # what everybody waits for the slowest replica, where replicas differ

    @property
    def seconds(self) -> float:
        """How long the step took."""
        return float(self.timeline.makespan[0]) + self.imbalance_s


def simulate_step(scenario: Scenario, *, engine: str = "auto", intervals: bool = True) -> StepResult:
    """Play one optimizer step of a scenario with a resolved layout, and read the result off its timeline.

    Raises InfeasibleError where this version cannot play what the layout asks for. A layout that does not fit in
    memory is played all the same: the result's `fits` tells.
    """
    return result_of(play_step(scenario, engine=engine), intervals=intervals)


def play_step(scenario: Scenario, *, engine: str = "auto") -> PlayedStep:
    """Play one optimizer step of a scenario with a resolved layout. Raises InfeasibleError as `simulate_step` does."""
    layout = scenario.plan
    refuse_unplayed(layout)
    machine = machine_of(
        scenario.cluster,
        scenario.stack,
        place_groups(group_sizes(layout), layout.rank_order, scenario.cluster.node.domain),
    )
    shape = shape_of(scenario.model, scenario.training, layout, scenario.stack)
    program = step_program(scenario, micro_batches_of(scenario))
    split = _is_split(program)
    pieces = price_pieces(scenario.model, shape, machine, recomputations(layout.recompute), split_backward=split)
    stages = assemble_stages(pieces, layout.stage_layers, layout.recompute)
    parts = tuple(_parts_of(kind, scenario, machine, stages, split) for kind in program.kinds)
    durations = np.array([[sum(row.values())] for row in parts])  # [kinds, 1] seconds
    timeline = play(program.graph, durations, engine=engine)
    late = 0.0
    if is_uneven(scenario.cluster):
        late = unfolded_seconds(scenario, program, durations) - float(timeline.makespan[0])
    return PlayedStep(scenario, program, timeline, parts, tuple(stages), late)


def refuse_unplayed(layout: ResolvedLayout) -> None:
    """Raise InfeasibleError for what this version has no physics for."""
    if layout.offload == "activations" and layout.pipeline > 1:
        raise InfeasibleError(
            "layout.offload: activations is played without pipeline stages alone; accepted: optimizer"
        )


def micro_batches_of(scenario: Scenario) -> int:
    """Micro-batches that one replica runs in a step."""
    layout = scenario.plan
    return scenario.training.global_batch // (layout.data * layout.micro_batch)


def step_program(scenario: Scenario, micro_batches: int) -> Program:
    """The task graph of a step of a resolved scenario."""
    layout, stack = scenario.plan, scenario.stack
    when = gathers(layout)
    return build_program(
        layout.schedule,
        layout.pipeline,
        micro_batches,
        layout.virtual_stages,
        blocking_transfers=stack.blocking_transfers,
        gather="none" if when == "beside" else when,
        reduce=layout.data * layout.context > 1,
        tied_embeddings=scenario.model.tied_embeddings,
        synchronous_optimizer=stack.synchronous_optimizer,
    )


def _is_split(program: Program) -> bool:
    """Whether gradients of weights are passes of their own."""
    return any(kind.operation is Operation.WEIGHT_GRADIENT for kind in program.kinds)


def _parts_of(kind: Kind, scenario: Scenario, machine: Machine, stages: Sequence[Stage], split: bool) -> Parts:
    """Seconds of one kind of task, by part of the breakdown. `split`: weights' gradients are passes of their own."""
    layout = scenario.plan
    virtual = kind.chunk * layout.pipeline + kind.stage
    match kind.operation:
        case Operation.FORWARD | Operation.BACKWARD:
            return _pass_parts(kind, scenario, machine, stages[virtual])
        case Operation.WEIGHT_GRADIENT:
            return _segment_parts(stages[virtual].weight_gradient)
        case Operation.SEND_ACTIVATION | Operation.SEND_GRADIENT:
            return {"pipeline_comm": _transfer_time(scenario, machine, kind)}
        case Operation.REDUCE_GRADIENTS:
            return {"data_comm": _reduce_time(scenario, machine, stages[virtual], split)}
        case Operation.GATHER_PARAMETERS:
            return {"data_comm": gather_stage_time(scenario, machine, stages[virtual])}
        case Operation.SYNC_EMBEDDINGS:
            return {"data_comm": embedding_sync_time(scenario, machine)}
        case Operation.GRADIENT_NORM:
            return {"data_comm": norm_time(machine)}
        case Operation.OPTIMIZER:
            chunks = list(stages[kind.stage :: layout.pipeline])
            return {
                "optimizer": optimizer_time(scenario, machine, chunks),
                "other": scenario.stack.fixed_overhead,
            }
        case _:
            raise ValueError(f"no duration for {kind}")


def _pass_parts(kind: Kind, scenario: Scenario, machine: Machine, stage: Stage) -> Parts:
    """A pass with its data traffic; what the last backward leaves to send is the reduction's to wait for."""
    forward = kind.operation is Operation.FORWARD
    played = shared_pass(
        stage,
        machine,
        scenario.plan,
        gradient_bytes(scenario),
        forward=forward,
        at_end=kind.position is not Position.STEADY,
    )
    parts = _segment_parts(played.segment if kind.position is Position.LAST else played.whole)
    if scenario.plan.offload != "activations":
        return parts
    moving = float(stage.activation_bytes[0]) / scenario.cluster.node.host_bandwidth
    return {**parts, "host": max(0.0, moving - sum(parts.values()))}  # the link works beside the whole pass


def _reduce_time(scenario: Scenario, machine: Machine, stage: Stage, split: bool) -> float:
    """Seconds that gradient reduction takes after the last backward pass (or the last pass over weights' gradients)."""
    layout = scenario.plan
    if split or pass_traffic(layout, forward=False, at_end=True) == SILENT:
        return reduce_stage_time(scenario, machine, stage)
    last = shared_pass(stage, machine, layout, gradient_bytes(scenario), forward=False, at_end=True)
    return last.carry_s


def _segment_parts(segment: Segment) -> Parts:
    return {name: float(seconds[0]) for name, seconds in segment.parts.items()}


def _transfer_time(scenario: Scenario, machine: Machine, kind: Kind) -> float:
    """Seconds between two stages: each tensor rank sends its 1/t slice; without sequence parallelism they regather it.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 4.1 (scatter/gather optimization).
    """
    layout, training = scenario.plan, scenario.training
    tokens = layout.micro_batch * training.sequence_length / layout.context
    message = ACTIVATION_BYTES * tokens * scenario.model.hidden
    forwards = kind.operation is Operation.SEND_ACTIVATION
    boundary = kind.stage if forwards else (kind.stage - 1) % layout.pipeline
    seconds = float(machine.transfer_time(message / layout.tensor, boundary))
    if not layout.sequence_parallel:
        seconds += float(machine.collective_time(Collective("regather", "all-gather", "tensor", message)))
    return seconds


def result_of(step: PlayedStep, *, intervals: bool = True) -> StepResult:
    """The figures of a played step."""
    scenario, seconds = step.scenario, step.seconds
    model, training = scenario.model, scenario.training
    base = scenario.cluster.accelerator.base_peak * scenario.cluster.devices
    token_rate = training.tokens_per_step / seconds
    full = model_flops_per_token(model, training, "full")
    causal = model_flops_per_token(model, training, "causal")
    fused = scenario.stack.fused_attention and model.position != "alibi"
    recomputed = recomputed_flops_per_token(model, training, *recomputed_layers(scenario), fused=fused)
    folded = float(step.timeline.makespan[0])
    busy_any, busy_compute = (
        share * folded / seconds for share in busy_shares(step.program, step.timeline, step.parts)
    )
    spent = breakdown(step.program, step.timeline, step.parts)
    spent["imbalance"] += step.imbalance_s
    mfu, mfu_causal = full * token_rate / base, causal * token_rate / base
    figures = {"step_time_s": (seconds, 1.0), "mfu": (mfu, -1.0), "mfu_causal": (mfu_causal, -1.0)}
    residual = scenario.stack.residual
    return StepResult(
        scenario=scenario,
        step_time_s=seconds,
        mfu=mfu,
        mfu_causal=mfu_causal,
        hfu=(full + recomputed) * token_rate / base,
        busy_any=busy_any,
        busy_compute=busy_compute,
        gemm_efficiency=_gemm_efficiency(step.stages, scenario),
        model_flops=full * training.tokens_per_step,
        breakdown=spent,
        memory=memory_report(scenario, step.stages, step.program.micro_batches),
        intervals={name: interval(value, residual, power) for name, (value, power) in figures.items()}
        if intervals
        else {},
        engine=step.timeline.engine,
    )


def recomputed_layers(scenario: Scenario) -> tuple[int, int]:
    """How many layers are computed again in full, and how many in part."""
    recompute, layers = scenario.plan.recompute, scenario.model.layers
    if isinstance(recompute, PartialRecompute):
        return min(layers, recompute.layers * len(scenario.plan.stage_layers)), 0
    return layers if recompute == "full" else 0, layers if recompute == "selective" else 0


def _gemm_efficiency(stages: Sequence[Stage], scenario: Scenario) -> float:
    """FLOP/s inside weight products over the base."""
    segments = [segment for stage in stages for segment in (stage.forward, stage.backward)]
    seconds = sum(float(segment.parts["gemm"][0]) for segment in segments if "gemm" in segment.parts)
    flops = sum(float(segment.gemm_flops[0]) for segment in segments)
    return flops / seconds / scenario.cluster.accelerator.base_peak
