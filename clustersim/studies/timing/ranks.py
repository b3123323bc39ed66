"""Collectives among the ranks that torchrun started, with the device's own library: NCCL, RCCL, HCCL; gloo without."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

from clustersim.studies.timing.cases import Message
from clustersim.studies.timing.device import BATCH_S, BATCHES, MOST_REPEATS, TorchDevice, Work

BACKENDS = {"cuda": "nccl", "npu": "hccl", "xpu": "xccl"}
PATIENCE = timedelta(minutes=5)  # for a rank that doesn't come


@dataclass(frozen=True)
class Ranks:
    """This process among all of them."""

    rank: int
    count: int
    local: int  # its number on its node
    per_node: int

    @property
    def nodes(self) -> int:
        """Nodes that the ranks are on."""
        return -(-self.count // self.per_node)

    @property
    def writes(self) -> bool:
        """Whether it is the one that prints and writes."""
        return self.rank == 0


def ranks_of_torchrun() -> Ranks | None:
    """What torchrun says of this process; None where it didn't start it."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    words = [os.environ.get(name, "") for name in names]
    if not all(word.isdecimal() for word in words):
        return None
    rank, count, local, per_node = map(int, words)
    return Ranks(rank, count, local, max(1, per_node))


class Group:
    """The ranks, joined; leave it by `close`."""

    def __init__(self, ranks: Ranks, device: TorchDevice) -> None:
        self.ranks, self.device = ranks, device
        self.library = BACKENDS.get(device.kind, "gloo")
        self.dist: Any = device.torch.distributed
        self.dist.init_process_group(self.library, timeout=PATIENCE)

    def agreed(self, values: Sequence[Any]) -> list[Any]:
        """Rank 0's values, on every rank."""
        told = list(values)
        self.dist.broadcast_object_list(told, src=0)
        return told

    def seconds(self, case: Message) -> float:
        """Of one repetition, on the slowest rank: the median of batches. Raises RuntimeError as the library does."""
        work = self._work(case)
        self._batch(work, 1)
        (once,) = self.agreed([self._batch(work, 1)])
        repeats = max(1, min(MOST_REPEATS, int(BATCH_S / max(once, 1e-7))))
        return self._slowest(median(self._batch(work, repeats) for _ in range(BATCHES)))

    def close(self) -> None:
        """Part."""
        self.dist.destroy_process_group()

    def _batch(self, work: Work, repeats: int) -> float:
        self.dist.barrier()
        return self.device.seconds(work, repeats)

    def _slowest(self, seconds: float) -> float:
        longest = self.device.torch.tensor([seconds], device=self.device.place, dtype=self.device.torch.float32)
        self.dist.all_reduce(longest, op=self.dist.ReduceOp.MAX)
        return float(longest.item())

    def _work(self, case: Message) -> Work:
        elements = case.bytes // (4 if case.dtype == "fp32" else 2)
        whole = self.device.tensor(elements, dtype=case.dtype)
        share = self.device.tensor(elements // case.ranks, dtype=case.dtype)
        other = self.device.tensor(elements, dtype=case.dtype) if case.op == "alltoall" else None
        gather = getattr(self.dist, "all_gather_single", None) or self.dist.all_gather_into_tensor
        scatter = getattr(self.dist, "reduce_scatter_single", None) or self.dist.reduce_scatter_tensor
        works: dict[str, Callable[[], object]] = {
            "allreduce": lambda: self.dist.all_reduce(whole),
            "allgather": lambda: gather(whole, share),
            "reducescatter": lambda: scatter(share, whole),
            "alltoall": lambda: self.dist.all_to_all_single(other, whole),
        }
        return works[case.op]
