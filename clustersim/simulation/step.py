"""The step clock: micro-batches through pipeline stages in a schedule's order, then gradients and optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustersim.costs.machine import Machine, machine_of
from clustersim.costs.placement import group_sizes, place_groups
from clustersim.engines import play
from clustersim.engines.graph import Timeline
from clustersim.inputs.layout import PartialRecompute
from clustersim.inputs.scenario import Scenario
from clustersim.schedules import build_program
from clustersim.schedules.program import Program
from clustersim.schedules.registry import passes_of, post_validates
from clustersim.simulation.breakdown import breakdown, busy_shares, step_window
from clustersim.simulation.data_parallel import gathers
from clustersim.simulation.intervals import interval
from clustersim.simulation.memory_timeline import memory_timeline
from clustersim.simulation.results import MemoryReport, StagePeak, StepResult
from clustersim.simulation.stages import Stage, assemble_stages, price_pieces, recomputations
from clustersim.simulation.task_prices import Parts, TaskPrices
from clustersim.simulation.unfolded import is_uneven, unfolded_seconds
from clustersim.workload.flops import model_flops_per_token, recomputed_flops_per_token
from clustersim.workload.shape import shape_of


@dataclass(frozen=True)
class PlayedStep:
    """A step as it was played: the task graph, when every task ran, and what every kind of task spent its time on."""

    scenario: Scenario
    program: Program
    timeline: Timeline
    parts: tuple[Parts, ...]  # of each kind: seconds by part of the breakdown
    stages: tuple[Stage, ...]  # virtual stages in pipeline order
    machine: Machine
    imbalance_s: float = 0.0  # what everybody waits for the slowest replica, where replicas differ

    @property
    def seconds(self) -> float:
        """How long after it the next step follows."""
        return self.folded_s + self.imbalance_s

    @property
    def folded_s(self) -> float:
        """The same where all replicas are alike."""
        window = step_window(self.program, self.timeline)
        return window.end - window.start


def simulate_step(scenario: Scenario, *, engine: str = "auto", intervals: bool = True) -> StepResult:
    """Play one optimizer step of a scenario with a resolved layout, and read the result off its timeline.

    Raises InfeasibleError where this version cannot play what the layout asks for. A layout that does not fit in
    memory is played all the same: the result's `fits` tells.
    """
    return result_of(play_step(scenario, engine=engine), intervals=intervals)


def play_step(scenario: Scenario, *, engine: str = "auto") -> PlayedStep:
    """Play one optimizer step of a scenario with a resolved layout. Raises InfeasibleError as `simulate_step` does."""
    layout = scenario.plan
    machine = machine_of(
        scenario.cluster,
        scenario.stack,
        place_groups(group_sizes(layout), layout.rank_order, scenario.cluster.node.domain),
    )
    shape = shape_of(scenario.model, scenario.training, layout, scenario.stack)
    program = step_program(scenario, micro_batches_of(scenario))
    modes = recomputations(layout.recompute)
    pieces = price_pieces(scenario.model, shape, machine, modes, operations=passes_of(layout.schedule))
    stages = assemble_stages(pieces, layout.stage_layers, layout.recompute)
    prices = TaskPrices(scenario, machine, stages, program)
    parts = tuple(prices.parts(kind) for kind in program.kinds)
    durations = np.array([[sum(row.values())] for row in parts])  # [kinds, 1] seconds
    timeline = play(program.graph, durations, engine=engine)
    late = 0.0
    if is_uneven(scenario.cluster):
        late = unfolded_seconds(scenario, program, durations) - float(timeline.makespan[0])
    return PlayedStep(scenario, program, timeline, parts, tuple(stages), machine, late)


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
        synchronous_optimizer=stack.synchronous_optimizer and not post_validates(layout.schedule),
    )


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
    busy_any, busy_compute = (
        share * step.folded_s / seconds for share in busy_shares(step.program, step.timeline, step.parts)
    )
    spent = breakdown_of(step)
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
        memory=memory_report(step),
        intervals={name: interval(value, residual, power) for name, (value, power) in figures.items()}
        if intervals
        else {},
        engine=step.timeline.engine,
    )


def breakdown_of(step: PlayedStep) -> dict[str, float]:
    """Seconds of a step by part, on the device that ends last; they sum to the step."""
    spent = breakdown(step.program, step.timeline, step.parts)
    spent["imbalance"] += step.imbalance_s
    return spent


def memory_report(step: PlayedStep) -> MemoryReport:
    """What every pipeline stage holds when it holds most."""
    stages = tuple(StagePeak(held.stage, held.peak_parts) for held in memory_timeline(step))
    return MemoryReport(stages, step.scenario.cluster.accelerator.memory.usable_bytes)


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
