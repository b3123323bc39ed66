"""What is trained: sequence length, batch, tokens, precision, optimizer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PositiveInt

from clustersim.inputs.base import Description
from clustersim.inputs.precisions import Precision
from clustersim.inputs.synonyms import with_synonyms
from clustersim.inputs.trainable import BasePrecision, Trainable
from clustersim.inputs.units import Count

# Standard deviation over the mean of the load of a model's experts, in one layer and micro-batch, under a trained
# router: the middle of 0.19, 0.22, 0.31 and 0.43. Two are Gini coefficients of loads on real text, 0.105 (models with
# multi-head attention) and 0.24 (latent attention), times sqrt(pi), as of a normal distribution; two are the busiest of
# 64 experts, 52 % and 72 % above the mean under an auxiliary loss, over the 2.34 deviations that the largest of 64
# stands above it (Blom). Loads like this show as a balance loss of 1 + 0.27^2 = 1.07.
# Sources: DODOCO, arXiv 2605.20982, abstract; Wang et al. 2024, arXiv 2408.15664, table 2 (recalled); inferred.
TYPICAL_IMBALANCE = 0.27


class Loads(Description):
    """How unevenly a router loads experts, as a number."""

    imbalance: Annotated[
        float, Field(ge=0, description="spread of the load of a model's experts over its mean, in one layer and batch")
    ]


Router = Literal["balanced", "typical"] | Loads


class Training(Description):
    """One optimizer step and how many tokens are to be seen in all."""

    model_config = ConfigDict(json_schema_extra=with_synonyms("scenarios.training"))

    sequence_length: Annotated[PositiveInt, Field(description="tokens of a sequence")]
    global_batch: Annotated[PositiveInt, Field(description="sequences an optimizer step")]
    tokens: Annotated[Count | None, Field(gt=0, description="tokens of the whole run")] = None
    precision: Annotated[Precision, Field(description="of the matrix multiplications")] = "bf16"
    grad_reduce_precision: Annotated[
        Literal["fp32", "bf16", "fp16"] | None,
        Field(description="of the gradient reduction; the stack's default if absent"),
    ] = None
    fp8_recipe: Annotated[
        Literal["per-tensor", "blockwise"],
        Field(
            description="of fp8: one scale a tensor; or one for 128 elements of activations and 128 x 128 of weights"
        ),
    ] = "per-tensor"
    moment_precision: Annotated[
        Literal["fp32", "bf16", "int8"],
        Field(description="of the optimizer's moments; DeepSeek-V3 kept them in bf16, 8-bit Adam does in int8"),
    ] = "fp32"
    optimizer: Annotated[
        Literal["adam", "adafactor", "sgd"],
        Field(
            description="adam: two moments; adafactor: sums of rows and columns alone; sgd: none. Each has a master "
            "copy in fp32 unless training is in fp32 or master_weights is false"
        ),
    ] = "adam"
    master_weights: Annotated[
        bool, Field(description="an fp32 copy of 16-bit weights; false: the optimizer works on these alone")
    ] = True
    trainable: Annotated[
        Trainable,
        Field(description="all, {lora: {rank: R, targets: [...]}} (adapters alone) or {frozen: [...]} (all but these)"),
    ] = "all"
    base_precision: Annotated[
        BasePrecision | None,
        Field(description="of the frozen weights of layers, made 16 bits for each product; absent: 16 bits"),
    ] = None
    document_length: Annotated[
        PositiveInt | None, Field(description="packed documents: attention spans only these")
    ] = None

    router: Annotated[
        Router,
        Field(
            description="how a mixture's router loads its experts: balanced (forced, as benchmark tables are run), "
            f"typical (a spread of {TYPICAL_IMBALANCE:g} of the mean) or {{imbalance: SPREAD}}"
        ),
    ] = "typical"
    capacity_factor: Annotated[
        float | None, Field(ge=1, description="an expert drops tokens past so many times its mean load; absent: none")
    ] = None

    @property
    def expert_imbalance(self) -> float:
        """Standard deviation over the mean of the load of a model's experts, in one layer and micro-batch."""
        if isinstance(self.router, Loads):
            return self.router.imbalance
        return TYPICAL_IMBALANCE if self.router == "typical" else 0.0

    @property
    def in_fp32(self) -> bool:
        """Whether weights and activations are in fp32 (tf32 rounds inside products alone)."""
        return self.precision in ("fp32", "tf32")

    @property
    def attention_span(self) -> int:
        """Tokens that a sequence's attention can reach: the sequence, or a packed document where that is shorter."""
        return min(self.sequence_length, self.document_length or self.sequence_length)

    @property
    def tokens_per_step(self) -> int:
        """Tokens an optimizer step."""
        return self.sequence_length * self.global_batch
