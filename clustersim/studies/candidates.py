"""Layouts worth playing: every combination of sizes, its time and memory estimated in arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from clustersim.costs.machine import machine_of
from clustersim.costs.placement import place_groups
from clustersim.engines.graph import Floats
from clustersim.inputs.layout import Layout, Schedule
from clustersim.inputs.load import spread_layers
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.registry import find_schedule
from clustersim.simulation.memory import Sharding, memory_parts
from clustersim.simulation.stages import Pieces, Stage, assemble_stages, price_pieces
from clustersim.workload.arrays import Array
from clustersim.workload.passes import Recomputation
from clustersim.workload.shape import Shape, busiest_rank

LONGEST_PIPELINE = 64
VIRTUAL_STAGES = (1, 2, 3, 4, 5, 6, 8, 10, 12)
MICRO_BATCHES = (1, 2, 4, 8)
POWERS = tuple(2**exponent for exponent in range(12))


@dataclass(frozen=True)
class Candidate:
    """A layout that should fit, and how long its step should take."""

    estimate_s: float
    layout: Layout


@dataclass(frozen=True)
class Family:
    """The candidates of one pipeline structure and recomputation."""

    fitting: tuple[Candidate, ...]
    tried: int  # layouts that divide model, batch and devices
    least_bytes: float  # of the leanest among them, on its fullest device; infinite where there is none


@dataclass(frozen=True)
class _Grid:
    """All combinations of the sizes that share a structure, as arrays `[points]`."""

    tensor: Floats
    expert: Floats
    micro_batch: Floats


@dataclass(frozen=True)
class _Structure:
    """What fixes the shape of a step's graph."""

    pipeline: int
    chunks: int
    mode: Recomputation

    @property
    def schedule(self) -> Schedule:
        return "interleaved-1f1b" if self.chunks > 1 else "1f1b"


def candidate_families(scenario: Scenario) -> Iterator[Family]:
    """Every pipeline structure that the devices and the model's layers allow, with its layouts that fit in memory."""
    grid = _grid(scenario)
    for mode in _modes(scenario):
        pieces = _pieces(scenario, grid, mode)
        for pipeline, chunks in _pipelines(scenario):
            yield _family(scenario, grid, pieces, _Structure(pipeline, chunks, mode))


def _modes(scenario: Scenario) -> list[Recomputation]:
    """A fused kernel keeps nothing that selective recomputation would drop; latent attention and experts do."""
    model = scenario.model
    fused = scenario.stack.fused_attention and model.position != "alibi"
    drops = not fused or model.latent is not None or model.moe is not None
    return ["none", "selective", "full"] if drops else ["none", "full"]


def _pipelines(scenario: Scenario) -> Iterator[tuple[int, int]]:
    """Pipeline stages and chunks a stage. Embedding and head may have a virtual stage of their own each."""
    most, devices = scenario.model.layers + 2, scenario.cluster.devices
    for pipeline in range(1, LONGEST_PIPELINE + 1):
        if devices % pipeline == 0:
            chunk_counts = VIRTUAL_STAGES if pipeline > 1 else (1,)
            yield from ((pipeline, chunks) for chunks in chunk_counts if pipeline * chunks <= most)


def _grid(scenario: Scenario) -> _Grid:
    model, domain = scenario.model, scenario.cluster.node.domain
    tensors = [
        size
        for size in POWERS
        if size <= domain and model.heads % size == 0 and (model.kv_heads % size == 0 or size % model.kv_heads == 0)
    ]
    experts = [size for size in POWERS if model.moe.experts % size == 0] if model.moe else [1]
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


def _family(scenario: Scenario, grid: _Grid, pieces: Pieces, structure: _Structure) -> Family:
    pipeline, chunks = structure.pipeline, structure.chunks
    data = scenario.cluster.devices / (grid.tensor * pipeline)
    micro_batches = scenario.training.global_batch / (data * grid.micro_batch)
    possible = (data >= 1) & (data % 1 == 0) & (micro_batches >= 1) & (micro_batches % 1 == 0)
    possible &= (grid.tensor * data) % grid.expert == 0
    if chunks > 1:
        possible &= micro_batches % pipeline == 0
    if not possible.any():
        return Family((), 0, np.inf)
    stages = assemble_stages(pieces, spread_layers(scenario.model.layers, pipeline * chunks), structure.mode)
    held = _peak_bytes(scenario, stages, grid, data, micro_batches, structure)
    fits = possible & (held <= scenario.cluster.accelerator.memory.usable_bytes)
    estimate = _estimate(stages, micro_batches, structure)
    fitting = tuple(
        Candidate(float(estimate[point]), _layout(grid, data, int(point), structure)) for point in np.flatnonzero(fits)
    )
    return Family(fitting, int(possible.sum()), float(held[possible].min()))


def _layout(grid: _Grid, data: Floats, point: int, structure: _Structure) -> Layout:
    return Layout(
        tensor=int(grid.tensor[point]),
        pipeline=structure.pipeline,
        virtual_stages=structure.chunks,
        data=int(data[point]),
        expert=int(grid.expert[point]),
        expert_tensor=1,
        micro_batch=int(grid.micro_batch[point]),
        recompute=structure.mode,
        schedule=structure.schedule,
    )


def _estimate(stages: list[Stage], micro_batches: Floats, structure: _Structure) -> Floats:
    """Seconds [points]: the busiest device's work, and the time the pipeline takes to fill and drain.

    m max(F + B) + (p - 1)/v mean(F + B) a device. Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2.
    """
    pipeline, chunks = structure.pipeline, structure.chunks
    work = np.array([stage.forward.seconds + stage.backward.seconds for stage in stages])  # [virtual stages, points]
    devices = work.reshape(chunks, pipeline, -1).sum(axis=0)
    return np.asarray(micro_batches * devices.max(axis=0) + (pipeline - 1) / chunks * devices.mean(axis=0))


def _peak_bytes(
    scenario: Scenario, stages: list[Stage], grid: _Grid, data: Floats, micro_batches: Floats, structure: _Structure
) -> Floats:
    """Bytes on the fullest device, [points]."""
    defaults, pipeline = scenario.stack.defaults, structure.pipeline
    sharding = Sharding(
        defaults.sharding,
        "none",
        data,
        np.maximum(1.0, data * grid.tensor / grid.expert),
        scenario.training.grad_reduce_precision or defaults.grad_reduce_precision,
    )
    counts = np.maximum(1.0, micro_batches).astype(np.int64)
    flying = find_schedule(structure.schedule).in_flight(
        np.arange(pipeline)[:, None], pipeline, counts, structure.chunks
    )  # [stages, points]
    peak = np.zeros(len(data))
    seen = set()
    for stage in range(pipeline):
        chunk_stages = stages[stage::pipeline]
        key = tuple(id(chunk) for chunk in chunk_stages)
        if key not in seen:  # an earlier stage of the same chunks has more micro-batches in flight
            seen.add(key)
            parts = memory_parts(chunk_stages, flying[stage], sharding, scenario.stack)
            peak = np.maximum(peak, sum(parts.values()))
    return peak
