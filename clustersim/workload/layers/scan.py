"""The core of linear attention and of state spaces: kernels over chunks of tokens, with a state from chunk to chunk.

A chunk's tokens meet each other in products, as in attention; what came before reaches them through a state of fixed
size, so that work is linear in the sequence. Two counts of FLOPs stand beside each other: those *executed* over chunks,
which are priced, and those of the *recurrence*, which an MFU counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import Element
from clustersim.workload.layers.serving_batch import Batch
from clustersim.workload.operations import PassBuilder, Pointwise, Scan
from clustersim.workload.shape import Shape

HALF = 2.0  # bytes of an element in 16 bits, in which these kernels take and leave their operands
GATE = 4.0  # bytes of a gate, a step or an element of a state, in fp32
PRODUCTS_BACKWARD = 2.5  # five products for two, scores and states made again: counted, as in FlashAttention-2


@dataclass(frozen=True)
class ScanWork:
    """What a core does with one token in one head."""

    kind: str  # by which rates of kernels are looked up
    heads: float  # of the whole model's layer, each with a state of its own
    state: float  # elements of the state of a head
    forward_flops: float  # executed
    backward_flops: float
    recurrent_flops: float  # forward, of the recurrence itself
    forward_bytes: float  # that cross memory where a chunk stays on the chip
    backward_bytes: float
    kept_bytes: float  # from forward to backward
    forward_kernels: float
    backward_kernels: float


@dataclass(frozen=True)
class ScanCore(Element):
    """The core on one rank, in training or over prompts."""

    work: ScanWork
    heads: Array  # of this rank, times its sequences: what runs side by side
    tokens: Array  # tokens times heads of this rank

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes of operands, gates and what the backward kernels don't make again."""
        return self.work.kept_bytes * self.tokens

    @property
    def gradients(self) -> Array:
        """Bytes of the gradients of operands and output."""
        return self.work.forward_bytes * self.tokens

    def forward(self, builder: PassBuilder) -> None:
        """Over chunks."""
        work = self.work
        flops, moved = work.forward_flops * self.tokens, work.forward_bytes * self.tokens
        builder.run(Scan(f"{work.kind} scan", work.kind, flops, moved, self.heads, False, work.forward_kernels))

    def input_gradient(self, builder: PassBuilder) -> None:
        """Over chunks, back from the last one; states are made again."""
        work = self.work
        flops, moved = work.backward_flops * self.tokens, work.backward_bytes * self.tokens
        builder.run(
            Scan(f"{work.kind} scan backward", work.kind, flops, moved, self.heads, True, work.backward_kernels)
        )


def served_core(name: str, work: ScanWork, shape: Shape, batch: Batch, states: Array) -> Element:
    """Prompts go through the core as in training, so many sequences side by side; answers step by step."""
    if batch.phase != "prefill":
        return RecurrentStep(name, states)
    heads = work.heads / shape.tensor
    return ScanCore(work, batch.heads * heads, shape.tokens * heads)


@dataclass(frozen=True)
class RecurrentStep(Element):
    """One token of each answer through a core: the state is read and written, bound by memory."""

    name: str
    state_bytes: Array  # of all sequences and heads of this rank

    def forward(self, builder: PassBuilder) -> None:
        """One kernel."""
        builder.run(Pointwise(self.name, 2.0 * self.state_bytes, fused=True))

    def input_gradient(self, builder: PassBuilder) -> None:
        """Answers are not trained on."""
        raise NotImplementedError(f"{self.name} has no backward pass")
