"""What is timed: matrix products, attention, memory-bound work, launches and messages, each a row of kernels.csv.

Amounts are those of the simulator's own operations: FLOP of products are 2 m n k, of causal attention those that are
executed, bytes of memory-bound work those that a fused kernel moves, bytes of a collective the whole vector, its rate
that of the bus as nccl-tests counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind = Literal["gemm", "attention", "memory", "launch", "collective"]
KINDS: tuple[Kind, ...] = ("gemm", "attention", "memory", "launch", "collective")

StreamingOp = Literal["copy", "add", "norm"]
STREAMING: tuple[StreamingOp, ...] = ("copy", "add", "norm")

ELEMENT_BYTES = {"bf16": 2.0, "fp16": 2.0, "fp32": 4.0}
BACKWARD = 2.5  # products of attention's backward pass over its forward one's: Dao 2023, arXiv 2307.08691, section 3
MessageOp = Literal["allreduce", "allgather", "reducescatter", "alltoall"]
BUS_STEPS: dict[MessageOp, float] = {"allreduce": 2.0, "allgather": 1.0, "reducescatter": 1.0, "alltoall": 1.0}


@dataclass(frozen=True)
class Product:
    """[m, k] x [k, n], and its transpose as layers hold it."""

    m: int
    n: int
    k: int
    dtype: str
    kind: Kind = "gemm"
    op: str = "gemm"
    unit: str = "TFLOP/s"

    @property
    def words(self) -> str:
        """Its shape, as tables of kernels print it."""
        return f"M={self.m} N={self.n} K={self.k}"

    @property
    def amount(self) -> float:
        """FLOP."""
        return 2.0 * self.m * self.n * self.k

    @property
    def footprint(self) -> float:
        """Bytes that its operands and result take."""
        return ELEMENT_BYTES[self.dtype] * (self.m * self.k + self.k * self.n + self.m * self.n)

    def value(self, seconds: float) -> float:
        """TFLOP/s."""
        return self.amount / seconds / 1e12


@dataclass(frozen=True)
class AttentionCore:
    """Causal attention of so many heads, fused where the device has a kernel for it; forward, or backward alone."""

    sequence: int
    heads: int
    head_size: int
    backward: bool
    dtype: str
    kind: Kind = "attention"
    unit: str = "TFLOP/s (causal)"

    @property
    def op(self) -> str:
        """As tables of kernels name it."""
        return "attention_bwd" if self.backward else "attention_fwd"

    @property
    def words(self) -> str:
        """Its shape, as tables of kernels print it."""
        size = self.head_size
        return (
            f"batch=1, seq_len={self.sequence}, head_num={self.heads}, kv_head_num={self.heads}, "
            f"qk_head_dim={size}, v_head_dim={size}"
        )

    @property
    def amount(self) -> float:
        """FLOP executed: heads queries 2 keys (d_qk + d_v), half of the keys behind the mask; backward 2.5 times."""
        forward = self.heads * self.sequence * 2.0 * (self.sequence / 2.0) * 2.0 * self.head_size
        return forward * (BACKWARD if self.backward else 1.0)

    @property
    def footprint(self) -> float:
        """Bytes of queries, keys, values, output and their gradients; of scores, where nothing fuses them."""
        tensors = 8.0 * self.heads * self.sequence * self.head_size
        return ELEMENT_BYTES[self.dtype] * (tensors + 2.0 * self.heads * self.sequence**2)

    def value(self, seconds: float) -> float:
        """TFLOP/s."""
        return self.amount / seconds / 1e12


@dataclass(frozen=True)
class Streaming:
    """Memory-bound work on `elements`: a copy, a sum of two, or a layer norm over rows of 4,096."""

    op: StreamingOp
    elements: int
    dtype: str
    kind: Kind = "memory"
    unit: str = "GB/s"

    @property
    def words(self) -> str:
        """Bytes that cross the device memory."""
        return f"{self.amount:.0f}"

    @property
    def amount(self) -> float:
        """Bytes read and written by one kernel that does nothing twice."""
        return ELEMENT_BYTES[self.dtype] * self.elements * (3.0 if self.op == "add" else 2.0)

    @property
    def footprint(self) -> float:
        """Bytes."""
        return self.amount

    def value(self, seconds: float) -> float:
        """GB/s."""
        return self.amount / seconds / 1e9


@dataclass(frozen=True)
class Launch:
    """Small kernels one after the other: seconds in which the host issues one, or the device runs one."""

    op: Literal["launch_host", "launch_device"]
    dtype: str = "fp32"
    kind: Kind = "launch"
    unit: str = "us"
    words: str = "a sum of one element in place"
    amount: float = 1.0
    footprint: float = 4.0

    def value(self, seconds: float) -> float:
        """Microseconds."""
        return seconds * 1e6


@dataclass(frozen=True)
class Message:
    """A collective of `bytes` in all among all ranks: what each holds before an all-reduce, a reduce-scatter or an
    all-to-all, and after an all-gather.
    """

    op: MessageOp
    bytes: int
    ranks: int
    dtype: str
    kind: Kind = "collective"
    unit: str = "GB/s busbw"

    @property
    def words(self) -> str:
        """Bytes."""
        return str(self.bytes)

    @property
    def amount(self) -> float:
        """Bytes."""
        return float(self.bytes)

    @property
    def footprint(self) -> float:
        """Bytes of what goes in and what comes out."""
        return 2.0 * self.bytes

    def value(self, seconds: float) -> float:
        """GB/s of the bus."""
        return BUS_STEPS[self.op] * (self.ranks - 1) / self.ranks * self.bytes / seconds / 1e9


Case: TypeAlias = Product | AttentionCore | Streaming | Launch | Message

# Weights [n, k] of layers: hidden 4,096 and 8,192 with gated feed-forwards, whole and split over 8 tensor ranks.
WEIGHTS = (
    (6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336), (768, 4096), (3584, 4096), (4096, 1792),
    (10240, 8192), (8192, 8192), (57344, 8192), (8192, 28672), (1280, 8192), (7168, 8192), (8192, 3584),
)  # fmt: skip
TOKENS = (256, 1024, 4096, 8192)
CUBES = (2048, 4096, 8192, 16384)
QUICK_CUBES = (256, 384, 512, 768)
STREAMS = (2**20, 2**23, 2**26, 2**28)  # elements
MESSAGES = tuple(2**power for power in range(16, 31, 2))  # 64 KiB to 1 GiB


def device_cases(kinds: Sequence[Kind], dtype: str, *, quick: bool = False) -> list[Case]:
    """What is timed on one device, the least work of each kind first."""
    cases: list[Case] = []
    if "launch" in kinds:
        cases += [Launch("launch_host"), Launch("launch_device")]
    if "gemm" in kinds:
        cases += sorted(_products(dtype, quick), key=lambda case: case.amount)
    if "attention" in kinds:
        shapes = ((256, 4, 64), (512, 4, 64)) if quick else ((1024, 32, 128), (4096, 32, 128), (8192, 32, 128))
        cases += [AttentionCore(*shape, backward, dtype) for backward in (False, True) for shape in shapes]
    if "memory" in kinds:
        sizes = STREAMS[:2] if quick else STREAMS
        cases += [Streaming(op, size, dtype) for op in STREAMING for size in sizes]
    return cases


def _products(dtype: str, quick: bool) -> Iterator[Product]:
    for size in QUICK_CUBES if quick else CUBES:
        yield Product(size, size, size, dtype)
    if not quick:
        yield from (Product(m, n, k, dtype) for m in TOKENS for n, k in WEIGHTS)


def collective_cases(ranks: int, dtype: str, *, quick: bool = False) -> list[Case]:
    """What is timed among all ranks; sizes that the ranks share evenly."""
    share = int(ELEMENT_BYTES[dtype]) * ranks
    sizes = [size // share * share for size in (MESSAGES[:3] if quick else MESSAGES)]
    return [Message(op, size, ranks, dtype) for op in BUS_STEPS for size in sizes]
