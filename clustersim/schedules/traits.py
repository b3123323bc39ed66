"""What sets a schedule apart beside its order: the passes that it runs, the sizes that it takes, what it allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustersim.engines.graph import Ints
from clustersim.schedules.program import TaskType

WHOLE = frozenset({TaskType.FORWARD, TaskType.BACKWARD})
APART = frozenset({TaskType.INPUT_GRADIENT, TaskType.WEIGHT_GRADIENT})
BESIDE = frozenset({TaskType.FORWARD_BESIDE, TaskType.BACKWARD_BESIDE})

ONE, TWO, SEVERAL = range(1, 2), range(2, 3), range(2, 2**31)  # numbers of chunks a device


class Multiples(NamedTuple):
    """Sizes from `least` on, in multiples of `unit`; and why no others."""

    unit: int = 1
    least: int = 1
    why: str = ""

    def take(self, size: ArrayLike) -> NDArray[np.bool_]:
        """Whether these are such sizes."""
        sizes = np.asarray(size)
        return np.asarray((sizes % self.unit == 0) & (sizes >= self.least))

    def near(self, size: int) -> tuple[int, ...]:
        """The sizes next below and above one that is none."""
        first = -(-self.least // self.unit) * self.unit
        below = size // self.unit * self.unit
        return (below, below + self.unit) if below >= first else (first,)


ANY = Multiples()


def any_number(stages: int) -> Multiples:
    """As many micro-batches as there are."""
    return ANY


def never(stages: int, chunks: int) -> bool:
    """In no pipeline."""
    return False


def always(stages: int, chunks: int) -> bool:
    """In every pipeline."""
    return True


def without_a_pipeline(stages: int, chunks: int) -> bool:
    """Alone: else a stage's pairs would wait for those of its neighbours, which wait for it, by turns."""
    return stages == 1


@dataclass(frozen=True)
class Traits:
    """What a schedule's module states."""

    passes: frozenset[TaskType] = WHOLE  # that it may run
    planned: bool = False  # its order depends on the ratios of durations, which `order` takes
    # Stages update without waiting for the global norm, and undo that where it was wrong: Qi et al. 2023, section 4.
    post_validates: bool = False
    exact_bubble: bool = False  # equal stages over free links idle as long as the bubble's lower bound
    chunks: range = ONE  # model chunks a device that it takes
    stages: Multiples = ANY
    micro_batches: Callable[[int], Multiples] = any_number  # by the number of stages
    runs_beside: Callable[[int, int], bool] = never  # stages, chunks -> forward passes can run beside backward ones
    # Of a fixed order with one chunk a stage: (stage, stages) -> forward passes before a stage's first gradient, and
    # weight gradients after its last input gradient, if there are as many micro-batches. None: as many as memory holds.
    warm_up: Callable[[Ints, int], Ints] | None = None
    put_off: Callable[[Ints, int], Ints] | None = None
