"""The host: a processor that issues kernels and collectives, one after the other, ahead of the device or behind it.

A device runs what the host has issued. While kernels are long the host is ahead and costs nothing; where they are short
the device waits for it, and a pass takes what issuing it takes. Source: PyTorch, "CUDA semantics", asynchronous
execution; the costs an operation are those of python-to-launch and of c10d's collectives (5 to 25 us and 15 to 30 us).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective, Gemm, Operation, Pointwise

BARE_LAUNCH = 0.15  # of an operation's cost is the launch itself: 1 to 3 us of 5 to 25 us
COLLECTIVE = 2.0  # kernels that issuing a collective takes as long as: 15 to 30 us against 5 to 25 us


@dataclass(frozen=True)
class Launches:
    """What the host issues for a pass."""

    kernels: Array  # products of a group of experts as one
    streaming: Array  # kernels of memory-bound work that software may or may not fuse
    apart: Array  # kernels more where every expert's product is one of its own
    collectives: Mapping[str, int]  # by group


def launches_of(operations: Sequence[Operation]) -> Launches:
    """Kernels and collectives of a pass."""
    kernels: Array = 0.0
    streaming: Array = 0.0
    apart: Array = 0.0
    collectives: Counter[str] = Counter()
    for operation in operations:
        if isinstance(operation, Collective):
            collectives[operation.group] += 1
            continue
        if isinstance(operation, Pointwise) and not operation.fused:
            streaming = streaming + operation.kernels
        else:
            kernels = kernels + (1.0 if isinstance(operation, Gemm) else operation.kernels)
        if isinstance(operation, Gemm) and operation.part == "gemm":
            apart = apart + (operation.count - 1.0)
    return Launches(kernels, streaming, apart, collectives)


def host_time(launches: Launches, machine: Machine) -> Array:
    """Seconds that the host takes to issue a pass: kernels, and collectives of groups of several ranks, a cost each."""
    stack, alone = machine.stack, machine.lone_groups
    if stack.blocking_launches:
        return 0.0  # it is in every kernel's gap
    collectives = sum(count for group, count in launches.collectives.items() if group not in alone)
    kernels = launches.kernels + launches.streaming * np.maximum(1.0, stack.memory_factor)
    if not stack.grouped_products:
        each = 1.0 if stack.sequential_experts else BARE_LAUNCH  # modules of their own, or one loop of a library
        kernels = kernels + each * launches.apart
    seconds: Array = stack.host_launch * (kernels + COLLECTIVE * collectives)
    return seconds
