"""What each kind of layer and each end of the model takes for one micro-batch, pass by pass, and what it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.costs.placement import RankPlacement
from clustersim.engines.graph import Floats
from clustersim.inputs.layout import PartialRecompute, Recompute
from clustersim.inputs.model import BlockKind, Model, layer_kinds
from clustersim.inputs.precisions import FP32_BYTES
from clustersim.schedules.program import TaskType
from clustersim.simulation.segment.segment import PassBatch, Segment, shared_parts
from clustersim.workload.arrays import Array
from clustersim.workload.blocks import block_elements, embedding_elements, head_elements, prediction_elements
from clustersim.workload.layers.elements import Element
from clustersim.workload.layers.registry import layers_of
from clustersim.workload.operations import Pass
from clustersim.workload.passes import (
    Phase,
    Recomputation,
    beside,
    element_pass,
    placeholder_bytes,
    saved_bytes,
    weight_input_bytes,
    working_bytes,
)
from clustersim.workload.shape import Shape

Passes = Mapping[TaskType, Segment]  # a micro-batch's, of the operations that the schedule runs

WHOLE = frozenset({TaskType.FORWARD, TaskType.BACKWARD})
ALONE = WHOLE | {TaskType.INPUT_GRADIENT, TaskType.WEIGHT_GRADIENT}  # what is played by itself
PHASES: Mapping[TaskType, Phase] = {  # what a pass works on
    TaskType.FORWARD: "forward",
    TaskType.BACKWARD: "backward",
    TaskType.INPUT_GRADIENT: "input_gradient",
    TaskType.WEIGHT_GRADIENT: "weight_gradient",
    TaskType.FORWARD_BESIDE: "forward",
    TaskType.BACKWARD_BESIDE: "backward",
}

# Two micro-batches take turns where experts' tokens travel, not at every piece of tensor traffic between two products.
# Source: Megatron-LM, models/common/model_chunk_schedule_plan.py (attention, dispatch, experts and combine are nodes).
KEPT_TOGETHER = frozenset({"tensor"})


@dataclass(frozen=True)
class PricedLayer:
    """A layer or an end of the model, played once, to be counted as often as stages hold it."""

    passes: Passes
    kept_bytes: Floats  # [points] from forward to backward
    working_bytes: Floats  # [points] beyond them while the backward pass runs
    placeholder_bytes: Floats  # [points] of unused weight gradients that stand all step
    weight_input_bytes: Floats  # [points] from backward to the pass over weights' gradients, where that is apart
    name: str
    work: Mapping[TaskType, Pass]  # what was played

    @property
    def forward(self) -> Segment:
        """The forward pass."""
        return self.passes[TaskType.FORWARD]

    @property
    def backward(self) -> Segment:
        """The backward pass, both gradients."""
        return self.passes[TaskType.BACKWARD]


@dataclass(frozen=True, eq=False)
class PricedLayers:
    """Every kind of layer under every recomputation that is asked for, and the model's ends."""

    model: Model
    shape: Shape
    points: int
    layers: Mapping[tuple[BlockKind, Recomputation], PricedLayer]
    embedding: PricedLayer
    head: PricedLayer
    prediction: PricedLayer | None


class LayerWork(NamedTuple):
    """The work of a piece, before it is priced."""

    name: str
    work: Mapping[TaskType, Pass]
    beside: tuple[Pass, ...]  # two and three layers forward and backward beside each other, where they run so
    kept_bytes: Array
    working_bytes: Array
    placeholder_bytes: Array
    weight_input_bytes: Array


def price_layers(
    model: Model,
    shape: Shape,
    machine: Machine,
    modes: Sequence[Recomputation],
    points: int = 1,
    *,
    operations: frozenset[TaskType] = WHOLE,
) -> PricedLayers:
    """Play every kind of layer that the model has; `points` is the length of the shape's arrays.

    `operations`: the passes that the schedule runs, forward and backward at least.
    """
    layers = tuple((kind, mode) for kind in sorted(set(layer_kinds(model))) for mode in modes)
    write = _recipes if shape.is_plain else _recipes.__wrapped__
    recipes, works = write(model, shape, layers, operations, machine.stack.checkpoint_early_stop, machine.lone_groups)
    asked = _Asked(model, shape, layers, operations, recipes, works, machine, points)
    return _priced_before(asked) if shape.is_plain and points == 1 else _priced(asked)


class _Asked:
    """Layers to be priced on a machine, equal to others whose passes and what these meet on it are the same objects."""

    def __init__(
        self,
        model: Model,
        shape: Shape,
        layers: tuple[tuple[BlockKind, Recomputation], ...],
        operations: frozenset[TaskType],
        recipes: Sequence[LayerWork],
        works: PassBatch,
        machine: Machine,
        points: int,
    ) -> None:
        self.model, self.shape, self.layers, self.operations = model, shape, layers, operations
        self.recipes, self.works, self.machine, self.points = recipes, works, machine, points
        placed = tuple(_numbers(machine.groups[group]) for group in works.groups)
        self._key = (id(works), id(machine.accelerator), id(machine.stack), machine.up, machine.out, placed)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self._key == other._key


def _numbers(group: RankPlacement) -> tuple[float, ...]:
    return tuple(np.concatenate([group.ranks, group.inside, group.across], axis=None).tolist())


def _priced(asked: _Asked) -> PricedLayers:
    played = iter(asked.works.segments(asked.machine, asked.points))
    together, zero = TaskType.FORWARD_BESIDE in asked.operations, np.zeros(asked.points)
    pieces = [
        PricedLayer(
            passes=_passes(played, tuple(_alone(recipe)), together),
            kept_bytes=zero + recipe.kept_bytes,
            working_bytes=zero + recipe.working_bytes,
            placeholder_bytes=zero + recipe.placeholder_bytes,
            weight_input_bytes=zero + recipe.weight_input_bytes,
            name=recipe.name,
            work=recipe.work,
        )
        for recipe in asked.recipes
    ]
    layers = asked.layers
    embedding, head, *prediction = pieces[len(layers) :]
    priced = dict(zip(layers, pieces, strict=False))
    return PricedLayers(asked.model, asked.shape, asked.points, priced, embedding, head, next(iter(prediction), None))


_priced_before = lru_cache(maxsize=256)(_priced)  # of single points: 30 to 70 KB each


@lru_cache(maxsize=128)
def _recipes(
    model: Model,
    shape: Shape,
    layers: tuple[tuple[BlockKind, Recomputation], ...],
    operations: frozenset[TaskType],
    checkpoint_early_stop: bool,
    lone_groups: frozenset[str],
) -> tuple[list[LayerWork], PassBatch]:
    """Of every kind of layer, embedding, head, and multi-token prediction where there is any; and what is played."""
    together = TaskType.FORWARD_BESIDE in operations

    def recipe(name: str, elements: Sequence[Element], mode: Recomputation = "none") -> LayerWork:
        def work(operation: TaskType, times: int = 1) -> Pass:
            return element_pass(
                list(elements) * times, PHASES[operation], mode, checkpoint_early_stop=checkpoint_early_stop
            )

        def pair(times: int) -> Pass:
            return beside(work(TaskType.BACKWARD, times), work(TaskType.FORWARD, times), lone_groups | KEPT_TOGETHER)

        width = FP32_BYTES if shape.software.wide_residuals else shape.activation_bytes
        block_input = width * shape.resident_tokens * model.residual_width
        return LayerWork(
            name,
            {operation: work(operation) for operation in PHASES if operation in operations | WHOLE},
            tuple(pair(times) for times in (2, 3)) if together else (),
            saved_bytes(elements, mode, block_input),
            working_bytes(elements, mode, block_input),
            placeholder_bytes(elements),
            weight_input_bytes(elements),
        )

    recipes = [
        recipe(_layer_name(model, kind, mode), block_elements(model, kind, shape), mode) for kind, mode in layers
    ]
    recipes += [recipe("embedding", embedding_elements(model, shape)), recipe("head", head_elements(model, shape))]
    if model.mtp_layers:
        recipes.append(recipe("multi-token prediction", prediction_elements(model, shape)))
    passes = [work for recipe in recipes for work in (*_alone(recipe).values(), *recipe.beside)]
    return recipes, PassBatch(tuple(passes))


def _alone(recipe: LayerWork) -> dict[TaskType, Pass]:
    """The passes that are played by themselves."""
    return {operation: work for operation, work in recipe.work.items() if operation in ALONE}


def _passes(played: Iterator[Segment], operations: Sequence[TaskType], together: bool) -> Passes:
    """A piece's passes as they were played: alone, and forward and backward beside each other where they run so.

    A layer's forward and backward beside each other among layers of its kind take what the third one adds.
    """
    passes = {operation: next(played) for operation in operations}
    if together:
        two, three = next(played), next(played)
        alone = passes[TaskType.FORWARD], passes[TaskType.BACKWARD]
        passes[TaskType.FORWARD_BESIDE], passes[TaskType.BACKWARD_BESIDE] = shared_parts(*alone, three.beyond(two))
    return passes


def _layer_name(model: Model, kind: BlockKind, mode: Recomputation) -> str:
    """Such as `expert layer, sliding attention, full recomputation`; what is usual isn't said."""
    mixer, *after = layers_of(model, kind)
    follows = " and ".join(layer.label for layer in after) or "bare"
    recomputed = "" if mode == "none" else f"{mode} recomputation"
    return ", ".join(filter(None, (f"{follows} layer", mixer.label, recomputed)))


def recomputations(recompute: Recompute) -> tuple[Recomputation, ...]:
    """The modes that a layout's layers need."""
    return ("none", "full") if isinstance(recompute, PartialRecompute) else (recompute,)
