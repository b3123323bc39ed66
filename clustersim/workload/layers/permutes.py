"""Tokens into the order of their experts and back: copies, and what they move. No stack moves other bytes than these,
unless a fused kernel does it.

Bytes are counted read by read and write by write, off the code of Megatron Core 0.6 to 0.9: moe/token_dispatcher.py,
moe/moe_utils.py (permute, unpermute) and moe/experts.py (SequentialMLP). A gather reads and writes what it moves, its
gradient clears a buffer, reads and adds (reads and writes) into it; a scatter is the reverse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustersim.inputs.model import Experts
from clustersim.inputs.precisions import NARROW
from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import Element, MemoryBound
from clustersim.workload.shape import Shape

INDEX_BYTES = 8.0  # torch.int64


@dataclass(frozen=True)
class Permuted:
    """What brings tokens to experts and back: before they are sent, around the experts, when they have come back."""

    sent: list[Element]
    arrived: list[Element]
    leaving: list[Element]
    returned: list[Element]


def permuted(moe: Experts, shape: Shape, vector: Array, held: Array, routed: Array, kept: bool) -> Permuted:
    """The copies around experts of `vector` bytes a token; a rank holds `held` tokens and routes `routed` copies.

    All are those of the busiest rank. `kept`: what experts return is kept, for the gradient of the routing weights.
    """
    rows = vector * routed * shape.busiest_expert_rank  # bytes of the busiest rank's tokens
    gathered = rows * shape.expert_tensor
    way = shape.software.permutes
    if way != "fused" and shape.dispatcher == "allgather":
        everybodys = vector * held * shape.expert_tensor * shape.expert
        expanded = 2.0 * INDEX_BYTES / shape.activation_bytes if way == "expanded" else 0.0  # written and read, of rows
        return _gathered_and_scattered(gathered, everybodys, 2.0 * expanded, kept)
    if way != "fused" and shape.dispatcher == "alltoall":
        return _by_index(moe, shape, rows, gathered, vector * held, kept)
    around = sorted_again(moe, shape, gathered) + padded(shape, gathered)
    saved = vector * routed if kept else 0.0
    return Permuted(
        [MemoryBound("permute", 2 * rows, 2 * rows, gradients=rows)],
        around,
        around,
        [MemoryBound("unpermute", rows + vector * held, 2 * rows + vector * held, saved=saved, gradients=rows)],
    )


def sliced(moe: Experts, shape: Shape, received: Array) -> list[Element]:
    """What it costs that each of n experts works on a slice of the `received` bytes, and writes to one of the results.

    Forward: the buffer of results is cleared, and filled. Backward, for every expert: the whole gradient is copied (an
    assignment to a slice), a whole buffer is cleared for the slice's own gradient, and added to those before it:
    2 n + 3, n + 2 and 3 (n - 1) times the bytes. From Megatron Core 0.9 on they are split and joined.
    Source: Megatron Core 0.6 to 0.8, moe/experts.py, SequentialMLP; PyTorch, CopySlices and slice_backward.
    """
    if not shape.software.sequential_experts:
        return []
    local = moe.experts / shape.expert
    backward = (6.0 * local + 2.0) * received
    launches = 4.0 * local  # and an activation each: two forward, six and one backward, in the mean
    return [MemoryBound("expert slices", 3.0 * received, backward, kernels=launches, gradients=received, fused=True)]


def sorted_again(moe: Experts, shape: Shape, received: Array) -> list[Element]:
    """A copy of all `received` bytes where an all-to-all brings tokens by rank: by local expert, if there are several.

    Kernels of DeepEP and HybridEP bring them in order. Source: Megatron-LM, moe/token_dispatcher.py
    (sort_chunks_by_idxs).
    """
    if shape.dispatcher != "alltoall":
        return []
    several = np.where(moe.experts / shape.expert > 1.0, 2.0, 0.0)
    return [MemoryBound("expert sort", several * received, several * received, gradients=received)]


def padded(shape: Shape, received: Array) -> list[Element]:
    """A copy to pad rows to multiples of 16 to 32, as products in low precision take them, unless the router does.

    Source: Transformer Engine, Fp8Padding and Fp8Unpadding.
    """
    if shape.precision not in NARROW or shape.software.padded_routing:
        return []
    return [MemoryBound("expert padding", 2.0 * received, 2.0 * received, gradients=received)]


def _gathered_and_scattered(rows: Array, everybodys: Array, indices: Array, kept: bool) -> Permuted:
    """Of all tokens those of the rank's experts are gathered, and gathered again in their order; and back.

    `indices`: of each pair of gathers or scatters, over the bytes of the rows.
    """
    there = MemoryBound(
        "permute",
        (4.0 + indices) * rows,
        (7.0 + indices) * rows + everybodys,
        kernels=10.0,
        gradients=rows,
        fused=True,
    )
    back = MemoryBound(
        "unpermute",
        (9.0 + indices) * rows + everybodys,
        (10.0 + indices) * rows,
        kernels=6.0,
        saved=rows if kept else 0.0,
        gradients=rows,
        fused=True,
    )
    return Permuted([], [there], [back], [])


def _by_index(moe: Experts, shape: Shape, rows: Array, gathered: Array, own: Array, kept: bool) -> Permuted:
    """Rows picked by index before they are sent, and sorted again when they arrive; and back, into cleared buffers."""
    several = np.where(moe.experts / shape.expert > 1.0, 1.0, 0.0)

    def copies(name: str, forward: Array, backward: Array, saved: Array = 0.0) -> MemoryBound:
        return MemoryBound(name, forward, backward, kernels=4.0, saved=saved, gradients=rows, fused=True)

    return Permuted(
        [copies("permute", 2.0 * rows, 3.0 * rows + own)],
        [copies("expert sort", 2.0 * several * gathered, 4.0 * several * gathered), *padded(shape, gathered)],
        [copies("expert unsort", 5.0 * several * gathered, 4.0 * several * gathered), *padded(shape, gathered)],
        [copies("unpermute", 6.0 * rows + own, 8.0 * rows + own, saved=rows if kept else 0.0)],
    )
