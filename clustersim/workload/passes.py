"""Passes: the forward and backward work of a run of elements, with what recomputation adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from clustersim.workload.arrays import Array
from clustersim.workload.elements import Element
from clustersim.workload.operations import Pass, PassBuilder, RecomputeBuilder

Phase = Literal["forward", "backward", "input_gradient", "weight_gradient"]
Recomputation = Literal["none", "selective", "full"]


def element_pass(elements: Sequence[Element], phase: Phase, recompute: Recomputation = "none") -> Pass:
    """One micro-batch through the elements: forward, or backward in reverse order after what has to be recomputed."""
    builder = PassBuilder()
    if phase == "forward":
        for element in elements:
            element.forward(builder)
        return builder.build()
    if recompute == "full" and phase != "weight_gradient":
        for element in elements:
            element.forward(RecomputeBuilder(target=builder))
    for element in reversed(elements):
        if recompute == "selective" and element.selective and phase != "weight_gradient":
            element.forward(RecomputeBuilder(target=builder))
        getattr(element, phase)(builder)
    return builder.build()


def saved_bytes(elements: Sequence[Element], recompute: Recomputation, block_input: Array) -> Array:
    """Bytes that a micro-batch leaves behind for its backward pass; full recompute keeps `block_input` alone."""
    if recompute == "full":
        return block_input
    total: Array = 0.0
    for element in elements:
        total = total + element.saved_bytes(selective=recompute == "selective")
    return total
