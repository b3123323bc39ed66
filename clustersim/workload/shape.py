"""The sizes that one rank sees: micro-batch, sequence and the parallel groups that cut the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustersim.inputs.kinds import chosen, handled
from clustersim.inputs.layout import ResolvedLayout
from clustersim.inputs.model import Model
from clustersim.inputs.precisions import HALF_BYTES, WIDE, activation_bytes_of, element_bytes
from clustersim.inputs.stack import Stack
from clustersim.inputs.training import Training
from clustersim.workload.arrays import Array
from clustersim.workload.imbalance import busiest_rank, expert_spread
from clustersim.workload.sizes import Sizes, sizes_of
from clustersim.workload.software import USUAL, Software, software_of
from clustersim.workload.states import GRADIENT_BYTES
from clustersim.workload.trained import ALL, Trained, trained_of

OVERLAPS = frozenset(  # communication that is known to hide behind compute, in layers or between them
    {"grad_reduce", "param_gather", "tensor", "tensor_backward", "tensor_fused", "fsdp"}
    | {"expert", "shared_expert", "context"}
)
REDUCED_AT_ONCE = ("zero2", "zero3", "fsdp", "hybrid")  # shardings whose gradients are messages as they are made


@dataclass(frozen=True)
class Shape:
    """Sizes may be arrays (one entry a layout); flags are shared by all entries, for they change the structure."""

    micro_batch: Array  # sequences
    sequence: float  # tokens of a whole sequence
    span: float  # tokens that attention can reach
    tensor: Array
    context: Array
    expert: Array
    expert_tensor: Array
    sequence_parallel: bool
    fused_attention: bool
    context_kind: str
    overlap: frozenset[str]
    precision: str
    accumulated_bytes: Array = 0.0  # that adding a weight's gradient to what earlier micro-batches left moves
    accumulates_in_place: bool = False  # the product of a weight's gradient does that
    busiest_expert_rank: Array = 1.0  # its load over the mean; 1 means that loads are even
    expert_spread: float = 0.0  # of one expert's load over the mean, over the root of how many experts there are
    capacity: float | None = None  # of experts, over their mean load; None: without limit
    dispatcher: str = "alltoall"  # how tokens reach experts
    software: Software = USUAL
    trained: Trained = ALL

    @property
    def is_plain(self) -> bool:
        """Whether all sizes are numbers."""
        return not any(isinstance(value, np.ndarray) for value in vars(self).values())

    @property
    def wide_precision(self) -> str:
        """Of products that stay out of 8 and 4 bits: the output head's, and those of attention scores and values.

        Source: Micikevicius et al. 2022, arXiv 2209.05433, section 3; DeepSeek-V3, arXiv 2412.19437, section 3.3.1.
        """
        return self.precision if self.precision in WIDE else "bf16"

    @property
    def product_bytes(self) -> float:
        """Bytes of an element, with its share of the scales, that the products of layers read."""
        return element_bytes(self.precision, blockwise=self.software.blockwise)

    @property
    def expert_kept_bytes(self) -> float:
        """Bytes of an element that experts keep for their activation's backward pass."""
        return self.product_bytes if self.software.narrow_expert_inputs else self.activation_bytes

    @property
    def activation_bytes(self) -> float:
        """Bytes of an element of activations outside low-precision products."""
        return activation_bytes_of(self.precision)

    @property
    def tokens(self) -> Array:
        """Tokens of a micro-batch on one context-parallel rank."""
        return self.micro_batch * self.sequence / self.context

    @property
    def resident_tokens(self) -> Array:
        """Tokens whose full hidden vector a rank holds outside tensor-parallel regions."""
        return self.tokens / self.tensor if self.sequence_parallel else self.tokens


def shape_of(
    model: Model, training: Training, layout: ResolvedLayout, stack: Stack, sizes: Sizes | None = None
) -> Shape:
    """The shape of a resolved layout; or of many whose `sizes` alone differ from its own."""
    sizes = sizes or sizes_of(layout)
    handled("layout.overlap", layout.overlap, sorted(OVERLAPS))
    return Shape(
        micro_batch=sizes.micro_batch,
        sequence=float(training.sequence_length),
        span=float(training.attention_span),
        tensor=sizes.tensor,
        context=sizes.context,
        expert=sizes.expert,
        expert_tensor=sizes.expert_tensor,
        sequence_parallel=layout.sequence_parallel,
        fused_attention=stack.fuses_attention(model.position),
        context_kind=layout.context_kind,
        overlap=layout.overlap,
        dispatcher=layout.dispatcher,
        precision=training.precision,
        accumulated_bytes=accumulated_bytes(training, layout, stack),
        accumulates_in_place=stack.fused_accumulation and layout.sharding not in REDUCED_AT_ONCE,
        busiest_expert_rank=busiest_rank(model, training, sizes.expert),
        expert_spread=expert_spread(model, training),
        capacity=training.capacity_factor,
        trained=trained_of(model, training),
        software=software_of(stack, training, layout.sharding, cut_vocabulary=layout.tensor > 1),
    )


def accumulated_bytes(training: Training, layout: ResolvedLayout, stack: Stack) -> float:
    """Bytes a weight that adding its gradient to the sum moves, beyond writing it once in 16 bits.

    Apart: read it, read and write the sum. Fused into the product: read and write the sum in its place.
    Source: Megatron-LM, --gradient-accumulation-fusion.
    """
    reduced = chosen("training.grad_reduce_precision", training.grad_reduce_precision or "fp32", GRADIENT_BYTES)
    if layout.sharding in REDUCED_AT_ONCE:
        return _message_bytes(reduced, stack)
    return 2.0 * reduced + (-HALF_BYTES if stack.fused_accumulation else HALF_BYTES)


def _message_bytes(reduced: float, stack: Stack) -> float:
    """Bytes that making a message of a gradient moves where it is reduced at once and summed in shards (ZeRO-2 and on).

    Read it, write it as it is sent. PyTorch's first FSDP has a kernel each to join the gradients of a layer, to cast
    them to the reduction's precision and to divide them by a part of the ranks. Source: Zhao et al. 2023, PyTorch FSDP,
    arXiv 2304.11277, sections 3.2.1 and 4.4; torch/distributed/fsdp/_runtime_utils.py of 2.0 (recalled).
    """
    cast = 0.0 if reduced == HALF_BYTES else HALF_BYTES + reduced
    if not stack.copied_gradients:
        return cast or 2.0 * reduced
    return 2.0 * HALF_BYTES + cast + 2.0 * reduced
