"""What each virtual pipeline stage takes for one micro-batch, forward and backward, and what it keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.engines.graph import Floats
from clustersim.inputs.layout import PartialRecompute, ResolvedLayout
from clustersim.inputs.model import BlockKind, Model
from clustersim.simulation.segment import Segment, empty_segment, play_segment
from clustersim.workload.blocks import block_elements, embedding_elements, head_elements, prediction_elements
from clustersim.workload.elements import Element
from clustersim.workload.parameters import (
    block_parameters,
    embedding_parameters,
    head_parameters,
    prediction_parameters,
)
from clustersim.workload.passes import Recomputation, element_pass, saved_bytes
from clustersim.workload.shape import ACTIVATION_BYTES, Shape


@dataclass(frozen=True)
class Stage:
    """One virtual stage: a run of layers, with the model's ends where it holds them."""

    forward: Segment
    backward: Segment
    activation_bytes: Floats  # [points] kept by one micro-batch from forward to backward
    working_bytes: Floats  # [points] one layer's activations while they are computed again
    logit_bytes: Floats  # [points] kept by the output head, for one micro-batch at a time
    dense_parameters: Floats  # [points] of one rank
    expert_parameters: Floats  # [points] of one rank


@dataclass(frozen=True)
class _Piece:
    """A layer (or end) played once, to be counted as often as stages hold it."""

    forward: Segment
    backward: Segment
    kept: Floats
    whole: Floats


@dataclass(frozen=True)
class _Pieces:
    model: Model
    shape: Shape
    machine: Machine
    points: int

    def play(self, elements: Sequence[Element], recompute: Recomputation) -> _Piece:
        forward = play_segment(element_pass(elements, "forward"), self.machine, self.points)
        backward = play_segment(element_pass(elements, "backward", recompute), self.machine, self.points)
        block_input = ACTIVATION_BYTES * self.shape.resident_tokens * self.model.hidden
        zero = np.zeros(self.points)
        kept = saved_bytes(elements, recompute, block_input) + zero
        return _Piece(forward, backward, kept, saved_bytes(elements, "none", block_input) + zero)


def split_layers(stage_layers: Sequence[int]) -> list[range]:
    """The layers of every virtual stage, in pipeline order."""
    ends = np.cumsum(stage_layers)
    return [range(end - count, end) for end, count in zip(ends.tolist(), stage_layers, strict=True)]


def price_stages(model: Model, layout: ResolvedLayout, shape: Shape, machine: Machine, points: int = 1) -> list[Stage]:
    """Every virtual stage of a resolved layout, in pipeline order."""
    pieces = _Pieces(model, shape, machine, points)
    partial = layout.recompute.layers if isinstance(layout.recompute, PartialRecompute) else None
    base: Recomputation = "none" if isinstance(layout.recompute, PartialRecompute) else layout.recompute
    kinds = {model.block_kind(layer) for layer in range(model.layers + model.mtp_layers)}
    modes: list[Recomputation] = [base] if partial is None else ["none", "full"]
    layers = {
        (kind, mode): pieces.play(block_elements(model, kind, shape), mode) for kind in sorted(kinds) for mode in modes
    }
    splits = split_layers(layout.stage_layers)
    embedding = pieces.play(embedding_elements(model, shape), "none")
    head = pieces.play(head_elements(model, shape), "none")
    stages = []
    for index, held in enumerate(splits):
        first, last = index == 0, index == len(splits) - 1
        counts = _count(model, held, base, partial)
        if last:
            counts += Counter((model.block_kind(model.layers + extra), base) for extra in range(model.mtp_layers))
        parts = [(layers[key], times) for key, times in sorted(counts.items())]
        ends = [(embedding, 1)] if first else []
        if last:
            ends += [(head, 1 + model.mtp_layers)]
            if model.mtp_layers:
                ends += [(pieces.play(prediction_elements(model, shape), "none"), model.mtp_layers)]
        stages.append(_stage(pieces, parts, ends, held, first, last, len(splits)))
    return stages


def _count(
    model: Model, held: range, base: Recomputation, partial: int | None
) -> Counter[tuple[BlockKind, Recomputation]]:
    """How many layers of each kind and recomputation; partial recomputation takes a stage's first layers."""
    return Counter(
        (model.block_kind(layer), "full" if partial is not None and at < partial else base)
        for at, layer in enumerate(held)
    )


def _stage(
    pieces: _Pieces,
    layers: list[tuple[_Piece, int]],
    ends: list[tuple[_Piece, int]],
    held: range,
    first: bool,
    last: bool,
    stages: int,
) -> Stage:
    forward, backward = empty_segment(pieces.points), empty_segment(pieces.points)
    kept = np.zeros(pieces.points)
    for piece, times in layers:
        forward, backward = forward + piece.forward * times, backward + piece.backward * times
        kept = kept + piece.kept * times
    logits = np.zeros(pieces.points)
    for piece, times in ends:
        forward, backward = forward + piece.forward * times, backward + piece.backward * times
        logits = logits + piece.kept * times
    working = np.max([piece.whole - piece.kept for piece, _ in layers], axis=0) if layers else np.zeros(pieces.points)
    dense, experts = _parameters(pieces, held, first, last, stages)
    return Stage(forward, backward, kept, working, logits, dense, experts)


def _parameters(pieces: _Pieces, held: range, first: bool, last: bool, stages: int) -> tuple[Floats, Floats]:
    """Parameters of one rank: matrices cut by the tensor group, experts by their own groups, norms whole."""
    model, shape = pieces.model, pieces.shape
    zero = np.zeros(pieces.points)
    layers = list(held) + (list(range(model.layers, model.layers + model.mtp_layers)) if last else [])
    dense, experts = zero, zero
    for kind, times in Counter(model.block_kind(layer) for layer in layers).items():
        counts = block_parameters(model, kind)
        dense = dense + times * (counts.tensor / shape.tensor + counts.replicated)
        experts = experts + times * counts.expert / (shape.expert * shape.expert_tensor)
    if first:
        dense = dense + embedding_parameters(model) / shape.tensor
    if last:
        tied_copy = model.hidden * model.vocab if model.tied_embeddings and stages > 1 else 0
        dense = dense + (head_parameters(model) + tied_copy) / shape.tensor
        dense = dense + model.mtp_layers * prediction_parameters(model)
    return dense, experts
