"""The elements of a transformer layer: what each computes and sends, forward and backward, and what it keeps between.

Tensor parallelism with and without sequence parallelism follows Shoeybi et al. 2019 (arXiv 1909.08053, section 3) and
Korthikanti et al. 2022 (arXiv 2205.05198, section 4.2.2); activation bytes follow the latter's section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from clustersim.workload.arrays import Array
from clustersim.workload.operations import Attention, Collective, Gemm, PassBuilder, Pointwise
from clustersim.workload.shape import ACTIVATION_BYTES, Shape


class Element(Protocol):
    """One step of a layer."""

    @property
    def selective(self) -> bool:
        """Whether selective recomputation runs the element's forward pass again."""
        ...

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes of activations kept from the forward to the backward pass, without or with selective recomputation."""
        ...

    def forward(self, builder: PassBuilder) -> None:
        """Issue the forward pass."""
        ...

    def input_gradient(self, builder: PassBuilder) -> None:
        """Issue the backward pass towards the input, with all that cannot be put off."""
        ...

    def weight_gradient(self, builder: PassBuilder) -> None:
        """Issue the gradient of the element's own weights, which nobody waits for."""
        ...

    def backward(self, builder: PassBuilder) -> None:
        """Issue both gradients, overlapped as the stack does."""
        ...


@dataclass(frozen=True)
class Memory:
    """Memory-bound work without weights worth a product: norms, activations, residuals, rotary, permutations."""

    name: str
    forward_bytes: Array
    backward_bytes: Array
    saved: Array = 0.0
    kernels: float = 1.0
    selective: bool = False

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes kept for the backward pass."""
        return self.saved

    def forward(self, builder: PassBuilder) -> None:
        """Read and write once."""
        builder.run(Pointwise(self.name, self.forward_bytes, self.kernels))

    def input_gradient(self, builder: PassBuilder) -> None:
        """Read gradient and what was kept, write the gradient of the input."""
        builder.run(Pointwise(f"{self.name} backward", self.backward_bytes, self.kernels))

    def weight_gradient(self, builder: PassBuilder) -> None:
        """Nothing: the few weights' gradients are part of the input gradient's kernel."""

    def backward(self, builder: PassBuilder) -> None:
        """The input gradient is all there is."""
        self.input_gradient(builder)


@dataclass(frozen=True)
class Linear:
    """A weight matrix `[k, n]` (this rank's part) met by `m` rows; `count` of them for grouped experts.

    `gathers`: column-parallel, its input comes from the whole tensor group (Megatron's f operator). `reduces`:
    row-parallel, its output is summed over the group (g). `group_bytes`: the full-width vector that crosses the group.
    """

    name: str
    m: Array
    n: Array
    k: Array
    shape: Shape
    count: Array = 1.0
    gathers: bool = False
    reduces: bool = False
    group_bytes: Array = 0.0
    saved: Array = 0.0
    selective: bool = False
    precision: str | None = None

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes of the input, kept for the weight gradient."""
        return self.saved

    def forward(self, builder: PassBuilder) -> None:
        """Gather the input if it is scattered, multiply, reduce the output if it is a partial sum.

        A stack that overlaps tensor-parallel traffic cuts the rows into pieces, and multiplies one while another moves
        (Transformer Engine's userbuffers in four, Ascend's fused kernels in two pieces: assumed).
        """
        sequence_parallel = self.shape.sequence_parallel
        pieces = self._pieces()
        if pieces > 1 and (self.gathers or self.reduces):
            self._forward_in_pieces(builder, pieces)
            return
        if self.gathers and sequence_parallel:
            builder.communicate(self._collective("all-gather"))
        builder.run(self._gemm(self.name, self.m, self.n, self.k))
        if self.reduces:
            builder.communicate(self._collective("reduce-scatter" if sequence_parallel else "all-reduce"))

    def _pieces(self) -> int:
        overlap = self.shape.overlap
        if not self.shape.sequence_parallel:
            return 1
        return 4 if "tensor" in overlap else 2 if "tensor_fused" in overlap else 1

    def _forward_in_pieces(self, builder: PassBuilder, pieces: int) -> None:
        kind = "all-gather" if self.gathers else "reduce-scatter"
        message = replace(self._collective(kind), bytes=self.group_bytes / pieces)
        product = self._gemm(self.name, self.m / pieces, self.n, self.k)
        arriving = [builder.launch(message) for _ in range(pieces)] if self.gathers else []
        leaving = []
        for piece in range(pieces):
            if arriving:
                builder.wait(arriving[piece])
            builder.run(product)
            if self.reduces:
                leaving.append(builder.launch(message))
        for launched in leaving:
            builder.wait(launched)

    def input_gradient(self, builder: PassBuilder) -> None:
        """Gather the output's gradient if it is scattered, multiply by the transposed weight, reduce."""
        launched = self._issue_input_gradient(builder)
        if launched is not None:
            builder.wait(launched)

    def weight_gradient(self, builder: PassBuilder) -> None:
        """Multiply the transposed input (gathered again if it was kept scattered) by the output's gradient."""
        if self.gathers and self.shape.sequence_parallel:
            builder.communicate(self._collective("all-gather"))
        builder.run(self._gemm(f"{self.name} weight gradient", self.k, self.n, self.m))

    def backward(self, builder: PassBuilder) -> None:
        """Both gradients; with tensor overlap the collectives run behind the products (Megatron-LM since 2022)."""
        if not self.shape.overlap & {"tensor", "tensor_fused", "tensor_backward"}:
            self.input_gradient(builder)
            self.weight_gradient(builder)
            return
        regather = self.gathers and self.shape.sequence_parallel
        gathered = builder.launch(self._collective("all-gather")) if regather else None
        launched = self._issue_input_gradient(builder)
        if gathered is not None:
            builder.wait(gathered)
        builder.run(self._gemm(f"{self.name} weight gradient", self.k, self.n, self.m))
        if launched is not None:
            builder.wait(launched)

    def _issue_input_gradient(self, builder: PassBuilder) -> int | None:
        """Issue the input gradient's product; return the collective that is still to be waited for."""
        sequence_parallel = self.shape.sequence_parallel
        if self.reduces and sequence_parallel:
            builder.communicate(self._collective("all-gather"))
        builder.run(self._gemm(f"{self.name} input gradient", self.m, self.k, self.n))
        if not self.gathers:
            return None
        return builder.launch(self._collective("reduce-scatter" if sequence_parallel else "all-reduce"))

    def _gemm(self, name: str, m: Array, n: Array, k: Array) -> Gemm:
        return Gemm(name, m, n, k, self.count, self.precision or self.shape.precision)

    def _collective(self, kind: str) -> Collective:
        return Collective(f"{self.name} {kind}", kind, "tensor", self.group_bytes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class FusedAttention:
    """Softmax(Q K^T) V in one kernel, block-wise, so that no score reaches memory.

    FLOPs executed forward: 2 heads q_length span (d_qk + d_v), halved by the causal mask, whose blocks are skipped;
    backward 2.5 times that: five products for two. Source: Dao 2023, FlashAttention-2, arXiv 2307.08691, section 3.
    """

    heads: Array  # of this rank, times sequences of the micro-batch
    queries: Array  # tokens of a sequence on this rank
    span: float
    qk_size: float
    v_size: float
    saved: Array
    precision: str
    selective: bool = False  # its backward kernel computes the scores again in any case

    @property
    def forward_flops(self) -> Array:
        """FLOP of the forward kernel with masked blocks skipped."""
        return self.heads * self.queries * self.span * (self.qk_size + self.v_size)

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes of queries, keys, values, output and the softmax statistics."""
        return self.saved

    def forward(self, builder: PassBuilder) -> None:
        """One kernel."""
        builder.run(Attention("attention", self.forward_flops, self.qk_size, False, self.precision))

    def input_gradient(self, builder: PassBuilder) -> None:
        """One kernel, which computes the scores again."""
        builder.run(Attention("attention backward", 2.5 * self.forward_flops, self.qk_size, True, self.precision))

    def weight_gradient(self, builder: PassBuilder) -> None:
        """No weights."""

    def backward(self, builder: PassBuilder) -> None:
        """The input gradient is all there is."""
        self.input_gradient(builder)


@dataclass(frozen=True)
class UnfusedAttention:
    """Scores, softmax and weighted values as separate kernels over the whole square, masked or not."""

    heads: Array
    queries: Array
    span: float
    qk_size: float
    v_size: float
    dropout: bool
    precision: str
    projections: Array  # bytes of queries, keys and values kept
    selective: bool = True

    @property
    def _scores(self) -> Array:
        return self.heads * self.queries * self.span

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes kept: Q, K, V; softmax output; dropout mask and output (Korthikanti et al. 2022, section 4.1)."""
        if selective:
            return self.projections
        return self.projections + self._scores * (ACTIVATION_BYTES + (1.0 + ACTIVATION_BYTES if self.dropout else 0.0))

    def forward(self, builder: PassBuilder) -> None:
        """Q K^T, scale-mask-softmax, dropout, P V."""
        builder.run(self._gemm("scores", self.queries, self.span, self.qk_size))
        builder.run(Pointwise("softmax", 2 * ACTIVATION_BYTES * self._scores, fused=True))
        if self.dropout:
            builder.run(Pointwise("attention dropout", (2 * ACTIVATION_BYTES + 1.0) * self._scores, fused=True))
        builder.run(self._gemm("weighted values", self.queries, self.v_size, self.span))

    def input_gradient(self, builder: PassBuilder) -> None:
        """The gradients of P, V, the softmax, Q and K."""
        builder.run(self._gemm("weights gradient", self.queries, self.span, self.v_size))
        builder.run(self._gemm("values gradient", self.span, self.v_size, self.queries))
        if self.dropout:
            dropped = (2 * ACTIVATION_BYTES + 1.0) * self._scores
            builder.run(Pointwise("attention dropout backward", dropped, fused=True))
        builder.run(Pointwise("softmax backward", 3 * ACTIVATION_BYTES * self._scores, fused=True))
        builder.run(self._gemm("queries gradient", self.queries, self.qk_size, self.span))
        builder.run(self._gemm("keys gradient", self.span, self.qk_size, self.queries))

    def weight_gradient(self, builder: PassBuilder) -> None:
        """No weights."""

    def backward(self, builder: PassBuilder) -> None:
        """The input gradient is all there is."""
        self.input_gradient(builder)

    def _gemm(self, name: str, m: Array, n: Array, k: Array) -> Gemm:
        return Gemm(name, m, n, k, self.heads, self.precision, part="attention")


@dataclass(frozen=True)
class Exchange:
    """A collective that an element of its own makes: forward one way, backward the other."""

    name: str
    group: str
    forward_kind: str
    backward_kind: str
    bytes: Array
    copies: float = 1.0
    most_domains: float | None = None
    selective: bool = False

    def saved_bytes(self, selective: bool = False) -> Array:
        """Nothing: what arrives is kept by the next element."""
        return 0.0

    def forward(self, builder: PassBuilder) -> None:
        """Nothing hides it."""
        builder.communicate(self._collective(self.forward_kind))

    def input_gradient(self, builder: PassBuilder) -> None:
        """The adjoint: of an all-gather a reduce-scatter, of an all-to-all the same; a whole vector needs none."""
        if self.backward_kind != "none":
            builder.communicate(self._collective(self.backward_kind))

    def weight_gradient(self, builder: PassBuilder) -> None:
        """No weights."""

    def backward(self, builder: PassBuilder) -> None:
        """The input gradient is all there is."""
        self.input_gradient(builder)

    def _collective(self, kind: str) -> Collective:
        return Collective(
            f"{self.name} {kind}",
            kind,  # type: ignore[arg-type]
            self.group,  # type: ignore[arg-type]
            self.bytes,
            self.copies,
            self.most_domains,
        )
