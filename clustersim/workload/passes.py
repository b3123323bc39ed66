"""Passes: the forward and backward work of a run of elements, with what recomputation adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from clustersim.workload.arrays import Array
from clustersim.workload.elements import Element
from clustersim.workload.linear import Linear
from clustersim.workload.operations import Pass, PassBuilder, RecomputeBuilder

Phase = Literal["forward", "backward", "input_gradient", "weight_gradient"]
Recomputation = Literal["none", "selective", "full"]

NO_PASS = Pass((), (), ())


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


def beside(first: Pass, second: Pass) -> Pass:
    """Two passes on the same streams, taking turns: where one waits for a collective, the other computes.

    What a device does with the forward pass of one micro-batch beside the backward pass of another.
    Source: DeepSeek-V3, arXiv 2412.19437, figure 4.
    """
    passes = (first, second)
    turns = [  # (how far its pass has come, which pass, its operations)
        ((turn + 0.5) / len(runs), which, run)
        for which, runs in enumerate(map(runs_of, passes))
        for turn, run in enumerate(runs)
    ]
    return interleave(passes, [(which, operation) for _, which, run in sorted(turns) for operation in run])


def interleave(passes: Sequence[Pass], order: Sequence[tuple[int, int]]) -> Pass:
    """Passes on the same streams, their operations issued in this order: (which pass, which of its operations)."""
    place = {key: index for index, key in enumerate(order)}
    after = tuple(
        tuple(place[which, waited] for waited in passes[which].after[operation]) for which, operation in order
    )
    return Pass(
        tuple(passes[which].operations[operation] for which, operation in order),
        tuple(passes[which].streams[operation] for which, operation in order),
        after,
    )


def runs_of(work: Pass) -> list[list[int]]:
    """A pass cut after every collective that compute waits for: what can be issued without waiting."""
    runs: list[list[int]] = [[]]
    for operation, stream in enumerate(work.streams):
        if stream == "compute" and any(work.streams[waited] != "compute" for waited in work.after[operation]):
            runs.append([])
        runs[-1].append(operation)
    return runs


def saved_bytes(elements: Sequence[Element], recompute: Recomputation, block_input: Array) -> Array:
    """Bytes that a micro-batch leaves behind for its backward pass; full recompute keeps `block_input` alone."""
    if recompute == "full":
        return block_input
    total: Array = 0.0
    for element in elements:
        total = total + element.saved_bytes(selective=recompute == "selective")
    return total


def weight_input_bytes(elements: Sequence[Element]) -> Array:
    """Bytes that a micro-batch keeps after its backward pass where gradients of weights are a pass of their own.

    32 s b h a layer of GPT without parallelism: Qi et al. 2023, arXiv 2401.10241, table 1.
    """
    total: Array = 0.0
    for element in elements:
        if isinstance(element, Linear):
            total = total + element.weight_input_bytes
    return total
