"""The step clock: micro-batches through pipeline stages in a schedule's order, then gradients and optimizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clustersim.costs.machine import Machine, machine_of
from clustersim.costs.placement import group_sizes, mirrored, place_groups
from clustersim.engines import play
from clustersim.engines.graph import Floats, Timeline
from clustersim.inputs.layout import PartialRecompute, ResolvedLayout
from clustersim.inputs.scenario import Scenario
from clustersim.schedules import build_program
from clustersim.schedules.program import Program, TaskType
from clustersim.schedules.registry import passes_of, place_chunks, traits_of
from clustersim.schedules.schedule import Ratios
from clustersim.simulation.intervals import model_error
from clustersim.simulation.memory.peaks import memory_reports
from clustersim.simulation.results import StepResult
from clustersim.simulation.segment.coupling import Coupled, coupling_notes, play_coupled
from clustersim.simulation.segment.layer_prices import price_layers, recomputations
from clustersim.simulation.segment.stages import Stage, assemble_stages
from clustersim.simulation.step.breakdown import breakdown, busy_seconds, computed_parts
from clustersim.simulation.step.data_parallel import gathers, has_no_replicas
from clustersim.simulation.step.even_stages import even_idle
from clustersim.simulation.step.limits import check_tasks
from clustersim.simulation.step.planned_ratios import planned_ratios
from clustersim.simulation.step.side_by_side import Columns, side_by_side
from clustersim.simulation.step.step_demands import StepDemands
from clustersim.simulation.step.task_prices import Parts, PriceTable, TaskPrices, boundary_seconds
from clustersim.simulation.step.unfolded import is_uneven, unfolded_seconds
from clustersim.simulation.step.windows import Windows, step_windows
from clustersim.workload.flops import model_flops_per_token, recomputed_flops_per_token
from clustersim.workload.layers.registry import refuse_misfits
from clustersim.workload.shape import shape_of

TOGETHER = 200  # points: their timelines take 16 bytes a task and point


@dataclass(frozen=True)
class PlayedStep:
    """A step as it was played: the task graph, when every task ran, and what every kind of task spent its time on."""

    scenario: Scenario
    program: Program
    timeline: Timeline
    parts: tuple[Mapping[str, float], ...]  # of each kind: seconds by part of the breakdown
    stages: tuple[Stage, ...]  # virtual stages in pipeline order
    machine: Machine
    imbalance_s: float = 0.0  # what everybody waits for the slowest replica, where replicas differ
    coupled: Coupled | None = None  # what tasks took longer beside others, where that is asked for

    @property
    def seconds(self) -> float:
        """How long after it the next step follows."""
        return self.folded_s + self.imbalance_s

    @property
    def folded_s(self) -> float:
        """The same where all replicas are alike."""
        return float(step_windows(self.program, self.timeline).seconds[0])


@dataclass(frozen=True)
class PlayedSteps:
    """Steps of scenarios of one structure, played side by side: a column of the timeline each."""

    scenarios: tuple[Scenario, ...]
    columns: Columns  # all of them as one
    program: Program
    timeline: Timeline
    table: PriceTable  # what every kind of task takes, by part of the breakdown
    stages: tuple[Stage, ...]
    imbalance_s: Floats  # [points]
    coupled: Coupled | None = None  # what tasks took longer beside others, where that is asked for

    @property
    def stretch(self) -> Floats | None:
        """How many times as long as its kind each task took, [tasks, points]; None where all took that."""
        return self.coupled.stretch if self.coupled else None


def simulate_step(scenario: Scenario, *, engine: str = "auto", intervals: bool = True) -> StepResult:
    """Play one optimizer step of a scenario with a resolved layout, and read the result off its timeline.

    Raises InfeasibleError where this version cannot play what the layout asks for, InputError where the model's layers
    can't run in it. A layout that does not fit in memory is played all the same: the result's `fits` tells.
    """
    return simulate_steps([scenario], engine=engine, intervals=intervals)[0]


def simulate_steps(scenarios: Sequence[Scenario], *, engine: str = "auto", intervals: bool = True) -> list[StepResult]:
    """Play the steps of scenarios of one structure (`columns.structure_of`) side by side.

    Every result is the one that `simulate_step` gives, to the last bit. Raises as `simulate_step` does.
    """
    results: list[StepResult] = []
    for first in range(0, len(scenarios), TOGETHER):
        played = play_steps(scenarios[first : first + TOGETHER], engine=engine)
        results += results_of(played, intervals=intervals)
    return results


def play_step(scenario: Scenario, *, engine: str = "auto") -> PlayedStep:
    """Play one optimizer step of a scenario with a resolved layout. Raises InfeasibleError as `simulate_step` does."""
    played = play_steps([scenario], engine=engine)
    plain = [{part: float(seconds[0]) for part, seconds in row.items()} for row in played.table.rows]
    parts = tuple(plain[number] for number in played.table.row.tolist())
    machine, late = step_machine(side_by_side([scenario]), of_one=True), float(played.imbalance_s[0])
    return PlayedStep(scenario, played.program, played.timeline, parts, played.stages, machine, late, played.coupled)


def play_steps(scenarios: Sequence[Scenario], *, engine: str = "auto") -> PlayedSteps:
    """Play one optimizer step of every scenario, all of one structure. Raises InfeasibleError as `simulate_step`."""
    for scenario in scenarios:
        refuse_misfits(scenario.resolved_layout, scenario.model)
    first, columns = scenarios[0], side_by_side(scenarios)
    machine = step_machine(columns)
    stages = price_stages(columns, machine)
    ratios = None
    if traits_of(first.resolved_layout.schedule).planned:
        transfer = float(boundary_seconds(columns, machine)[0, 0])
        ratios = planned_ratios(stages, transfer, ends_meet=first.model.tied_embeddings)
    check_tasks(first.resolved_layout, micro_batches_of(first))
    program = step_program(first, micro_batches_of(first), ratios)
    prices = TaskPrices(columns, machine, stages, program)
    table = prices.table()
    durations, coupled = table.seconds, None
    if first.stack.coupling:
        sharing = StepDemands(columns, machine, stages, program).sharing(table)
        coupled = play_coupled(program.graph, durations, sharing, first.stack.coupling, engine)
    timeline = coupled.timeline if coupled else play(program.graph, durations, engine=engine)
    late = np.zeros(columns.points)
    if is_uneven(first.cluster):
        took = durations[program.graph.kind] * (coupled.stretch if coupled else 1.0)  # [tasks, points] seconds
        late += unfolded_seconds(first, program, took[:, 0]) - timeline.makespan
    return PlayedSteps(tuple(scenarios), columns, program, timeline, table, tuple(stages), late, coupled)


def price_stages(columns: Columns, machine: Machine) -> list[Stage]:
    """Price the passes of every virtual stage."""
    scenario, layout, points = columns.scenario, columns.scenario.resolved_layout, columns.points
    shape = shape_of(scenario.model, scenario.training, layout, scenario.stack, columns.sizes)
    modes = recomputations(layout.recompute)
    pieces = price_layers(scenario.model, shape, machine, modes, points, operations=passes_played(layout))
    return assemble_stages(pieces, layout.stage_layers, layout.recompute)


def step_machine(columns: Columns, *, of_one: bool = False) -> Machine:
    """The cluster and stack of some points, their groups placed on the network; `of_one` point: in plain floats."""
    scenario, layout = columns.scenario, columns.scenario.resolved_layout
    sizes = group_sizes(columns.sizes, layout.pipeline)
    if not of_one:  # arrays for one point too: NumPy may round powers and logarithms of a single float otherwise
        sizes = {group: np.atleast_1d(size) for group, size in sizes.items()}
    groups = place_groups(sizes, layout.rank_order, scenario.cluster.node.domain, layout.zero_group)
    return machine_of(scenario.cluster, scenario.stack, mirrored(groups, copies_of(layout)))


def passes_played(layout: ResolvedLayout) -> frozenset[TaskType]:
    """The kinds of passes that a layout may run."""
    return passes_of(layout.schedule, beside=hides_experts(layout))


def hides_experts(layout: ResolvedLayout) -> bool:
    """Whether experts' traffic hides behind another micro-batch: forward passes run beside backward ones."""
    can = traits_of(layout.schedule).runs_beside(layout.pipeline, layout.virtual_stages)
    return "expert" in layout.overlap and can


def copies_of(layout: ResolvedLayout) -> int:
    """How often a pipeline holds the model."""
    return place_chunks(layout.schedule, layout.pipeline, layout.virtual_stages).copies


def micro_batches_of(scenario: Scenario) -> int:
    """Micro-batches that one replica runs in a step."""
    layout = scenario.resolved_layout
    return scenario.training.global_batch // (layout.data * layout.micro_batch)


def step_program(scenario: Scenario, micro_batches: int, ratios: Ratios | None = None) -> Program:
    """The task graph of a step of a resolved scenario; `ratios`: what an automatic schedule is planned on."""
    layout, stack = scenario.resolved_layout, scenario.stack
    when = gathers(layout)
    return build_program(
        layout.schedule,
        layout.pipeline,
        micro_batches,
        layout.virtual_stages,
        blocking_transfers=stack.blocking_transfers,
        gather="none" if when == "beside" else when,
        reduce=copies_of(layout) > 1 or not has_no_replicas(layout),
        tied_embeddings=scenario.model.tied_embeddings,
        synchronous_optimizer=stack.synchronous_optimizer and not traits_of(layout.schedule).post_validates,
        ratios=ratios,
        beside=hides_experts(layout),
    )


def result_of(step: PlayedStep, *, intervals: bool = True) -> StepResult:
    """The figures of one played step."""
    return results_of(_as_column(step), intervals=intervals)[0]


def breakdown_of(step: PlayedStep) -> dict[str, float]:
    """Seconds of a step by part, on the mean device; they sum to the step."""
    played, windows = _as_column(step), step_windows(step.program, step.timeline)
    computed = computed_parts(played.program, played.table, played.stretch)
    return {part: float(seconds[0]) for part, seconds in _spent(played, windows, computed).items()}


def _as_column(step: PlayedStep) -> PlayedSteps:
    rows = {id(row): {part: np.array([seconds]) for part, seconds in row.items()} for row in step.parts}
    place = {key: number for number, key in enumerate(rows)}
    table = PriceTable(list(rows.values()), np.array([place[id(row)] for row in step.parts]), 1)
    late, one = np.array([step.imbalance_s]), step.scenario
    return PlayedSteps((one,), side_by_side([one]), step.program, step.timeline, table, step.stages, late, step.coupled)


def _spent(played: PlayedSteps, windows: Windows, computed: Parts) -> dict[str, Floats]:
    even = even_idle(played.program, played.columns.scenario.resolved_layout.schedule, played.table.seconds)
    spent = breakdown(played.program, played.timeline, windows, computed, even)
    return spent | {"imbalance": spent["imbalance"] + played.imbalance_s}


def results_of(played: PlayedSteps, *, intervals: bool = True) -> list[StepResult]:
    """The figures of played steps."""
    first, count = played.scenarios[0], len(played.scenarios)
    model, training = first.model, first.training
    full = model_flops_per_token(model, training, "full")
    causal = model_flops_per_token(model, training, "causal")
    stack, again = first.stack, recomputed_layers(first)
    fused, selected = stack.fuses_attention(model.position), stack.selective_recompute
    recomputed = recomputed_flops_per_token(model, training, again, fused=fused, selected=selected)
    windows = step_windows(played.program, played.timeline)
    seconds = windows.seconds + played.imbalance_s
    computed = computed_parts(played.program, played.table, played.stretch)
    busy_any, busy_compute = busy_seconds(played.program, played.timeline, windows, computed)
    spent = _spent(played, windows, computed)
    base_peaks = played.columns.scenario.cluster.accelerator.base_peak
    figures = [seconds, busy_any / seconds, busy_compute / seconds, _weight_product_flops(played.stages) / base_peaks]
    rows = zip(
        played.scenarios,
        *(figure.tolist() for figure in figures),
        zip(*(part.tolist() for part in spent.values()), strict=True),
        memory_reports(played.program, played.stages, played.columns.scenario, played.columns.sizes, count),
        played.coupled.coupling_residual.tolist() if played.coupled else [None] * count,
        strict=True,
    )
    results = []
    for scenario, step_s, any_stream, compute, efficiency, parts, memory, coupling_residual in rows:
        tokens = scenario.training.tokens_per_step
        rate = tokens / step_s / (scenario.cluster.accelerator.base_peak * scenario.cluster.devices)
        results.append(
            StepResult(
                scenario=scenario,
                step_time_s=step_s,
                mfu=full * rate,
                mfu_causal=causal * rate,
                hfu=(full + recomputed) * rate,
                busy_any=any_stream,
                busy_compute=compute,
                gemm_efficiency=efficiency,
                model_flops=full * tokens,
                breakdown=dict(zip(spent, parts, strict=True)),
                memory=memory,
                error=model_error(scenario) if intervals else None,
                engine=played.timeline.engine,
                notes=coupling_notes(scenario.stack.coupling, coupling_residual),
                coupling_residual=coupling_residual,
            )
        )
    return results


def recomputed_layers(scenario: Scenario) -> dict[str, int]:
    """How many layers are computed again in each way."""
    recompute, layers = scenario.resolved_layout.recompute, scenario.model.layers
    if isinstance(recompute, PartialRecompute):
        return {"full": min(layers, recompute.layers * len(scenario.resolved_layout.stage_layers))}
    return {recompute: layers}


def _weight_product_flops(stages: Sequence[Stage]) -> Floats:
    """FLOP/s [points] inside weight products."""
    held = {id(stage): stage for stage in stages}
    times = Counter(id(stage) for stage in stages)
    segments = [(count, segment) for key, count in times.items() for segment in (held[key].forward, held[key].backward)]
    seconds = sum(count * segment.parts["gemm"] for count, segment in segments if "gemm" in segment.parts)
    return np.asarray(sum(count * segment.gemm_flops for count, segment in segments) / seconds)
