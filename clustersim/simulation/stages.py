"""What each virtual pipeline stage takes for one micro-batch, forward and backward, and what it keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.engines.graph import Floats
from clustersim.inputs.layout import PartialRecompute, Recompute
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
class Piece:
    """A layer or an end of the model, played once, to be counted as often as stages hold it."""

    forward: Segment
    backward: Segment
    kept_bytes: Floats  # [points] from forward to backward
    whole_bytes: Floats  # [points] the same without recomputation


@dataclass(frozen=True)
class Pieces:
    """Every kind of layer under every recomputation that is asked for, and the model's ends."""

    model: Model
    shape: Shape
    points: int
    layers: Mapping[tuple[BlockKind, Recomputation], Piece]
    embedding: Piece
    head: Piece
    prediction: Piece | None


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


def price_pieces(
    model: Model, shape: Shape, machine: Machine, modes: Sequence[Recomputation], points: int = 1
) -> Pieces:
    """Play every kind of layer that the model has; `points` is the length of the shape's arrays."""

    def play(elements: Sequence[Element], recompute: Recomputation = "none") -> Piece:
        block_input = ACTIVATION_BYTES * shape.resident_tokens * model.hidden
        zero = np.zeros(points)
        return Piece(
            play_segment(element_pass(elements, "forward"), machine, points),
            play_segment(element_pass(elements, "backward", recompute), machine, points),
            saved_bytes(elements, recompute, block_input) + zero,
            saved_bytes(elements, "none", block_input) + zero,
        )

    kinds = sorted({model.block_kind(layer) for layer in range(model.layers + model.mtp_layers)})
    return Pieces(
        model,
        shape,
        points,
        {(kind, mode): play(block_elements(model, kind, shape), mode) for kind in kinds for mode in modes},
        play(embedding_elements(model, shape)),
        play(head_elements(model, shape)),
        play(prediction_elements(model, shape)) if model.mtp_layers else None,
    )


def recomputations(recompute: Recompute) -> tuple[Recomputation, ...]:
    """The modes that a layout's layers need."""
    return ("none", "full") if isinstance(recompute, PartialRecompute) else (recompute,)


def assemble_stages(pieces: Pieces, stage_layers: Sequence[int], recompute: Recompute) -> list[Stage]:
    """Every virtual stage in pipeline order; stages that hold the same are built once."""
    model, built = pieces.model, {}
    stages = []
    last = len(stage_layers) - 1
    for index, (end, count) in enumerate(zip(accumulate(stage_layers), stage_layers, strict=True)):
        held = list(range(end - count, end))
        if index == last:
            held += range(model.layers, model.layers + model.mtp_layers)
        counts = _count(model, held, recompute)
        key = (frozenset(counts.items()), index == 0, index == last)
        if key not in built:
            built[key] = _build(pieces, counts, first=index == 0, last=index == last, alone=last == 0)
        stages.append(built[key])
    return stages


def _count(model: Model, held: Sequence[int], recompute: Recompute) -> Counter[tuple[BlockKind, Recomputation]]:
    """How many layers of each kind and recomputation; partial recomputation takes a stage's first layers."""
    if not isinstance(recompute, PartialRecompute):
        return Counter((model.block_kind(layer), recompute) for layer in held)
    modes: list[Recomputation] = ["full" if at < recompute.layers else "none" for at in range(len(held))]
    return Counter((model.block_kind(layer), mode) for layer, mode in zip(held, modes, strict=True))


def _build(
    pieces: Pieces, counts: Counter[tuple[BlockKind, Recomputation]], *, first: bool, last: bool, alone: bool
) -> Stage:
    layers = [(pieces.layers[key], times) for key, times in sorted(counts.items())]
    ends = [(pieces.embedding, 1)] if first else []
    if last:
        ends.append((pieces.head, 1 + pieces.model.mtp_layers))
        if pieces.prediction is not None:
            ends.append((pieces.prediction, pieces.model.mtp_layers))
    zero = np.zeros(pieces.points)
    forward, backward = empty_segment(pieces.points), empty_segment(pieces.points)
    for piece, times in layers + ends:
        forward, backward = forward + piece.forward * times, backward + piece.backward * times
    dense, experts = _parameters(pieces, counts, first=first, last=last, alone=alone)
    return Stage(
        forward,
        backward,
        activation_bytes=sum((piece.kept_bytes * times for piece, times in layers), zero),
        working_bytes=np.max([piece.whole_bytes - piece.kept_bytes for piece, _ in layers] + [zero], axis=0),
        logit_bytes=sum((piece.kept_bytes * times for piece, times in ends), zero),
        dense_parameters=dense,
        expert_parameters=experts,
    )


def _parameters(
    pieces: Pieces, counts: Counter[tuple[BlockKind, Recomputation]], *, first: bool, last: bool, alone: bool
) -> tuple[Floats, Floats]:
    """Parameters of one rank: matrices cut by the tensor group, experts by their own groups, norms whole.

    The last stage keeps a copy of a tied embedding as its output head, unless it holds the embedding itself.
    """
    model, shape = pieces.model, pieces.shape
    dense, experts = np.zeros(pieces.points), np.zeros(pieces.points)
    for (kind, _), times in counts.items():
        block = block_parameters(model, kind)
        dense = dense + times * (block.tensor / shape.tensor + block.replicated)
        experts = experts + times * block.expert / (shape.expert * shape.expert_tensor)
    if first:
        dense = dense + embedding_parameters(model) / shape.tensor
    if last:
        copy = model.hidden * model.vocab if model.tied_embeddings and not alone else 0
        dense = dense + (head_parameters(model) + copy) / shape.tensor
        dense = dense + model.mtp_layers * prediction_parameters(model)
    return dense, experts
