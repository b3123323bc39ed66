"""How context ranks exchange keys and values around the core of attention, or beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from clustersim.inputs.kinds import chosen
from clustersim.workload.arrays import Array
from clustersim.workload.layers.attention_cores import FusedAttention, UnfusedAttention
from clustersim.workload.layers.core_in_steps import CoreInSteps, Merging, merged_by_few, merged_eagerly
from clustersim.workload.layers.elements import Element, Exchange
from clustersim.workload.shape import Shape

Core: TypeAlias = FusedAttention | UnfusedAttention


def over_context(core: Core, shape: Shape, queries: float, keys_values: float, values: float) -> list[Element]:
    """The core with its exchanges, where a token has so many elements of queries, of keys with values, of output."""
    exchange = chosen("layout.context_kind", shape.context_kind, CONTEXT_KINDS)
    if np.ndim(shape.context) == 0 and shape.context == 1.0:
        return [core]
    return exchange(core, shape, queries, keys_values, values)


def _passed_on(core: Core, shape: Shape, queries: float, keys_values: float, values: float) -> list[Element]:
    """Keys and values pass from rank to rank beside a fused core; kernels of their own need them all at once."""
    return _in_steps(core, shape, (queries, keys_values, values), merged_by_few, gathers=False)


def _rotated(core: Core, shape: Shape, queries: float, keys_values: float, values: float) -> list[Element]:
    """Keys and values are gathered, and a fused core still works rank by rank."""
    return _in_steps(core, shape, (queries, keys_values, values), merged_eagerly, gathers=True)


def _in_steps(
    core: Core,
    shape: Shape,
    widths: tuple[float, float, float],
    merged: Callable[[Array, Array, Array], Merging],
    *,
    gathers: bool,
) -> list[Element]:
    if not isinstance(core, FusedAttention):
        return _gathered(core, shape, *widths)
    queries, keys_values, output = (shape.activation_bytes * shape.tokens * width / shape.tensor for width in widths)
    merging = merged(queries, keys_values, output)
    return [CoreInSteps(core, _of_the_sequence(shape, widths[1]), shape.context, merging, gathers)]


def _gathered(core: Core, shape: Shape, queries: float, keys_values: float, values: float) -> list[Element]:
    """The other ranks' keys and values come first."""
    message, again = _of_the_sequence(shape, keys_values), core.recomputed_when_selective
    there, back = "all-gather", "reduce-scatter"
    return [Exchange("context", "context", there, back, message, recomputed_when_selective=again), core]


def _traded(core: Core, shape: Shape, queries: float, keys_values: float, values: float) -> list[Element]:
    """Ranks trade their part of the sequence for a part of the heads, and back (DeepSpeed-Ulysses, 2309.14509)."""
    again = core.recomputed_when_selective
    there = _all_to_all("context", shape, queries + keys_values, again)
    return [there, core, _all_to_all("context return", shape, values, again)]


def _of_the_sequence(shape: Shape, width: float) -> Array:
    """Bytes of the whole sequence on one tensor rank."""
    return shape.activation_bytes * shape.micro_batch * shape.sequence * width / shape.tensor


def _all_to_all(name: str, shape: Shape, width: float, again: bool) -> Exchange:
    message = shape.activation_bytes * shape.tokens * width / shape.tensor
    return Exchange(name, "context", "all-to-all", "all-to-all", message, recomputed_when_selective=again)


CONTEXT_KINDS: dict[str, Callable[[Core, Shape, float, float, float], list[Element]]] = {
    "ring": _passed_on,
    "rotation": _rotated,
    "all-gather": _gathered,
    "ulysses": _traded,
}
