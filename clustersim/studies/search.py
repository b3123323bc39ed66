"""The search for the best layout: enumerate in arrays, drop what does not fit, play the most promising."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from clustersim.costs.machine import machine_of
from clustersim.costs.placement import place_groups
from clustersim.engines.graph import Floats
from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.layout import Layout, Schedule
from clustersim.inputs.load import resolve_scenario, spread_layers
from clustersim.inputs.scenario import Scenario
from clustersim.schedules import in_flight
from clustersim.simulation.memory import Sharding, memory_parts
from clustersim.simulation.results import RunResult
from clustersim.simulation.run import simulate_run
from clustersim.simulation.stages import Pieces, Stage, assemble_stages, price_pieces
from clustersim.workload.arrays import Array
from clustersim.workload.passes import Recomputation
from clustersim.workload.shape import Shape, busiest_rank

PIPELINES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
VIRTUAL_STAGES = (1, 2, 3, 4, 6, 8)
MICRO_BATCHES = (1, 2, 4, 8)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SearchResult:
    """The best layouts of a scenario, best first, and how many were looked at."""

    best: tuple[RunResult, ...]
    candidates: int
    feasible: int
    played: int
    rejected: Mapping[str, int]  # reason -> how many


@dataclass(frozen=True)
class _Candidate:
    estimate_s: float
    layout: Layout


@dataclass(frozen=True)
class _Grid:
    """All combinations of the sizes that share a structure, as arrays `[points]`."""

    tensor: Floats
    expert: Floats
    micro_batch: Floats


def search_layouts(
    scenario: Scenario, *, top: int = 5, play: int = 12, progress: Progress | None = None
) -> SearchResult:
    """The `top` best layouts by step time among a bounded grid of sizes, recomputations and schedules.

    Every candidate's memory and time are estimated with the same formulas that a step is played with; the `play` best
    estimates that fit are played. Raises InfeasibleError when none fits.
    """
    rejected: Counter[str] = Counter()
    candidates = 0
    found: list[_Candidate] = []
    for fitting, tried in _estimates(scenario, rejected):
        candidates += tried
        found += fitting
    if not found:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in rejected.most_common(3))
        raise InfeasibleError(f"none of {candidates:,} layouts can run: {reasons or 'no layout divides the devices'}")
    found.sort(key=lambda candidate: candidate.estimate_s)
    results: list[RunResult] = []
    chosen = found[: max(play, top)]
    for number, candidate in enumerate(chosen, start=1):
        try:
            results.append(simulate_run(resolve_scenario(scenario, candidate.layout)))
        except (InputError, InfeasibleError):
            rejected["refused on resolution"] += 1
        if progress is not None:
            progress(number, len(chosen))
    fitting_results = [result for result in results if result.step.fits]
    if not fitting_results:
        raise InfeasibleError(f"none of the {len(chosen)} most promising of {candidates:,} layouts can run")
    fitting_results.sort(key=lambda result: result.step.step_time_s)
    return SearchResult(tuple(fitting_results[:top]), candidates, len(found), len(results), dict(rejected))


def _estimates(scenario: Scenario, rejected: Counter[str]) -> Iterator[tuple[list[_Candidate], int]]:
    """Candidates that fit, with the number tried, one pipeline structure after another."""
    grid = _grid(scenario)
    modes: list[Recomputation] = ["none", "selective", "full"]
    model = scenario.model
    fused = scenario.stack.fused_attention and model.position != "alibi"
    if fused and model.latent is None and model.moe is None:
        modes.remove("selective")  # nothing is kept that selective recomputation would drop
    for mode in modes:
        pieces = _pieces(scenario, grid, mode)
        for pipeline, chunks in product(PIPELINES, VIRTUAL_STAGES):
            if pipeline * chunks > scenario.model.layers or (chunks > 1 and pipeline == 1):
                continue
            yield _structure(scenario, grid, pieces, mode, pipeline, chunks, rejected)


def _grid(scenario: Scenario) -> _Grid:
    model, node = scenario.model, scenario.cluster.node
    powers = [2**exponent for exponent in range(12)]
    tensors = [
        size
        for size in powers
        if size <= node.domain
        and model.heads % size == 0
        and (model.kv_heads % size == 0 or size % model.kv_heads == 0)
    ]
    experts = [size for size in powers if model.moe.experts % size == 0] if model.moe else [1]
    micro_batches = [size for size in MICRO_BATCHES if scenario.training.global_batch % size == 0]
    points = np.array(list(product(tensors, experts, micro_batches)), dtype=float)
    return _Grid(points[:, 0], points[:, 1], points[:, 2])


def _pieces(scenario: Scenario, grid: _Grid, mode: Recomputation) -> Pieces:
    training, stack, model = scenario.training, scenario.stack, scenario.model
    shape = Shape(
        micro_batch=grid.micro_batch,
        sequence=float(training.sequence_length),
        span=float(training.attention_span),
        tensor=grid.tensor,
        context=1.0,
        expert=grid.expert,
        expert_tensor=1.0,
        sequence_parallel=stack.defaults.sequence_parallel,
        fused_attention=stack.fused_attention and model.position != "alibi",
        context_kind="ring",
        overlap=stack.defaults.overlap,
        precision=training.precision,
        busiest_expert_rank=busiest_rank(model, training, grid.expert),
    )
    sizes: dict[str, Array] = {
        "tensor": grid.tensor,
        "context": 1.0,
        "data": scenario.cluster.devices / grid.tensor,
        "pipeline": 1.0,
        "expert": grid.expert,
        "expert_tensor": 1.0,
    }
    groups = place_groups(sizes, "tensor-context-expert-data-pipeline", scenario.cluster.node.domain)
    return price_pieces(model, shape, machine_of(scenario.cluster, stack, groups), [mode], len(grid.tensor))


def _structure(
    scenario: Scenario,
    grid: _Grid,
    pieces: Pieces,
    mode: Recomputation,
    pipeline: int,
    chunks: int,
    rejected: Counter[str],
) -> tuple[list[_Candidate], int]:
    """Candidates of one pipeline structure that divide the devices and the batch and fit in memory."""
    data = scenario.cluster.devices / (grid.tensor * pipeline)
    micro_batches = scenario.training.global_batch / (data * grid.micro_batch)
    possible = (data >= 1) & (data % 1 == 0) & (micro_batches >= 1) & (micro_batches % 1 == 0)
    possible &= (grid.tensor * data) % grid.expert == 0
    if chunks > 1:
        possible &= micro_batches % pipeline == 0
    if not possible.any():
        return [], 0
    stages = assemble_stages(pieces, spread_layers(scenario.model.layers, pipeline * chunks), mode)
    held = _peak_bytes(scenario, stages, grid, data, micro_batches, pipeline, chunks)
    usable = scenario.cluster.accelerator.memory.usable_bytes
    fits = possible & (held <= usable)
    rejected["out of memory"] += int((possible & ~fits).sum())
    estimate = _estimate(stages, micro_batches, pipeline, chunks)
    schedule: Schedule = "interleaved-1f1b" if chunks > 1 else "1f1b"
    found = [
        _Candidate(
            float(estimate[point]),
            Layout(
                tensor=int(grid.tensor[point]),
                pipeline=pipeline,
                virtual_stages=chunks,
                data=int(data[point]),
                expert=int(grid.expert[point]),
                expert_tensor=1,
                micro_batch=int(grid.micro_batch[point]),
                recompute=mode,
                schedule=schedule,
            ),
        )
        for point in np.flatnonzero(fits)
    ]
    return found, int(possible.sum())


def _estimate(stages: list[Stage], micro_batches: Floats, pipeline: int, chunks: int) -> Floats:
    """Seconds [points]: the busiest device's work, and the time the pipeline takes to fill and drain.

    m max(F + B) + (p - 1)/v mean(F + B) a device. Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2.
    """
    work = np.array([stage.forward.seconds + stage.backward.seconds for stage in stages])  # [virtual stages, points]
    devices = work.reshape(chunks, pipeline, -1).sum(axis=0)
    return np.asarray(micro_batches * devices.max(axis=0) + (pipeline - 1) / chunks * devices.mean(axis=0))


def _peak_bytes(
    scenario: Scenario,
    stages: list[Stage],
    grid: _Grid,
    data: Floats,
    micro_batches: Floats,
    pipeline: int,
    chunks: int,
) -> Floats:
    """Bytes on the fullest device, [points]."""
    sharding = Sharding(
        scenario.stack.defaults.sharding,
        "none",
        data,
        np.maximum(1.0, data * grid.tensor / grid.expert),
        scenario.training.grad_reduce_precision or scenario.stack.defaults.grad_reduce_precision,
    )
    name = "interleaved-1f1b" if chunks > 1 else "1f1b"
    flying = np.array(
        [in_flight(name, pipeline, max(1, int(count)), chunks) for count in micro_batches]
    )  # [points, stages]
    peak = np.zeros(len(data))
    seen = set()
    for stage in range(pipeline):
        chunk_stages = stages[stage::pipeline]
        key = tuple(id(chunk) for chunk in chunk_stages)
        if key in seen:
            continue  # an earlier stage of the same chunks has more micro-batches in flight
        seen.add(key)
        parts = memory_parts(chunk_stages, flying[:, stage], sharding, scenario.stack)
        peak = np.maximum(peak, sum(parts.values()))
    return peak
