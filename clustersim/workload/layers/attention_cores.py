"""The core of attention: scores, softmax and weighted values, fused in one kernel or as kernels of their own."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import Element
from clustersim.workload.operations import Attention, Gemm, PassBuilder, Pointwise


@dataclass(frozen=True)
class FusedAttention(Element):
    """Softmax(Q K^T) V in one kernel, block-wise, so that no score reaches memory.

    FLOPs executed forward: 2 heads q_length keys (d_qk + d_v), with the keys that a query meets on average, for what
    the mask hides is skipped in blocks; backward 2.5 times that: five products for two.
    Source: Dao 2023, FlashAttention-2, arXiv 2307.08691, section 3.
    """

    heads: Array  # of this rank, times sequences of the micro-batch
    queries: Array  # tokens of a sequence on this rank
    keys: float  # that one of them meets on average, behind mask and window
    qk_size: float
    v_size: float
    projections: Array  # bytes of queries, keys and values
    statistics: Array  # bytes of the softmax's maxima and sums
    precision: str
    output: Array  # bytes of the weighted values
    output_cast: bool = False  # the next matrix keeps it in low precision, so that the 16-bit one is kept here
    projections_dropped: bool = False  # selective recomputation makes queries, keys and values again
    recomputed_when_selective: bool = False  # the whole forward kernel, beside the scores that backward makes again

    @property
    def forward_flops(self) -> Array:
        """FLOP of the forward kernel with masked blocks skipped."""
        return self.heads * self.queries * (2.0 * self.keys) * (self.qk_size + self.v_size)

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes of queries, keys, values, output and the softmax's statistics.

        The output is the next matrix's to keep, unless that keeps it cast. Where the kernel runs again, it makes
        output and statistics again. Source: as the class; Megatron-LM, `recompute_modules: [core_attn]`.
        """
        again = selective and self.recomputed_when_selective
        kept = 0.0 if again else self.statistics + self.output if self.output_cast else self.statistics
        return kept if selective and self.projections_dropped else kept + self.projections

    @property
    def gradients(self) -> Array:
        """Bytes of the gradients of queries, keys, values and output."""
        return self.projections + self.output

    @property
    def results(self) -> Array:
        """Bytes of output and statistics."""
        return self.output + self.statistics

    def repeated(self) -> None:
        """Nothing: recomputation by operations keeps its results."""

    def forward(self, builder: PassBuilder) -> None:
        """One kernel."""
        builder.run(self.kernel(backward=False))

    def input_gradient(self, builder: PassBuilder) -> None:
        """One kernel, which computes the scores again."""
        builder.run(self.kernel(backward=True))

    def kernel(self, *, backward: bool, share: Array = 1.0, kernels: Array = 1.0) -> Attention:
        """The kernel of a direction, or so many kernels that do a share of it."""
        name, flops = ("attention backward", 2.5) if backward else ("attention", 1.0)
        work = flops * self.forward_flops * share
        return Attention(name, work, self.qk_size, backward, self.precision, kernels=kernels)


@dataclass(frozen=True)
class UnfusedAttention(Element):
    """Scores, softmax and weighted values as separate kernels over the whole square, masked or not, window or not.

    The weighted values are copied into the order of tokens, and so is their gradient; the gradients of queries, keys
    and values are joined. ALiBi's biases are laid out as a square, to which the scores are added.
    Source: Megatron-LM, model/transformer.py (CoreAttention), and Megatron-DeepSpeed's torch.baddbmm (recalled).
    """

    heads: Array
    queries: Array
    span: float
    qk_size: float
    v_size: float
    dropout: bool
    precision: str
    projections: Array  # bytes of queries, keys and values kept
    width: float  # bytes of an element
    alibi: bool = False
    recomputed_when_selective: bool = True

    @property
    def _scores(self) -> Array:
        return self.heads * self.queries * self.span

    @property
    def _copied(self) -> Array:
        return 2 * self.width * self.heads * self.queries * self.v_size

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes kept: Q, K, V; softmax output; dropout mask and output (Korthikanti et al. 2022, section 4.1)."""
        if selective and self.recomputed_when_selective:
            return self.projections
        return self.projections + self._scores * (self.width + (1.0 + self.width if self.dropout else 0.0))

    @property
    def gradients(self) -> Array:
        """Bytes of the gradients of the softmax's output and input, and of queries, keys and values."""
        return self.projections + 2 * self.width * self._scores

    def forward(self, builder: PassBuilder) -> None:
        """Q K^T, scale-mask-softmax, dropout, P V."""
        if self.alibi:
            builder.run(Pointwise("alibi", 2 * self.width * self._scores, fused=True))
        builder.run(self._gemm("scores", self.queries, self.span, self.qk_size))
        builder.run(Pointwise("softmax", 2 * self.width * self._scores, fused=True))
        if self.dropout:
            builder.run(Pointwise("attention dropout", (2 * self.width + 1.0) * self._scores, fused=True))
        builder.run(self._gemm("weighted values", self.queries, self.v_size, self.span))
        builder.run(Pointwise("values copy", self._copied, fused=True))

    def input_gradient(self, builder: PassBuilder) -> None:
        """The gradients of P, V, the softmax, Q and K."""
        builder.run(Pointwise("values copy backward", self._copied, fused=True))
        builder.run(self._gemm("weights gradient", self.queries, self.span, self.v_size))
        builder.run(self._gemm("values gradient", self.span, self.v_size, self.queries))
        if self.dropout:
            dropped = (2 * self.width + 1.0) * self._scores
            builder.run(Pointwise("attention dropout backward", dropped, fused=True))
        builder.run(Pointwise("softmax backward", 3 * self.width * self._scores, fused=True))
        builder.run(self._gemm("queries gradient", self.queries, self.qk_size, self.span))
        builder.run(self._gemm("keys gradient", self.span, self.qk_size, self.queries))
        builder.run(Pointwise("join gradients", 2 * self.projections, fused=True))

    def _gemm(self, name: str, m: Array, n: Array, k: Array) -> Gemm:
        return Gemm(name, m, n, k, self.heads, self.precision, part="attention")
