"""The sizes of a layout that formulas take as numbers: of one layout, or of many side by side."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.inputs.layout import ResolvedLayout
from clustersim.workload.arrays import Array


@dataclass(frozen=True, eq=False)
class Sizes:
    """Of the groups of ranks, and of a micro-batch; arrays have one entry a layout."""

    tensor: Array
    context: Array
    data: Array
    expert: Array
    expert_tensor: Array
    micro_batch: Array  # sequences


def sizes_of(layout: ResolvedLayout) -> Sizes:
    """Those of one layout."""
    return Sizes(*(float(getattr(layout, name)) for name in Sizes.__dataclass_fields__))
