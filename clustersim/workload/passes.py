"""Passes: the forward and backward work of a run of elements, with what recomputation adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

import numpy as np

from clustersim.inputs.kinds import chosen
from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import Element
from clustersim.workload.layers.linear import Linear
from clustersim.workload.operations import Pass, PassBuilder, RecomputeBuilder

Phase = Literal["forward", "backward", "input_gradient", "weight_gradient"]
Recomputation = Literal["none", "selective", "operations", "full"]

WHOLE_LAYERS = ("operations", "full")  # go through a layer once more before its backward pass
SELECTS = {"none": False, "selective": True}  # of the others: whether single elements run again


def element_pass(
    elements: Sequence[Element], phase: Phase, recompute: Recomputation = "none", *, checkpoint_early_stop: bool = False
) -> Pass:
    """One micro-batch through the elements: forward, or backward in reverse order after what has to be recomputed.

    Neighbours that selective recomputation runs again do so together, in the order in which they need each other.
    `checkpoint_early_stop`: recomputation of whole layers ends when all that the backward pass needs is made again.
    """
    builder = PassBuilder()
    if phase == "forward":
        for element in elements:
            element.forward(builder)
        return builder.build()
    whole = recompute in WHOLE_LAYERS
    selects = not whole and chosen("layout.recompute", recompute, SELECTS)
    if whole and phase != "weight_gradient":
        again = _until_last_kept(elements) if checkpoint_early_stop else elements
        for element in again if recompute == "full" else _operations_again(again):
            element.forward(RecomputeBuilder(target=builder))
    selects = selects and phase != "weight_gradient"
    for repeats, some in groupby(reversed(elements), lambda element: selects and element.recomputed_when_selective):
        together = list(some)
        for element in reversed(together) if repeats else ():
            element.forward(RecomputeBuilder(target=builder))
        for element in together:
            getattr(element, phase)(builder)
    return builder.build()


def _until_last_kept(elements: Sequence[Element]) -> Sequence[Element]:
    """The elements before the last one that keeps something: it keeps its input, which the one before has made.

    Source: PyTorch, torch.utils.checkpoint, set_checkpoint_early_stop (checkpoints without re-entry).
    """
    keeping = [index for index, element in enumerate(elements) if np.any(element.saved_bytes())]
    return elements[: keeping[-1]] if keeping else elements


def _operations_again(elements: Sequence[Element]) -> list[Element]:
    """What recomputation by operations runs again: all but fused attention and every second product.

    Source (recalled): torchtitan, models/llama3/parallelize_llama.py, the policy of `selective_ac_option: op`, which
    PyTorch's selective checkpoints follow (torch.utils.checkpoint, create_selective_checkpoint_contexts).
    """
    return [again for again in (element.repeated() for element in elements) if again is not None]


def beside(first: Pass, second: Pass, alone: frozenset[str] = frozenset()) -> Pass:
    """Two passes on the same streams, taking turns: where one waits for a collective, the other computes.

    What a device does with the backward pass of one micro-batch beside the forward pass of another; `alone`: groups of
    one rank, whose collectives nobody waits for.
    Source: DeepSeek-V3, arXiv 2412.19437, figure 4.
    """
    passes = (first, second)
    turns = [  # (how far its pass has come, which pass, its operations)
        ((turn + 0.5) / len(runs), which, run)
        for which, runs in enumerate(runs_of(work, alone) for work in passes)
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


def runs_of(work: Pass, alone: frozenset[str] = frozenset()) -> list[list[int]]:
    """A pass cut where compute waits for its experts' exchanges; without any, where it waits for any collective.

    Software takes turns at these exchanges, whatever else a turn's own compute waits for: cut at each piece of a
    product that moves beside the next one, a turn would be too short to hide an exchange behind.
    Source: Megatron-LM, models/common/model_chunk_schedule_plan.py (attention, experts, dispatch and combine by turns).
    """
    runs: list[list[int]] = [[]]
    groups = frozenset(work.streams) - alone - {"compute"}
    cutting = groups & {"expert"} or groups
    for operation, stream in enumerate(work.streams):
        if stream == "compute" and any(work.streams[waited] in cutting for waited in work.after[operation]):
            runs.append([])
        runs[-1].append(operation)
    return runs


def saved_bytes(elements: Sequence[Element], recompute: Recomputation, block_input: Array) -> Array:
    """Bytes that a micro-batch leaves behind for its backward pass; full recompute keeps `block_input` alone."""
    if recompute == "full":
        return block_input
    if recompute == "operations":
        return block_input + sum((element.results for element in elements), start=0.0)
    selects = chosen("layout.recompute", recompute, SELECTS)
    total: Array = 0.0
    for element in elements:
        total = total + element.saved_bytes(selective=selects)
    return total


def weight_input_bytes(elements: Sequence[Element]) -> Array:
    """Bytes that a micro-batch keeps after its backward pass where gradients of weights are a pass of their own.

    32 s b h a layer of GPT without parallelism: Qi et al. 2023, arXiv 2401.10241, table 1.
    """
    total: Array = 0.0
    for matrix in _linears(elements):
        total = total + matrix.weight_input_bytes
    return total


def placeholder_bytes(elements: Sequence[Element]) -> Array:
    """Bytes of the unused weight gradients that stand beside the real ones, one for each matrix of a layer."""
    total: Array = 0.0
    for matrix in _linears(elements):
        if matrix.in_layer:
            total = total + matrix.placeholder_bytes
    return total


def working_bytes(elements: Sequence[Element], recompute: Recomputation, block_input: Array) -> Array:
    """Bytes at most that the backward pass of a layer needs beyond what its forward pass has kept.

    What is computed again, the gradients on both sides of an element and the one that passes by it, less what the
    elements behind it have freed.
    """
    again: Array = 0.0
    if recompute in WHOLE_LAYERS:
        again = saved_bytes(elements, "none", block_input) - saved_bytes(elements, recompute, block_input)
    most, freed = again, 0.0 * block_input
    for element in reversed(elements):
        kept = element.saved_bytes(selective=recompute == "selective")
        dropped = element.saved_bytes() - kept
        most = np.maximum(most, again + dropped + element.gradients + block_input - freed)
        freed = freed + kept
    return most


def _linears(elements: Sequence[Element]) -> Iterator[Linear]:
    return (linear for element in elements for linear in element.linears)
