"""How the work is laid over the devices."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, PositiveInt

from clustersim.inputs.base import Description

Schedule = Literal["gpipe", "1f1b", "interleaved-1f1b", "zb-h1", "zb-1p", "zb-2p", "zb-v", "dualpipe"]
Sharding = Literal["none", "zero1", "zero2", "zero3", "fsdp", "hybrid"]
Overlap = Literal[
    "grad_reduce", "param_gather", "tensor", "tensor_backward", "tensor_fused", "fsdp", "expert", "context"
]


class PartialRecompute(Description):
    """Recompute some layers of every stage in full."""

    layers: PositiveInt


Recompute = Literal["none", "selective", "full"] | PartialRecompute


def _named(short: str, name: str, description: str) -> Field:  # type: ignore[valid-type]
    return Field(validation_alias=AliasChoices(name, short), description=description)


class Layout(Description):
    """Sizes of the parallel groups and the choices that go with them. `None` means: what the stack does by default."""

    tensor: Annotated[PositiveInt, _named("tp", "tensor", "tensor-parallel ranks")] = 1
    pipeline: Annotated[PositiveInt, _named("pp", "pipeline", "pipeline stages")] = 1
    virtual_stages: Annotated[PositiveInt, _named("vpp", "virtual_stages", "model chunks a device")] = 1
    data: Annotated[
        PositiveInt | Literal["auto"], _named("dp", "data", "data-parallel replicas; auto takes what is left")
    ] = "auto"
    context: Annotated[PositiveInt, _named("cp", "context", "context-parallel ranks")] = 1
    expert: Annotated[PositiveInt, _named("ep", "expert", "expert-parallel ranks")] = 1
    expert_tensor: Annotated[
        PositiveInt | None,
        _named(
            "etp", "expert_tensor", "tensor size of the experts' own grouping; 1 where experts are spread, else tensor"
        ),
    ] = None
    sequence_parallel: bool | None = None
    sharding: Sharding | None = None
    micro_batch: Annotated[PositiveInt, Field(description="sequences a micro-batch and replica")] = 1
    recompute: Recompute | None = None
    schedule: Schedule | None = None
    rank_order: Annotated[
        str,
        Field(
            pattern=r"^(tensor|context|expert|data|pipeline)(-(tensor|context|expert|data|pipeline)){4}$",
            description="fastest-varying group first",
        ),
    ] = "tensor-context-expert-data-pipeline"
    context_kind: Literal["ring", "all-gather", "ulysses"] = "ring"
    offload: Literal["none", "optimizer", "activations"] = "none"
    overlap: Annotated[
        frozenset[Overlap] | None, Field(strict=False, description="communication hidden behind compute")
    ] = None
    stage_layers: Annotated[
        tuple[PositiveInt, ...] | None, Field(strict=False, description="layers a stage, where they are not equal")
    ] = None
    where: Annotated[str | None, Field(description="for a search: an expression that a layout must satisfy")] = None


class ResolvedLayout(Layout):
    """A layout with nothing left open: what simulation works with."""

    data: PositiveInt
    expert_tensor: PositiveInt
    sequence_parallel: bool
    sharding: Sharding
    recompute: Recompute
    schedule: Schedule
    overlap: Annotated[frozenset[Overlap], Field(strict=False)]
    stage_layers: Annotated[
        tuple[int, ...], Field(strict=False, description="layers of each virtual stage, in pipeline order")
    ]
