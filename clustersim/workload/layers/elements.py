"""The elements of a transformer layer: what each computes and sends, forward and backward, and what it keeps between.

Here: what an element is, memory-bound work, and exchanges. `linear.py` has weight matrices, `attention.py` attention.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clustersim.workload.arrays import Array
from clustersim.workload.operations import Collective, Gemm, PassBuilder, Pointwise

if TYPE_CHECKING:
    from clustersim.workload.layers.linear import Linear


class Element(ABC):
    """One step of a layer. What most have in common stands here: no weights, no room, and all of it runs again."""

    @property
    def recomputed_when_selective(self) -> bool:
        """Whether selective recomputation runs the element's forward pass again."""
        return False

    @property
    def gradients(self) -> Array:
        """Bytes of the gradients of output and input while the backward pass runs; 0 where they are no wider than h."""
        return 0.0

    @property
    def results(self) -> Array:
        """Bytes of what it has computed that recomputation by operations keeps."""
        return 0.0

    @property
    def linears(self) -> tuple[Linear, ...]:
        """The weight matrices in it."""
        return ()

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes of activations kept from the forward to the backward pass, without or with selective recomputation."""
        return 0.0

    def repeated(self) -> Element | None:
        """What recomputation by operations runs again."""
        return self

    @abstractmethod
    def forward(self, builder: PassBuilder) -> None:
        """Issue the forward pass."""

    @abstractmethod
    def input_gradient(self, builder: PassBuilder) -> None:
        """Issue the backward pass towards the input, with all that cannot be put off."""

    def weight_gradient(self, builder: PassBuilder) -> None:  # noqa: B027  (most have none)
        """Issue the gradient of the element's own weights, which nobody waits for; none here, or in other kernels."""

    def backward(self, builder: PassBuilder) -> None:
        """Issue both gradients, overlapped as the stack does."""
        self.input_gradient(builder)
        self.weight_gradient(builder)


@dataclass(frozen=True)
class MemoryBound(Element):
    """Memory-bound work without weights worth a product: norms, activations, residuals, rotary, permutations.

    `fused`: no stack moves more bytes than these, whatever its kernels.
    """

    name: str
    forward_bytes: Array
    backward_bytes: Array
    saved: Array = 0.0
    kernels: Array = 1.0
    recomputed_when_selective: bool = False
    gradients: Array = 0.0
    fused: bool = False
    dropped_when_selective: bool = False  # selective recomputation makes what it keeps again

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes kept for the backward pass."""
        return 0.0 if selective and self.dropped_when_selective else self.saved

    def forward(self, builder: PassBuilder) -> None:
        """Read and write once."""
        builder.run(Pointwise(self.name, self.forward_bytes, self.kernels, self.fused))

    def input_gradient(self, builder: PassBuilder) -> None:
        """Read gradient and what was kept, write the gradient of the input."""
        builder.run(Pointwise(f"{self.name} backward", self.backward_bytes, self.kernels, self.fused))


@dataclass(frozen=True)
class Exchange(Element):
    """A collective that an element of its own makes: forward one way, backward the other."""

    name: str
    group: str
    forward_kind: str
    backward_kind: str
    bytes: Array
    algorithm: str | None = None
    copies: float = 1.0
    most_domains: float | None = None
    recomputed_when_selective: bool = False
    backward_bytes: Array | None = None  # where gradients take other room than what they are of
    spread: float = 0.0  # of one expert's load over the mean, over the root of how many experts there are
    capacity: float | None = None  # of experts, over their mean load
    load: Array = 1.0  # what the busiest rank gets (or sends back) over the mean

    @property
    def gradients(self) -> Array:
        """What is sent and what arrives."""
        return (1.0 + self.load) * self.adjoint().bytes

    def forward(self, builder: PassBuilder) -> None:
        """Nothing hides it."""
        builder.communicate(self.message())

    def input_gradient(self, builder: PassBuilder) -> None:
        """The adjoint: of an all-gather a reduce-scatter, of a dispatch a combine; a whole vector needs none."""
        if self.backward_kind != "none":
            builder.communicate(self.adjoint())

    def message(self) -> Collective:
        """What is sent forward."""
        return self._collective(self.forward_kind, self.bytes)

    def adjoint(self) -> Collective:
        """What is sent backward."""
        return self._collective(self.backward_kind, self.bytes if self.backward_bytes is None else self.backward_bytes)

    def _collective(self, kind: str, size: Array) -> Collective:
        return Collective(
            f"{self.name} {kind}",
            kind,  # type: ignore[arg-type]
            self.group,  # type: ignore[arg-type]
            size,
            self.algorithm,
            self.copies,
            self.most_domains,
            self.spread,
            self.capacity,
        )


@dataclass(frozen=True)
class CoveredExchange(Element):
    """An exchange and elements that don't need it, which compute while it travels.

    Megatron Core runs the shared experts so behind the routed ones' dispatch and combine
    (`moe_shared_expert_overlap`; its `SharedExpertMLP`).
    """

    exchange: Exchange
    elements: tuple[Element, ...]

    def saved_bytes(self, selective: bool = False) -> Array:
        """What the elements keep."""
        total: Array = 0.0
        for element in self.elements:
            total = total + element.saved_bytes(selective)
        return total

    @property
    def gradients(self) -> Array:
        """The exchange's and the elements'."""
        total = self.exchange.gradients
        for element in self.elements:
            total = total + element.gradients
        return total

    @property
    def results(self) -> Array:
        """The elements'."""
        return sum((element.results for element in self.elements), start=0.0)

    @property
    def linears(self) -> tuple[Linear, ...]:
        """The elements'."""
        return tuple(linear for element in self.elements for linear in element.linears)

    def repeated(self) -> CoveredExchange:
        """The exchange, beside what the elements run again."""
        again = (element.repeated() for element in self.elements)
        return replace(self, elements=tuple(element for element in again if element is not None))

    def forward(self, builder: PassBuilder) -> None:
        """Send, compute, wait."""
        launched = builder.launch(self.exchange.message())
        for element in self.elements:
            element.forward(builder)
        builder.wait(launched)

    def input_gradient(self, builder: PassBuilder) -> None:
        """The gradient travels beside the elements' own."""
        launched = builder.launch(self.exchange.adjoint())
        for element in reversed(self.elements):
            element.input_gradient(builder)
        builder.wait(launched)

    def weight_gradient(self, builder: PassBuilder) -> None:
        """The elements'; nothing travels."""
        for element in reversed(self.elements):
            element.weight_gradient(builder)

    def backward(self, builder: PassBuilder) -> None:
        """Both gradients beside the exchange."""
        launched = builder.launch(self.exchange.adjoint())
        for element in reversed(self.elements):
            element.backward(builder)
        builder.wait(launched)


@dataclass(frozen=True)
class ExpertImbalance(Element):
    """What a rank waits for the busiest of its expert group: the products of `rows` more a local expert."""

    name: str
    rows: Array
    hidden: float
    width: Array  # columns of all of an expert's matrices together
    experts: Array
    precision: str

    def repeated(self) -> ExpertImbalance:
        """Every second product: half (assumed, as of the mean's)."""
        return replace(self, rows=self.rows / 2.0)

    def forward(self, builder: PassBuilder) -> None:
        """One product of the rows with the matrices."""
        builder.run(self._product(self.rows, self.width))

    def input_gradient(self, builder: PassBuilder) -> None:
        """The same again."""
        builder.run(self._product(self.rows, self.width))

    def weight_gradient(self, builder: PassBuilder) -> None:
        """The same again."""
        builder.run(self._product(self.rows, self.width))

    def _product(self, rows: Array, width: Array) -> Gemm:
        return Gemm(self.name, rows, width, self.hidden, self.experts, self.precision, part="imbalance")
