"""What is trained: all weights, low-rank adapters beside frozen ones, or all but some parts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from clustersim.inputs.base import Description

AdapterTarget = Literal["query", "key", "value", "output", "attention", "feed_forward", "experts"]
FrozenPart = Literal["embedding", "head", "attention", "feed_forward", "experts", "router"]

# How Hugging Face's PEFT and Megatron-Bridge name the matrices that adapters stand beside.
OTHER_NAMES: dict[str, tuple[AdapterTarget, ...]] = {
    "q_proj": ("query",),
    "k_proj": ("key",),
    "v_proj": ("value",),
    "o_proj": ("output",),
    "qkv_proj": ("query", "key", "value"),
    "linear_qkv": ("query", "key", "value"),
    "linear_proj": ("output",),
    "all-linear": ("attention", "feed_forward"),
    "mlp": ("feed_forward",),
}


def _our_names(targets: Any) -> Any:
    """Targets with others' names for matrices replaced by ours."""
    if isinstance(targets, str):
        targets = (targets,)
    if not isinstance(targets, list | tuple):
        return targets
    names = [name for one in targets for name in (OTHER_NAMES.get(one, (one,)) if isinstance(one, str) else (one,))]
    return tuple(name for place, name in enumerate(names) if name not in names[:place])


class Lora(Description):
    """Low-rank adapters: to each frozen matrix W [in, out] the product of A [in, rank] and B [rank, out] is added.

    Source: Hu et al. 2021, LoRA, arXiv 2106.09685, section 4.1.
    """

    rank: Annotated[PositiveInt, Field(le=65_536, description="inner width of the adapters")]
    targets: Annotated[
        tuple[AdapterTarget, ...],
        BeforeValidator(_our_names),
        Field(
            strict=False,
            min_length=1,
            description="matrices beside which adapters stand: query, key, value, output, attention (these four), "
            "feed_forward, experts; q_proj and kin are read as these",
        ),
    ] = ("attention",)


class LoraTraining(Description):
    """Adapters are trained, nothing else."""

    lora: Annotated[Lora, Field(description="the adapters")]


class PartlyFrozen(Description):
    """Everything is trained but some parts."""

    frozen: Annotated[
        tuple[FrozenPart, ...],
        Field(strict=False, min_length=1, description="embedding, head, attention, feed_forward, experts, router"),
    ]


Trainable = Literal["all"] | LoraTraining | PartlyFrozen
BasePrecision = Literal["int8", "int4", "nf4", "nf4-double"]
