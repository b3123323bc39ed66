"""What serving takes through a layer in one pass, and what a layer does with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from clustersim.inputs.precisions import HALF_BYTES
from clustersim.workload.arrays import Array
from clustersim.workload.operations import PassBuilder

ServingPhase = Literal["prefill", "decode"]


class Forward(Protocol):
    """One step of a layer, as far as serving needs it."""

    def forward(self, builder: PassBuilder) -> None:
        """Issue it."""
        ...


@dataclass(frozen=True)
class Batch:
    """What one device takes through the model in a pass."""

    phase: ServingPhase
    tokens: Array  # new ones, which become keys and values too
    span: float  # tokens that each attends to on average, without a window
    cached: Array  # tokens whose keys and values are read from the cache, over all sequences
    heads: Array  # new tokens whose next one is wanted: all of them in decode, a prompt's last one in prefill
    cache_bytes: float = HALF_BYTES  # an element of keys and values
    spread: float = 0.0  # their positions lie evenly within so many tokens on both sides of `span`
