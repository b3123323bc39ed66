"""What serving computes, reads and sends: a batch of prompts through the model (prefill), or a token of each answer.

Each type of layer says what it does in serving, in its own file; here are layers, head and drafts, and their passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clustersim.inputs.model import BlockKind, Model
from clustersim.inputs.precisions import FP32_BYTES, HALF_BYTES
from clustersim.workload.layers.elements import MemoryBound
from clustersim.workload.layers.linear import Linear
from clustersim.workload.layers.registry import layers_of
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.operations import Attention, Collective, Pass, PassBuilder
from clustersim.workload.passes import interleave, runs_of
from clustersim.workload.shape import Shape

STAGGER = 1.5  # stages, of three that a layer of experts has


def layer_elements(model: Model, kind: BlockKind, shape: Shape, batch: Batch) -> list[Forward]:
    """A transformer layer: what mixes tokens and what follows it, each after a norm that takes in the residual."""
    norm = MemoryBound("norm and residual", 4.0 * HALF_BYTES * shape.tokens * model.hidden, 0.0)
    parts = (layer.serve(model, shape, batch) for layer in layers_of(model, kind))
    return [element for part in parts for element in (norm, *part)]


def head_elements(model: Model, shape: Shape, batch: Batch) -> list[Forward]:
    """Output head in 16 bits and the choice of a token, for the tokens whose next one is wanted."""
    logits = batch.heads * model.vocab / shape.tensor
    words = model.vocab / shape.tensor
    return [
        Linear("output head", batch.heads, words, float(model.hidden), shape, precision=shape.wide_precision),
        MemoryBound("sampling", 2.0 * FP32_BYTES * logits, 0.0, kernels=4),
    ]


def draft_elements(model: Model, shape: Shape) -> list[Forward]:
    """What a multi-token-prediction module adds to its layer. Source: DeepSeek-V3, arXiv 2412.19437, section 2.2."""
    vector = HALF_BYTES * shape.tokens * model.hidden
    norms = MemoryBound("draft norms", 4.0 * vector, 0.0, kernels=2)
    return [norms, Linear("draft projection", shape.tokens, float(model.hidden), 2.0 * model.hidden, shape)]


@dataclass
class ServingBuilder(PassBuilder):
    """Leaves out collectives of groups that have one rank, so that a pass is cut where it really waits."""

    single: frozenset[str] = frozenset()

    def communicate(self, collective: Collective) -> None:
        """A collective that nothing hides, if it has anybody to talk to."""
        if collective.group not in self.single:
            super().communicate(collective)


def forward_pass(elements: Sequence[Forward], single: frozenset[str], times: int = 1) -> Pass:
    """The elements in order, so many times over; `single` are the groups of one rank."""
    builder = ServingBuilder(single=single)
    for _ in range(times):
        for element in elements:
            element.forward(builder)
    return builder.build()


def staggered(first: Pass, second: Pass) -> Pass:
    """Two micro-batches whose layers are cut before attention and around the exchanges, the second half a layer behind.

    While one has its tokens dispatched the other prepares its queries, and attends while the first one's come back.
    Source: deepseek-ai/open-infra-index, day 6 (five stages in decode, attention cut in two).
    """
    turns = [
        (turn + STAGGER * which, which, run)
        for which, work in enumerate((first, second))
        for turn, run in enumerate(_stages(work))
    ]
    order = [(which, operation) for _, which, run in sorted(turns) for operation in run]
    return interleave((first, second), order)


def _stages(work: Pass) -> Iterator[list[int]]:
    """What can be issued without waiting, cut once more before attention."""
    for run in runs_of(work):
        cut = next((at for at, task in enumerate(run) if isinstance(work.operations[task], Attention)), 0)
        yield from filter(None, (run[:cut], run[cut:]))
