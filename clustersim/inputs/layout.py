"""How the work is laid over the devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import AliasChoices, ConfigDict, Field, NonNegativeInt, PlainSerializer, PositiveInt, field_validator

from clustersim.inputs.base import Description, refusal
from clustersim.inputs.synonyms import SHORT_NAMES, with_synonyms
from clustersim.inputs.where import check_expression
from clustersim.schedules.registry import schedule_names

if TYPE_CHECKING:
    Schedule: TypeAlias = str
else:
    Schedule = Literal[schedule_names]  # whatever the registry has
Sharding = Literal["none", "zero1", "zero2", "zero3", "fsdp", "hybrid"]
Overlap = Literal[
    "grad_reduce",
    "param_gather",
    "tensor",
    "tensor_backward",
    "tensor_fused",
    "fsdp",
    "expert",
    "shared_expert",
    "context",
]
ContextKind = Literal["ring", "rotation", "all-gather", "ulysses"]
Dispatcher = Literal["allgather", "alltoall", "deepep", "hybridep", "sequential"]


GROUPS = ("tensor", "context", "expert", "data", "pipeline")
# What a `where` expression may name.
WHERE_NAMES = (*SHORT_NAMES.values(), "micro_batch", "schedule", "sharding", "devices")
WHERE_WORDS = ("schedule", "sharding")  # of these, names of words


class PartialRecompute(Description):
    """Recompute some layers of every stage in full."""

    layers: Annotated[PositiveInt, Field(description="layers of every stage")]


Recompute = Literal["none", "selective", "operations", "full"] | PartialRecompute


class PartialOffload(Description):
    """Keep the activations of some layers of every stage in the host's memory."""

    layers: Annotated[PositiveInt, Field(description="layers of every stage")]


Offload = Literal["none", "optimizer", "activations"] | PartialOffload


# Sorted when written, so that equal layouts give equal bytes.
Overlaps = Annotated[frozenset[Overlap], PlainSerializer(sorted, return_type=list[str]), Field(strict=False)]


def _named(short: str, name: str, description: str) -> Any:
    return Field(validation_alias=AliasChoices(name, short), description=description)


class Layout(Description):
    """Sizes of the parallel groups and the choices that go with them. `None` means: what the stack does by default."""

    model_config = ConfigDict(json_schema_extra=with_synonyms("scenarios.layout"))

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
    sequence_parallel: Annotated[
        bool | None, Field(description="norms and residuals split along the sequence over the tensor ranks")
    ] = None
    sharding: Annotated[
        Sharding | None, Field(description="what data-parallel ranks share: optimizer, gradients, parameters")
    ] = None
    micro_batch: Annotated[PositiveInt, Field(description="sequences a micro-batch and replica")] = 1
    recompute: Annotated[
        Recompute | None,
        Field(
            description="activations computed again backward: none, selective (what the stack's `selective_recompute` "
            "lists, or what it selects by default), operations (all but attention and every second product), full or "
            "{layers: n}"
        ),
    ] = None
    schedule: Annotated[Schedule | None, Field(description="order of micro-batches in the pipeline")] = None
    rank_order: Annotated[str, Field(description="fastest-varying group first")] = "-".join(GROUPS)
    context_kind: Annotated[ContextKind | None, Field(description="how context ranks exchange keys and values")] = None
    dispatcher: Annotated[
        Dispatcher | None,
        Field(
            description="how tokens reach experts: allgather (all tokens to all ranks), alltoall (a copy for every "
            "expert), deepep, hybridep (one for a node or rank), sequential (whole sequences, hidden cut by tensor)"
        ),
    ] = None
    zero_group: Annotated[
        PositiveInt | None,
        Field(description="ranks with the same parameters that share optimizer states and gradients; all where absent"),
    ] = None
    offload: Annotated[
        Offload,
        Field(description="what is kept in the host's memory: none, optimizer, activations, or those of {layers: n}"),
    ] = "none"
    overlap: Annotated[Overlaps | None, Field(description="communication hidden behind compute")] = None
    stage_layers: Annotated[
        tuple[NonNegativeInt, ...] | None,
        Field(strict=False, description="layers of each stage (or virtual stage, in pipeline order)"),
    ] = None
    where: Annotated[str | None, Field(description="a condition that the layout must meet")] = None

    @field_validator("rank_order")
    @classmethod
    def _names_every_group(cls, order: str) -> str:
        if sorted(order.split("-")) != sorted(GROUPS):
            raise refusal(f"must name each of {', '.join(GROUPS)} once, joined by hyphens")
        return order

    @field_validator("where")
    @classmethod
    def _where_is_understood(cls, where: str | None) -> str | None:
        if where is not None:
            try:
                check_expression(where, WHERE_NAMES, WHERE_WORDS)
            except ValueError as error:
                raise refusal(str(error)) from None
        return where


class ResolvedLayout(Layout):
    """A layout with nothing left open: what simulation works with."""

    data: PositiveInt
    expert_tensor: PositiveInt
    sequence_parallel: bool
    sharding: Sharding
    recompute: Recompute
    schedule: Schedule
    overlap: Overlaps
    dispatcher: Dispatcher
    context_kind: ContextKind
    stage_layers: Annotated[
        tuple[NonNegativeInt, ...], Field(strict=False, description="layers of each virtual stage, in pipeline order")
    ]
