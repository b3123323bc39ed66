"""Seconds of one pass through the model in serving, for many batch sizes at once: alone, overlapped, and at best."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from clustersim.costs.serving import ServingMachine, serving_machine
from clustersim.engines.graph import Floats
from clustersim.inputs.kinds import chosen
from clustersim.inputs.model import Model
from clustersim.inputs.precisions import BYTES, element_bytes
from clustersim.inputs.serving import Serving, Unit
from clustersim.simulation.segment.segment import Segment, empty_segment, play_segment
from clustersim.simulation.serving.memory import kinds_of
from clustersim.simulation.serving.transfers import transfer_seconds
from clustersim.workload.layers.serving_batch import Batch, Forward, ServingPhase
from clustersim.workload.operations import Collective, Pass
from clustersim.workload.passes import beside
from clustersim.workload.serving import (
    draft_elements,
    forward_pass,
    head_elements,
    layer_elements,
    staggered,
)
from clustersim.workload.shape import Shape
from clustersim.workload.software import Software

SHORT, LONG = 2, 6  # layers played: what the longer run takes more is that of layers in the middle


@dataclass(frozen=True)
class PassTimes:
    """Seconds of a pass at every batch size [batches]."""

    no_overlap: Floats  # compute, communication and transfers of keys and values one after the other
    central: Floats  # two halves of the batch take turns on their streams, where that is faster
    full_overlap: Floats  # the longer of compute and all that moves, the other hidden behind it
    parts: dict[str, Floats]  # of `central`, by part


def pass_times(serving: Serving, phase: ServingPhase, batch: Floats) -> PassTimes:
    """Seconds of passes of `batch` tokens (prefill) or answers (decode) a device.

    An imbalance of experts stretches them all: every exchange waits for the busiest rank.
    """
    unit = unit_of(serving, phase)
    machine = _machine(serving, phase)
    points = len(batch)
    compute, moving = np.zeros(points), np.zeros(points)
    together = beside if phase == "prefill" else staggered
    alone, halves = empty_segment(points), empty_segment(points)
    for (elements, times), (half, _) in zip(
        _work(serving, phase, batch), _work(serving, phase, batch / 2.0), strict=True
    ):
        work = forward_pass(elements, machine.single)
        for operation in work.operations:
            seconds = times * machine.time(operation)
            if isinstance(operation, Collective):
                moving = moving + seconds
            else:
                compute = compute + seconds
        alone = alone + play_segment(work, machine, points) * times
        if unit.micro_batches == 2:
            halves = halves + _steady(half, times, machine, points, together)
    faster = halves.seconds < alone.seconds if unit.micro_batches == 2 else np.zeros(points, dtype=bool)
    names = sorted(alone.parts.keys() | halves.parts.keys())
    zero = np.zeros(points)
    parts = {name: np.where(faster, halves.parts.get(name, zero), alone.parts.get(name, zero)) for name in names}
    central = np.where(faster, halves.seconds, alone.seconds)
    stretched = unit.imbalance
    if stretched > 1.0:
        parts["imbalance"] = (stretched - 1.0) * central
    beside_it = transfer_seconds(serving, batch) if phase == "prefill" else zero  # on engines of their own
    return PassTimes(
        no_overlap=stretched * (compute + moving) + beside_it,
        central=np.maximum(stretched * central, beside_it),
        full_overlap=np.maximum(stretched * compute, stretched * moving + beside_it),
        parts=parts,
    )


def unit_of(serving: Serving, phase: ServingPhase) -> Unit:
    """The devices that serve a phase."""
    units: dict[str, Unit] = {"prefill": serving.prefill, "decode": serving.decode}
    return chosen("phase", phase, units)


def _machine(serving: Serving, phase: ServingPhase) -> ServingMachine:
    stack = serving.stack
    kernels = stack.prefill if phase == "prefill" else stack.decode
    moe = serving.model.moe
    return serving_machine(serving.node, stack, unit_of(serving, phase), kernels, serving.precision, moe)


def _steady(
    elements: list[Forward], times: float, machine: ServingMachine, points: int, together: Callable[[Pass, Pass], Pass]
) -> Segment:
    """Two halves of a batch through `times` layers, one computing while the other's tokens travel."""

    def run(layers: int) -> Segment:
        work = forward_pass(elements, machine.single, layers)
        return play_segment(together(work, work), machine, points)

    if times < LONG:
        return run(1) * times
    return run(LONG).beyond(run(SHORT)) * (times / (LONG - SHORT))


def _work(serving: Serving, phase: ServingPhase, batch: Floats) -> Iterator[tuple[list[Forward], float]]:
    """The elements of every kind of layer with the number of such layers, the modules that draft, and the head."""
    model, unit, drafts = serving.model, unit_of(serving, phase), serving.decode.draft_tokens
    each = 1.0 + drafts if phase == "decode" else 1.0
    sizes, shape = _batch(serving, phase, batch * each, batch), _shape(serving, unit, batch * each)
    placed = _with_copies(model, unit)
    for kind, layers in kinds_of(model, 0, model.layers).items():
        yield layer_elements(placed, kind, shape, sizes), float(layers)
    if drafts:
        one, narrow = _batch(serving, phase, batch, batch), _shape(serving, unit, batch)
        for kind, layers in kinds_of(model, model.layers, model.mtp_layers).items():
            times = float(layers if phase == "prefill" else drafts)
            yield [*draft_elements(model, narrow), *layer_elements(placed, kind, narrow, one)], times
        if phase == "decode":
            yield head_elements(model, narrow, one), float(drafts)
    yield head_elements(model, shape, sizes), 1.0


def _batch(serving: Serving, phase: ServingPhase, tokens: Floats, answers: Floats) -> Batch:
    """What the tensor ranks that share a batch take through a pass together."""
    traffic, ranks, width = serving.traffic, unit_of(serving, phase).tensor, BYTES[serving.cache_precision]
    tokens = tokens * ranks
    if phase == "decode":
        span = traffic.answer_span
        return Batch(phase, tokens, span, answers * ranks * span, tokens, width, traffic.answer_spread)
    fresh = 1.0 - traffic.cache_hits
    prompts = tokens / (traffic.prompt * fresh)
    kept = tokens * traffic.cache_hits / fresh
    return Batch(phase, tokens, traffic.prompt_span, kept, prompts, width, traffic.prompt_spread)


def _shape(serving: Serving, unit: Unit, tokens: Floats) -> Shape:
    """Sizes for training's elements: a batch is so many sequences of one token."""
    experts = float(unit.devices) if serving.model.moe is not None else 1.0
    sent = element_bytes(serving.dispatch_precision, blockwise=True)  # DeepSeek-V3, arXiv 2412.19437, section 3.3
    return Shape(
        micro_batch=tokens * unit.tensor,
        sequence=1.0,
        span=1.0,
        tensor=float(unit.tensor),
        context=1.0,
        expert=experts,
        expert_tensor=1.0,
        sequence_parallel=unit.tensor > 1,
        fused_attention=True,
        context_kind="ring",
        overlap=frozenset({"shared_expert"}),  # beside the exchanges of the routed ones
        precision=serving.precision,
        dispatcher=serving.stack.software.dispatcher,
        software=Software(dispatch_bytes=sent),
    )


def _with_copies(model: Model, unit: Unit) -> Model:
    """The model with copies of experts counted as experts, for that is how they are placed and read."""
    if model.moe is None or not unit.redundant_experts:
        return model
    experts = model.moe.model_copy(update={"experts": model.moe.experts + unit.redundant_experts})
    return model.model_copy(update={"moe": experts})
