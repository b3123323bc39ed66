"""Weight matrices, cut by the tensor group or not.

Tensor parallelism with and without sequence parallelism follows Shoeybi et al. 2019 (arXiv 1909.08053, section 3) and
Korthikanti et al. 2022 (arXiv 2205.05198, section 4.2.2); activation bytes follow the latter's section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import Element
from clustersim.workload.layers.layer import Matrix
from clustersim.workload.operations import Collective, Gemm, PassBuilder, Pointwise
from clustersim.workload.shape import Shape
from clustersim.workload.software import NORMS

# Of the rate of streaming kernels, that transposes of experts' fp8 reach: 32,768 x 7,168 in 1.52 ms on Hopper (0.31
# TB/s), and by a fused kernel, as one scale a tensor has, in 0.59 ms (FP8-Flow-MoE's operator benchmarks).
BLOCKWISE_TRANSPOSE, TRANSPOSE = 0.1, 0.26
BEHIND_NORMS = ("qkv", "ffn up")  # matrices whose input a norm makes
DROPOUT_MASK = 1.0  # byte of an element of the adapters' input, which is dropped at random


@dataclass(frozen=True)
class Linear(Element):
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
    load: Array = 1.0  # rows that the busiest rank casts and keeps, over m; what it multiplies beyond m stands apart
    recomputed_when_selective: bool = False  # selective recomputation runs it again, for what comes after kept nothing
    input_dropped: bool = False  # selective recomputation makes its input again
    recomputed_share: Array = 0.5  # share of its columns that recomputation by operations multiplies again
    precision: str | None = None
    of_experts: bool = False  # its rows are cut by experts, whose columns are copied apart in fp8
    in_layer: bool = True

    @property
    def _has_gradients(self) -> bool:
        """Whether any weights here are trained: its own, or its adapters'."""
        return self._trains or self.shape.trained.adapter(self.name)[0] > 0

    @property
    def _element_bytes(self) -> float:
        """Bytes of an element of what the products read."""
        return self.shape.product_bytes if self.precision is None else self.shape.activation_bytes

    def saved_bytes(self, selective: bool = False) -> Array:
        """Bytes of the input, kept for the weight gradient as that will read it: cast where it is in low precision.

        Source: Transformer Engine, Linear and LayerNormLinear (recalled); DeepSeek-V3, arXiv 2412.19437, section 3.3.3.
        """
        if selective and self.input_dropped:
            return 0.0
        if not self._trains:
            return self._kept_frozen
        return self.load * self.saved * self._element_bytes / self.shape.activation_bytes

    @property
    def _trains(self) -> bool:
        return self.shape.trained.trains(self.name)

    @property
    def _kept_frozen(self) -> Array:
        """Bytes that a frozen matrix keeps: for its adapters their input, its dropout mask and the narrow vector.

        Without adapters nothing, for its own gradient isn't taken; but products with 4-bit weights may keep the input.
        Source: Hu et al. 2021, arXiv 2106.09685, section 4.1; bitsandbytes, autograd/_functions.py, MatMul4Bit.
        """
        trained = self.shape.trained
        adapters, _ = trained.adapter(self.name)
        own = self.load * self.saved if self.shape.software.quantized_keeps_input and trained.quantizes else 0.0
        if not adapters:
            return own
        masks = self.load * self.saved / self.shape.activation_bytes * DROPOUT_MASK
        narrow = self.load * self.shape.activation_bytes * self.count * self.m * trained.rank * adapters
        return own + self.load * self.saved + masks + narrow

    @property
    def gradients(self) -> Array:
        """Bytes of the gradients of output and input; outside layers also of the weight, where placeholders stand."""
        moving = self.load * self.shape.activation_bytes * self.count * self.m * (self.n + self.k)
        return moving if self.in_layer else moving / self.shape.software.loss_chunks + self.placeholder_bytes

    @property
    def placeholder_bytes(self) -> Array:
        """Bytes of a 16-bit gradient of the weight's shape that nobody reads, for the one that is summed in place.

        Source (recalled): Transformer Engine 2, `get_dummy_wgrad`, keeps one for each shape; Megatron-Core,
        tensor_parallel/layers.py, makes one a call.
        """
        stands = self.shape.software.gradient_placeholders and self._trains
        return self.shape.activation_bytes * self.k * self.n if stands else 0.0

    @property
    def weight_input_bytes(self) -> Array:
        """Bytes of the input and of the output's gradient, from which the weight's gradient is made."""
        return self.saved_bytes() + self._element_bytes * self._output_rows * self.n * self.count

    @property
    def results(self) -> Array:
        """Bytes of the part of the output that recomputation by operations keeps."""
        columns = (1.0 - self.recomputed_share) * self.n
        return self.shape.activation_bytes * self._output_rows * columns * self.count

    @property
    def _output_rows(self) -> Array:
        """Rows of the output on the busiest rank, once it is summed."""
        scattered = self.reduces and self.shape.sequence_parallel
        return self.load * (self.m / self.shape.tensor if scattered else self.m)

    @property
    def linears(self) -> tuple[Linear, ...]:
        """Itself."""
        return (self,)

    def repeated(self) -> Linear | None:
        """What recomputation by operations multiplies again; sums over the group are kept."""
        if not np.any(self.recomputed_share):
            return None
        return replace(self, n=self.n * self.recomputed_share, reduces=False)

    def forward(self, builder: PassBuilder) -> None:
        """Gather the input if it is scattered, multiply, reduce the output if it is a partial sum.

        A stack that overlaps tensor-parallel traffic cuts the rows into pieces, and multiplies one while another moves
        (Transformer Engine's userbuffers in four, Ascend's fused kernels in two pieces: assumed).
        """
        sequence_parallel = self.shape.sequence_parallel
        self._cast(builder, "input", self.k)
        pieces = self._pieces()
        if pieces > 1 and (self.gathers or self.reduces):
            self._forward_in_pieces(builder, pieces)
            return
        if self.gathers and sequence_parallel:
            builder.communicate(self._collective("all-gather"))
        self._widen(builder)
        builder.run(self._gemm(self.name, self.m, self.n, self.k))
        self._add_adapters(builder)
        if self.reduces:
            builder.communicate(self._collective("reduce-scatter" if sequence_parallel else "all-reduce"))

    def _widen(self, builder: PassBuilder) -> None:
        """Make frozen weights in few bits 16-bit ones, before each product: read the one, write the other.

        Source: Dettmers et al. 2023, QLoRA, arXiv 2305.14314, section 3, equation 5.
        """
        trained = self.shape.trained
        if trained.quantizes and self.in_layer and not self._trains:
            moved = (trained.base_bytes + self.shape.activation_bytes) * self.k * self.n * self.count
            builder.run(Pointwise(f"{self.name} dequantization", moved, fused=True))

    def _add_adapters(self, builder: PassBuilder) -> None:
        """Input times A, times B, added to the matrix's own output."""
        adapters, share = self.shape.trained.adapter(self.name)
        if not adapters:
            return
        rank, width = float(self.shape.trained.rank), self.shape.activation_bytes
        builder.run(self._narrow(f"{self.name} adapter down", self.m, rank * adapters, self.k))
        builder.run(self._narrow(f"{self.name} adapter up", self.m, self.n * share, rank))
        dropped = (2.0 * width + DROPOUT_MASK) * self.k + 3.0 * width * self.n * share
        builder.run(Pointwise(f"{self.name} adapter sum", self.load * dropped * self.m * self.count))

    def _adapter_gradients(self, builder: PassBuilder, *, weights: bool) -> None:
        """Backward through the adapters: towards the input, or of A and B."""
        adapters, share = self.shape.trained.adapter(self.name)
        if not adapters:
            return
        rank = float(self.shape.trained.rank)
        wide, narrow = self.n * share, rank * adapters
        if weights:
            builder.run(self._narrow(f"{self.name} adapter up weight gradient", rank, wide, self.m))
            builder.run(self._narrow(f"{self.name} adapter down weight gradient", self.k, narrow, self.m))
            return
        builder.run(self._narrow(f"{self.name} adapter up input gradient", self.m, rank, wide))
        builder.run(self._narrow(f"{self.name} adapter down input gradient", self.m, self.k, narrow))
        moved = 3.0 * self.shape.activation_bytes * self.k
        builder.run(Pointwise(f"{self.name} adapter gradient sum", self.load * moved * self.m * self.count))

    def _narrow(self, name: str, m: Array, n: Array, k: Array) -> Gemm:
        return Gemm(name, m, n, k, self.count, self.shape.wide_precision)

    def _cast(self, builder: PassBuilder, what: str, columns: Array) -> None:
        """Write a 16-bit matrix of `m` rows in low precision, as it is and transposed, for both passes to read.

        Some software transposes experts' operands apart, expert by expert (MXFP8 scales both from 16 bits at once).
        Source: Micikevicius et al. 2022, FP8 formats for deep learning, arXiv 2209.05433; Transformer Engine;
        FP8-Flow-MoE, arXiv 2511.02302.
        """
        width = self._element_bytes
        if width < self.shape.activation_bytes:
            traffic = self.load * (self.shape.activation_bytes + 2.0 * width) * self.m * columns * self.count
            builder.run(Pointwise(f"{self.name} {what} cast", traffic, fused=True))
        if self.of_experts and self.shape.precision == "fp8" and self.shape.software.transposes_apart:
            rate = BLOCKWISE_TRANSPOSE if self.shape.software.blockwise else TRANSPOSE
            copied = 2.0 * width * self.load * self.m * columns * self.count / rate
            builder.run(Pointwise(f"{self.name} {what} transpose", copied, fused=True))

    def _pieces(self) -> int:
        overlap = self.shape.overlap
        if not self.shape.sequence_parallel:
            return 1
        return 4 if "tensor" in overlap else 2 if "tensor_fused" in overlap else 1

    def _forward_in_pieces(self, builder: PassBuilder, pieces: int) -> None:
        kind = "all-gather" if self.gathers else "reduce-scatter"
        message = replace(self._collective(kind), bytes=self.group_bytes / pieces)
        self._widen(builder)
        product = self._gemm(self.name, self.m / pieces, self.n, self.k)
        arriving = [builder.launch(message) for _ in range(pieces)] if self.gathers else []
        leaving = []
        for piece in range(pieces):
            if arriving:
                builder.wait(arriving[piece])
            builder.run(product)
            if self.reduces:
                leaving.append(builder.launch(message))
        self._add_adapters(builder)
        for launched in leaving:
            builder.wait(launched)

    def input_gradient(self, builder: PassBuilder) -> None:
        """Gather the output's gradient if it is scattered, multiply by the transposed weight, reduce."""
        launched = self._issue_input_gradient(builder)
        if launched is not None:
            builder.wait(launched)

    def weight_gradient(self, builder: PassBuilder) -> None:
        """Multiply the transposed input (gathered again if it was kept scattered) by the output's gradient."""
        if not self._has_gradients:
            return
        if self.gathers and self.shape.sequence_parallel:
            builder.communicate(self._collective("all-gather"))
        self._weight_product(builder)

    def backward(self, builder: PassBuilder) -> None:
        """Both gradients; with tensor overlap the collectives run behind the products (Megatron-LM since 2022)."""
        if not self.shape.overlap & {"tensor", "tensor_fused", "tensor_backward"}:
            self.input_gradient(builder)
            self.weight_gradient(builder)
            return
        regather = self.gathers and self.shape.sequence_parallel and self._has_gradients
        gathered = builder.launch(self._collective("all-gather")) if regather else None
        launched = self._issue_input_gradient(builder)
        if gathered is not None:
            builder.wait(gathered)
        if self._has_gradients:
            self._weight_product(builder)
        if launched is not None:
            builder.wait(launched)

    def _weight_product(self, builder: PassBuilder) -> None:
        """The weight's gradient, and adding it to what earlier micro-batches left: in the product or after it."""
        if not self._trains:
            self._adapter_gradients(builder, weights=True)
            return
        product = self._gemm(f"{self.name} weight gradient", self.k, self.n, self.m)
        accumulated = self.shape.accumulated_bytes * self.k * self.n * self.count
        in_place = self.shape.accumulates_in_place
        builder.run(replace(product, summed_bytes=accumulated) if in_place else product)
        if not in_place and np.any(accumulated):
            builder.run(Pointwise(f"{self.name} gradient accumulation", accumulated, fused=True))

    def _issue_input_gradient(self, builder: PassBuilder) -> int | None:
        """Issue the input gradient's product; return the collective that is still to be waited for."""
        sequence_parallel = self.shape.sequence_parallel
        if self.reduces and sequence_parallel:
            builder.communicate(self._collective("all-gather"))
        self._cast(builder, "gradient", self.n)
        self._widen(builder)
        self._adapter_gradients(builder, weights=False)
        builder.run(self._gemm(f"{self.name} input gradient", self.m, self.k, self.n))
        if not self.gathers:
            return None
        return builder.launch(self._collective("reduce-scatter" if sequence_parallel else "all-reduce"))

    def _gemm(self, name: str, m: Array, n: Array, k: Array) -> Gemm:
        precision = self.precision or self.shape.precision
        return Gemm(name, m, n, k, self.count, precision, blockwise=self.shape.software.blockwise)

    def _collective(self, kind: str) -> Collective:
        return Collective(f"{self.name} {kind}", kind, "tensor", self.group_bytes)  # type: ignore[arg-type]


def column(matrix: Matrix, shape: Shape) -> Linear:
    """A matrix cut by its outputs: every tensor rank needs the whole input."""
    width = shape.activation_bytes * matrix.inputs
    return Linear(
        matrix.name,
        shape.tokens,
        matrix.outputs / shape.tensor,
        float(matrix.inputs),
        shape,
        gathers=True,
        group_bytes=width * shape.tokens,
        saved=width * shape.resident_tokens,
        recomputed_when_selective=matrix.selected in shape.software.selected,
        input_dropped=NORMS in shape.software.selected and matrix.name in BEHIND_NORMS,
        recomputed_share=matrix.repeated_share,
    )


def row(matrix: Matrix, shape: Shape) -> Linear:
    """A matrix cut by its inputs: tensor ranks hold partial sums of the output."""
    inputs = matrix.inputs / shape.tensor
    return Linear(
        matrix.name,
        shape.tokens,
        float(matrix.outputs),
        inputs,
        shape,
        reduces=True,
        group_bytes=shape.activation_bytes * shape.tokens * matrix.outputs,
        saved=shape.activation_bytes * shape.tokens * inputs,
        recomputed_when_selective=bool(matrix.selected) and matrix.selected in shape.software.selected,
        recomputed_share=matrix.repeated_share,
    )
