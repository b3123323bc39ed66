"""Attention in as many steps as context ranks: a kernel for each rank's keys and values, and what merges the results.

Sequences are cut so that all steps are as long (each rank has a part of the beginning and of the end): after the first,
a step has half of the queries or half of the keys. What a step makes is merged into what there is by the statistics of
both, and so are gradients added. Source: TransformerEngine, attention/dot_product_attention/context_parallel.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustersim.workload.arrays import Array
from clustersim.workload.layers.attention_cores import FusedAttention
from clustersim.workload.layers.elements import Element
from clustersim.workload.operations import Collective, CollectiveKind, PassBuilder, Pointwise

ROWS = 0.75  # of a rank's queries that a step after the first has: all or half of them, by turns


@dataclass(frozen=True)
class Merging:
    """Kernels of a step that bring its results to what there is, and the bytes that they move."""

    forward_kernels: float
    forward_bytes: Array
    backward_kernels: float
    backward_bytes: Array


def merged_by_few(queries: Array, keys_values: Array, output: Array) -> Merging:
    """TransformerEngine's: half slices, statistics, one kernel that corrects the output; backward adds dQ, dK and dV.

    From bytes of a rank's queries, keys with values and output. Half of the steps copy half of the queries (backward of
    output and its gradient, too), half of them half of the keys and values.
    """
    sliced = 0.5 * (queries + keys_values)
    corrected = ROWS * 3.0 * output
    added = ROWS * 3.0 * (queries + keys_values)
    return Merging(3.0, sliced + corrected, 5.0, sliced + output + added)


def merged_eagerly(queries: Array, keys_values: Array, output: Array) -> Merging:
    """PyTorch's: some eight elementwise kernels in fp32 a step, a join for half updates; backward three adds.

    Source: PyTorch, torch/distributed/tensor/experimental/_attention.py (_SDPAMerger), at 0123248.
    """
    sliced = 0.5 * (queries + keys_values)
    in_fp32 = 2.0 * output
    merged = ROWS * 8.0 * 3.0 * in_fp32 + 2.0 * in_fp32 * 0.5
    added = ROWS * 3.0 * 2.0 * (queries + keys_values)
    return Merging(9.0, sliced + merged, 5.0, sliced + output + added)


@dataclass(frozen=True)
class CoreInSteps(Element):
    """A fused core in steps. `gathers`: keys and values come all at once after the first, else from rank to rank.

    In a ring every step but the last passes beside kernels: forward keys and values come by once; backward once more,
    and their gradients with them. Source: Liu, Zaharia and Abbeel 2023, Ring Attention, arXiv 2310.01889, section 3.
    Gathered ones travel beside the first step alone; their gradients go round in steps that nothing hides.
    Source: PyTorch, as `merged_eagerly` (rotate method `allgather`, its default).
    """

    core: FusedAttention
    key_value_bytes: Array  # of the whole sequence
    ranks: Array
    merging: Merging
    gathers: bool = False

    @property
    def recomputed_when_selective(self) -> bool:
        """With the core, so that keys and values come by once more."""
        return self.core.recomputed_when_selective

    def saved_bytes(self, selective: bool = False) -> Array:
        """What the core keeps."""
        return self.core.saved_bytes(selective)

    @property
    def gradients(self) -> Array:
        """The core's."""
        return self.core.gradients

    @property
    def results(self) -> Array:
        """The core's."""
        return self.core.results

    def repeated(self) -> None:
        """Nothing, as of the core."""

    def forward(self, builder: PassBuilder) -> None:
        """Messages beside the kernels that don't need them."""
        self._steps(builder, self.key_value_bytes, backward=False)

    def input_gradient(self, builder: PassBuilder) -> None:
        """Keys, values and their gradients."""
        if not self.gathers:
            self._steps(builder, 2.0 * self.key_value_bytes, backward=True)
            return
        self._steps(builder, self.key_value_bytes, backward=True)
        builder.communicate(Collective("key-value gradients", "pass-on", "context", self.key_value_bytes))

    def _steps(self, builder: PassBuilder, message: Array, *, backward: bool) -> None:
        kind: CollectiveKind = "all-gather" if self.gathers else "pass-on"
        launched = builder.launch(Collective("key-values", kind, "context", message))
        one = 1.0 / self.ranks
        beside, after = (one, 1.0 - one) if self.gathers else (1.0 - one, one)
        builder.run(self.core.kernel(backward=backward, share=beside, kernels=np.round(beside * self.ranks)))
        builder.wait(launched)
        builder.run(self.core.kernel(backward=backward, share=after, kernels=np.round(after * self.ranks)))
        builder.run(self._merge(backward=backward))

    def _merge(self, *, backward: bool) -> Pointwise:
        steps, each = self.ranks - 1.0, self.merging
        kernels, moved = (
            (each.backward_kernels, each.backward_bytes) if backward else (each.forward_kernels, each.forward_bytes)
        )
        return Pointwise(
            "merge of steps backward" if backward else "merge of steps", steps * moved, steps * kernels, fused=True
        )
