"""The sizes that one rank sees: micro-batch, sequence and the parallel groups that cut the model."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.inputs.layout import ResolvedLayout
from clustersim.inputs.model import Model
from clustersim.inputs.stack import Stack
from clustersim.inputs.training import Training
from clustersim.workload.arrays import Array

ACTIVATION_BYTES = 2.0  # bf16 or fp16
FP32_BYTES = 4.0


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

    @property
    def tokens(self) -> Array:
        """Tokens of a micro-batch on one context-parallel rank."""
        return self.micro_batch * self.sequence / self.context

    @property
    def resident_tokens(self) -> Array:
        """Tokens whose full hidden vector a rank holds outside tensor-parallel regions."""
        return self.tokens / self.tensor if self.sequence_parallel else self.tokens


def shape_of(model: Model, training: Training, layout: ResolvedLayout, stack: Stack) -> Shape:
    """The shape of one resolved layout."""
    return Shape(
        micro_batch=float(layout.micro_batch),
        sequence=float(training.sequence_length),
        span=float(training.attention_span),
        tensor=float(layout.tensor),
        context=float(layout.context),
        expert=float(layout.expert),
        expert_tensor=float(layout.expert_tensor),
        sequence_parallel=layout.sequence_parallel,
        fused_attention=stack.fused_attention and model.position != "alibi",
        context_kind=layout.context_kind,
        overlap=layout.overlap,
        precision=training.precision,
    )
