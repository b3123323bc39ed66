"""Which part of the model each chunk of each device holds, and which way micro-batches take through them.

A device's chunk is a **cell**, numbered chunk * stages + device. A **route** is one way through the whole model: its
cells in the order of the model's virtual stages. Most schedules have one; two routes are two copies of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clustersim.engines.graph import Ints

NOWHERE = -1


@dataclass(frozen=True, eq=False)
class ChunkPlacement:
    """The virtual stage of every cell, and the route that it belongs to."""

    virtual: Ints  # [chunks, stages] virtual stage of the model
    route: Ints  # [chunks]

    @property
    def chunks(self) -> int:
        """Model chunks a device."""
        return len(self.virtual)

    @property
    def stages(self) -> int:
        """Devices of the pipeline."""
        return int(self.virtual.shape[1])

    @cached_property
    def copies(self) -> int:
        """How often the pipeline holds the model: its routes."""
        return len(set(self.route.tolist()))

    @cached_property
    def cells(self) -> list[list[int]]:
        """`virtual` as plain numbers."""
        return self.virtual.tolist()  # type: ignore[no-any-return]

    @cached_property
    def backwards(self) -> Ints:
        """`[chunks]` 1 where forward passes go from a device to the one before it."""
        return np.asarray(self.virtual[:, 0] > self.virtual[:, -1], dtype=np.int64)

    @cached_property
    def cell_route(self) -> Ints:
        """`[cells]` the route of each cell."""
        return np.repeat(self.route, self.stages)

    @cached_property
    def links(self) -> tuple[Ints, Ints]:
        """`[cells]` the cell that is met before, and the one after each; NOWHERE at the ends of a route."""
        path = np.lexsort((self.virtual.ravel(), self.cell_route))
        before, after = np.full((2, len(path)), NOWHERE)
        together = self.cell_route[path[1:]] == self.cell_route[path[:-1]]
        before[path[1:][together]] = path[:-1][together]
        after[path[:-1][together]] = path[1:][together]
        return before, after

    def ends_apart(self) -> bool:
        """Whether first and last virtual stage are held by different devices."""
        first, last = (set(np.argwhere(self.virtual == end)[:, 1].tolist()) for end in (0, self.virtual.max(initial=0)))
        return first != last


def by_turns(stages: int, chunks: int = 1) -> ChunkPlacement:
    """Chunk c of stage s is virtual stage c p + s: a micro-batch passes all devices, then starts at the first again."""
    virtual = np.arange(chunks * stages).reshape(chunks, stages)
    return ChunkPlacement(virtual, np.zeros(chunks, dtype=np.int64))


def there_and_back(stages: int) -> ChunkPlacement:
    """A V: chunk 0 of stage s is virtual stage s, chunk 1 is 2p - 1 - s. Source: Qi et al. 2024, arXiv 2405.15362."""
    way = np.arange(2 * stages)
    return ChunkPlacement(np.array([way[:stages], way[: stages - 1 : -1]]), np.zeros(2, dtype=np.int64))


def both_ways(stages: int) -> ChunkPlacement:
    """Two copies of the model, from both ends: stage s holds virtual stages s and p - 1 - s.

    Source: DeepSeek-V3, arXiv 2412.19437, section 3.2.1.
    """
    way = np.arange(stages)
    return ChunkPlacement(np.array([way, way[::-1]]), np.arange(2))
