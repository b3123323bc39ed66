"""What a device can be asked to do: matrix products, attention, memory-bound work, collectives; and passes of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from clustersim.inputs.precisions import element_bytes
from clustersim.workload.arrays import Array

CollectiveKind = Literal[
    "all-reduce", "all-gather", "reduce-scatter", "reduce", "broadcast", "all-to-all", "pass-on", "dispatch", "combine"
]
Group = Literal[
    "tensor",
    "context",
    "expert",
    "expert_tensor",
    "data",
    "data_shard",
    "data_replica",
    "expert_data",
    "expert_data_shard",
    "expert_data_replica",
    "pipeline",
]

GROUP_PART = {
    "tensor": "tensor_comm",
    "context": "context_comm",
    "expert": "expert_comm",
    "expert_tensor": "expert_comm",
    "data": "data_comm",
    "data_shard": "data_comm",
    "data_replica": "data_comm",
    "expert_data": "data_comm",
    "expert_data_shard": "data_comm",
    "expert_data_replica": "data_comm",
    "pipeline": "pipeline_comm",
}


@dataclass(frozen=True)
class Gemm:
    """`count` independent products [m, k] x [k, n].

    `summed_bytes`: a product that is added to a sum in place reads and writes it, so many bytes beyond writing the
    output once.
    """

    name: str
    m: Array
    n: Array
    k: Array
    count: Array = 1.0
    precision: str = "bf16"
    part: str = "gemm"
    summed_bytes: Array = 0.0
    blockwise: bool = False  # fp8 with a scale for every 128 elements

    @property
    def flops(self) -> Array:
        """FLOP: 2 m n k for each product."""
        return 2.0 * self.m * self.n * self.k * self.count

    @property
    def element_bytes(self) -> float:
        """Bytes of an element, with its share of the scales."""
        return element_bytes(self.precision, blockwise=self.blockwise)


@dataclass(frozen=True)
class Attention:
    """A fused (flash) attention kernel, or `kernels` of them; `flops` are those executed, masked blocks skipped."""

    name: str
    flops: Array
    head_size: float
    backward: bool
    precision: str = "bf16"
    part: str = "attention"
    bytes: Array = 0.0  # of keys and values read from a cache; next to nothing where many queries share them
    kernels: Array = 1.0


@dataclass(frozen=True)
class Scan:
    """The core of linear attention or of a state space, over chunks; `flops` are those executed, in `kernels` launches.

    `heads`: what runs side by side on this rank, heads of all its sequences.
    """

    name: str
    kind: str
    flops: Array
    bytes: Array
    heads: Array
    backward: bool
    kernels: float = 1.0
    part: str = "attention"


@dataclass(frozen=True)
class Pointwise:
    """Memory-bound work: `bytes` cross HBM when everything that can be fused is, in `kernels` launches.

    `fused`: every stack has one kernel for it, so that nobody moves more.
    """

    name: str
    bytes: Array
    kernels: Array = 1.0
    fused: bool = False
    part: str = "memory_bound"


@dataclass(frozen=True)
class Collective:
    """A message among the ranks of a group.

    `bytes` is the whole vector: what each rank holds before an all-reduce, after an all-gather, before a
    reduce-scatter; what goes to one rank in a reduce, or out from it in a broadcast; what each rank sends away in an
    all-to-all; what comes by each rank in a pass-on, its own part included; all copies of the tokens that a rank sends
    to experts in a dispatch, and gets back from them in a combine.
    """

    name: str
    kind: CollectiveKind
    group: Group
    bytes: Array
    algorithm: str | None = None  # None: the fastest of its kind, as libraries choose
    copies: float = 1.0  # of a dispatch: each vector goes to so many experts, drawn evenly
    most_domains: float | None = None  # that the copies of one vector may go to (node-limited routing)
    spread: float = 0.0  # of one expert's load over the mean, over the root of how many experts there are
    capacity: float | None = None  # of experts, over their mean load
    pieces: Array = 1.0  # messages that the bytes are sent in, one behind the other
    host_a_rank: float = 0.0  # seconds of the host for each rank's part of a message, where it is a list of such parts

    @property
    def part(self) -> str:
        """The line of the breakdown that its exposed time belongs to."""
        return GROUP_PART[self.group]


Operation: TypeAlias = Gemm | Attention | Scan | Pointwise | Collective


@dataclass(frozen=True)
class Pass:
    """Operations on in-order streams: one compute stream, one communication stream a group."""

    operations: tuple[Operation, ...]
    streams: tuple[str, ...]  # of each operation: "compute" or a group
    after: tuple[tuple[int, ...], ...]  # operations that each one waits for, beside its stream's previous one


@dataclass
class PassBuilder:
    """Strings operations into a pass, in the order in which software issues them."""

    operations: list[Operation] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    after: list[tuple[int, ...]] = field(default_factory=list)
    _last_compute: int | None = None
    _awaited: tuple[int, ...] = ()

    def run(self, operation: Operation) -> None:
        """Compute, once everything awaited has arrived."""
        self._last_compute = self._append(operation, "compute", self._awaited)
        self._awaited = ()

    def launch(self, collective: Collective) -> int:
        """Start a collective on its group's stream, behind the compute issued so far; `wait` for what it returns."""
        last = () if self._last_compute is None else (self._last_compute,)
        return self._append(collective, collective.group, last + self._awaited)

    def wait(self, launched: int) -> None:
        """Hold the next compute operation until a launched collective is done."""
        self._awaited += (launched,)

    def communicate(self, collective: Collective) -> None:
        """A collective that nothing hides."""
        self.wait(self.launch(collective))

    def build(self) -> Pass:
        """The finished pass."""
        return Pass(tuple(self.operations), tuple(self.streams), tuple(self.after))

    def _append(self, operation: Operation, stream: str, after: tuple[int, ...]) -> int:
        self.operations.append(operation)
        self.streams.append(stream)
        self.after.append(after)
        return len(self.operations) - 1


@dataclass
class RecomputeBuilder(PassBuilder):
    """Writes onto another builder, naming compute as recomputed work."""

    target: PassBuilder = field(default_factory=PassBuilder)

    def run(self, operation: Operation) -> None:
        """Compute again what the forward pass had computed."""
        if not isinstance(operation, Collective):
            operation = replace(operation, part="recompute")
        self.target.run(operation)

    def launch(self, collective: Collective) -> int:
        """As the target does."""
        return self.target.launch(collective)

    def wait(self, launched: int) -> None:
        """As the target does."""
        self.target.wait(launched)
