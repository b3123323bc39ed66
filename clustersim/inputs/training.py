"""What is trained: sequence length, batch, tokens, precision, optimizer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from clustersim.inputs.base import Description
from clustersim.inputs.hardware import Precision
from clustersim.inputs.units import Count


class Training(Description):
    """One optimizer step and how many tokens are to be seen in all."""

    sequence_length: Annotated[PositiveInt, Field(description="tokens of a sequence")]
    global_batch: Annotated[PositiveInt, Field(description="sequences an optimizer step")]
    tokens: Annotated[Count | None, Field(gt=0, description="tokens of the whole run")] = None
    precision: Annotated[Precision, Field(description="of the matrix multiplications")] = "bf16"
    grad_reduce_precision: Annotated[
        Literal["fp32", "bf16", "fp16"] | None,
        Field(description="of the gradient reduction; the stack's default if absent"),
    ] = None
    optimizer: Annotated[Literal["adam"], Field(description="adam: two moments and a master copy in fp32")] = "adam"
    document_length: Annotated[
        PositiveInt | None, Field(description="packed documents: attention spans only these")
    ] = None

    expert_imbalance: Annotated[
        float, Field(ge=0, description="spread of the load of a model's experts over its mean, in one layer and batch")
    ] = 0.0
    capacity_factor: Annotated[
        float | None, Field(ge=1, description="an expert drops tokens past so many times its mean load; absent: none")
    ] = None

    @property
    def attention_span(self) -> int:
        """Tokens that a sequence's attention can reach: the sequence, or a packed document where that is shorter."""
        return min(self.sequence_length, self.document_length or self.sequence_length)

    @property
    def tokens_per_step(self) -> int:
        """Tokens an optimizer step."""
        return self.sequence_length * self.global_batch
