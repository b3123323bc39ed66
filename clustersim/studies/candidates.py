"""Layouts worth playing: every combination of sizes, its time and memory estimated in arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.layout import Layout
from clustersim.inputs.load import spread_layers
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.stages import Pieces, assemble_stages, price_pieces
from clustersim.studies.estimates import Sizes, Structure, estimate_step, peak_bytes
from clustersim.workload.passes import Recomputation
from clustersim.workload.shape import Shape, busiest_rank, kept_by

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
    expert_tensor: Floats
    micro_batch: Floats


def candidate_families(scenario: Scenario) -> Iterator[Family]:
    """Every pipeline structure that the devices and the model's layers allow, with its layouts that fit in memory."""
    grid = _grid(scenario)
    for mode in _modes(scenario):
        pieces = _pieces(scenario, grid, mode)
        for pipeline, chunks in _pipelines(scenario):
            yield _family(scenario, grid, pieces, Structure(pipeline, chunks, mode))


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
    points = [
        (tensor, expert, expert_tensor, micro_batch)
        for tensor, expert, micro_batch in product(tensors, experts, micro_batches)
        for expert_tensor in ({1, tensor} if model.moe else {1})
    ]
    return _Grid(*np.array(sorted(points), dtype=float).T)


def _pieces(scenario: Scenario, grid: _Grid, mode: Recomputation) -> Pieces:
    training, stack, model = scenario.training, scenario.stack, scenario.model
    shape = Shape(
        micro_batch=grid.micro_batch,
        sequence=float(training.sequence_length),
        span=float(training.attention_span),
        tensor=grid.tensor,
        context=1.0,
        expert=grid.expert,
        expert_tensor=grid.expert_tensor,
        sequence_parallel=stack.defaults.sequence_parallel,
        fused_attention=stack.fused_attention and model.position != "alibi",
        context_kind="ring",
        overlap=stack.defaults.overlap,
        precision=training.precision,
        busiest_expert_rank=busiest_rank(model, training, grid.expert),
        **kept_by(stack, training),
    )
    sizes = Sizes(
        grid.tensor, grid.expert, grid.expert_tensor, scenario.cluster.devices / grid.tensor, np.ones(len(grid.tensor))
    )
    machine = sizes.machine(scenario, pipeline=1)
    return price_pieces(model, shape, machine, [mode], len(grid.tensor))


def _family(scenario: Scenario, grid: _Grid, pieces: Pieces, structure: Structure) -> Family:
    pipeline, chunks = structure.pipeline, structure.chunks
    data = scenario.cluster.devices / (grid.tensor * pipeline)
    micro_batches = scenario.training.global_batch / (data * grid.micro_batch)
    possible = (data >= 1) & (data % 1 == 0) & (micro_batches >= 1) & (micro_batches % 1 == 0)
    possible &= (grid.tensor * data) % (grid.expert * grid.expert_tensor) == 0
    if chunks > 1:
        possible &= micro_batches % pipeline == 0
    if not possible.any():
        return Family((), 0, np.inf)
    real = (np.where(possible, size, 1.0) for size in (grid.expert, grid.expert_tensor, data, micro_batches))
    sizes = Sizes(grid.tensor, *real)  # what is impossible counts for nothing, but must not break the arithmetic
    stages = assemble_stages(pieces, spread_layers(scenario.model.layers, pipeline * chunks), structure.mode)
    held = peak_bytes(scenario, stages, sizes, structure)
    fits = possible & (held <= scenario.cluster.accelerator.memory.usable_bytes)
    estimate = estimate_step(scenario, stages, sizes, structure)
    fitting = tuple(
        Candidate(float(estimate[point]), _layout(grid, data, int(point), structure)) for point in np.flatnonzero(fits)
    )
    return Family(fitting, int(possible.sum()), float(held[possible].min()))


def _layout(grid: _Grid, data: Floats, point: int, structure: Structure) -> Layout:
    return Layout(
        tensor=int(grid.tensor[point]),
        pipeline=structure.pipeline,
        virtual_stages=structure.chunks,
        data=int(data[point]),
        expert=int(grid.expert[point]),
        expert_tensor=int(grid.expert_tensor[point]),
        micro_batch=int(grid.micro_batch[point]),
        recompute=structure.mode,
        schedule=structure.schedule,
    )
