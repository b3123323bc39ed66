"""The core of attention in serving: over kept keys and values, and over latents as they are kept."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.inputs.precisions import HALF_BYTES
from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import MemoryBound
from clustersim.workload.operations import Attention, Gemm, PassBuilder
from clustersim.workload.shape import Shape


@dataclass(frozen=True)
class CachedAttention:
    """Fused attention of new tokens over kept and new keys and values."""

    flops: Array
    bytes: Array
    head_size: float

    def forward(self, builder: PassBuilder) -> None:
        """One kernel."""
        builder.run(Attention("attention", self.flops, self.head_size, False, bytes=self.bytes))


@dataclass(frozen=True)
class Absorbed:
    """A product a head with a part of the key-value up-projection, in place of expanding every kept token.

    Source: DeepSeek-V2, arXiv 2405.04434, section 2.1.2 (W_UK is absorbed into W_Q, W_UV into W_O).
    """

    name: str
    rows: Array
    outputs: float
    inputs: float
    heads: Array
    precision: str  # 16 bits

    def forward(self, builder: PassBuilder) -> None:
        """All heads in one launch."""
        builder.run(Gemm(self.name, self.rows, self.outputs, self.inputs, self.heads, self.precision))


def served_rotary(width: float, shape: Shape) -> MemoryBound:
    """Rotary positions of vectors of a width, heads together."""
    return MemoryBound("rotary", 2.0 * HALF_BYTES * shape.tokens * width / shape.tensor, 0.0)
