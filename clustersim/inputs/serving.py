"""What serving a model needs: the software with its kernels, the deployment of both phases, and the traffic."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from clustersim.inputs.base import Description, Reference, refusal
from clustersim.inputs.hardware import MOST_NODES, Node
from clustersim.inputs.mixers import MOST_SIZE
from clustersim.inputs.model import Model
from clustersim.inputs.stack import Stack
from clustersim.inputs.units import Bytes, BytesPerSecond, Count, DollarsPerHour, FlopsPerSecond, Fraction, Seconds

WeightPrecision = Literal["bf16", "fp16", "fp8", "int8"]


class Measured(Description, defer_build=True):
    """What an exchange among so many ranks reaches."""

    ranks: Annotated[PositiveInt, Field(description="devices that exchange tokens")]
    bandwidth: Annotated[BytesPerSecond, Field(gt=0, description="bytes a second and device, as the kernel counts")]


class ExchangeRates(Description, defer_build=True):
    """One direction of the all-to-all, measured."""

    message: Annotated[Bytes, Field(gt=0, description="bytes a device sent when it was measured, as the kernel counts")]
    measured: Annotated[tuple[Measured, ...], Field(strict=False, min_length=1, description="by number of ranks")]

    @field_validator("measured")
    @classmethod
    def _in_order(cls, measured: tuple[Measured, ...]) -> tuple[Measured, ...]:
        ranks = [row.ranks for row in measured]
        if sorted(set(ranks)) != ranks:
            raise refusal("ranks must increase from row to row")
        return measured


class AllToAll(Description, defer_build=True):
    """The kernels that bring tokens to their experts and back."""

    counts: Annotated[
        Literal["copies", "nodes"],
        Field(description="the bandwidths count each copy of a token, or one for each node that it goes to"),
    ]
    slowdown: Annotated[
        float, Field(ge=0, description="compute beside them takes this much longer: it lends cores to them")
    ] = 0.0
    dispatch: ExchangeRates
    combine: ExchangeRates


class PhaseKernels(Description, defer_build=True):
    """What single kernels of a phase reach on the chip; what is absent follows from the chip's own entry."""

    gemm: Annotated[
        FlopsPerSecond | None, Field(gt=0, description="best matrix products at the weights' precision, in isolation")
    ] = None
    attention: Annotated[FlopsPerSecond | None, Field(gt=0, description="attention where compute bounds it")] = None
    cache_bandwidth: Annotated[
        BytesPerSecond | None, Field(gt=0, description="attention where reading keys and values bounds it")
    ] = None
    all_to_all: Annotated[AllToAll | None, Field(description="absent: the node's network tiers")] = None
    kernel_gap: Annotated[
        Seconds | None, Field(description="idle seconds before each kernel; 0 where a graph of kernels is replayed")
    ] = None
    launch: Annotated[
        Seconds | None, Field(description="seconds between two small kernels; fewer where a graph is replayed")
    ] = None


class ServingStack(Description, defer_build=True):
    """One generation of serving software."""

    name: Annotated[str, Field(min_length=1, description="as people write it")]
    year: Annotated[int, Field(description="of the release, or of the published figures")]
    accelerator: Annotated[
        str | None, Field(description="catalog name of the chip that its kernels were measured on; absent: any")
    ] = None
    software: Annotated[
        Stack,
        Reference("stacks"),
        Field(description="training software with the same products, memory-bound kernels and launches"),
    ]
    prefill: PhaseKernels = PhaseKernels()
    decode: PhaseKernels = PhaseKernels()
    cache_store: Annotated[
        BytesPerSecond | None,
        Field(gt=0, description="a node's bytes a second of kept keys and values; absent: they are in its memory"),
    ] = None


class Traffic(Description, defer_build=True):
    """What users send and get."""

    prompt: Annotated[PositiveFloat, Field(description="mean tokens of a prompt, those found in the cache included")]
    output: Annotated[PositiveFloat, Field(description="mean tokens of an answer")]
    cache_hits: Annotated[
        Fraction, Field(lt=1, description="share of prompt tokens whose keys and values are kept from before")
    ] = 0.0
    variation: Annotated[
        float, Field(ge=0, le=10, description="standard deviation of lengths over their mean; 1: exponential")
    ] = 1.0
    cache_length: Annotated[
        PositiveFloat | None,
        Field(description="mean tokens that a new token of an answer attends to; follows from the lengths if absent"),
    ] = None
    input_per_day: Annotated[Count | None, Field(gt=0, description="prompt tokens of all users in 24 h")] = None
    output_per_day: Annotated[Count | None, Field(gt=0, description="tokens of answers in 24 h")] = None

    @property
    def prompt_span(self) -> float:
        """Mean tokens that a computed prompt token attends to.

        P (1 + v^2) (1 + h)/2: a token meets a prompt in proportion to its length, of mean E[L^2]/E[L] = P (1 + v^2);
        what is computed is its last part 1 - h, whose tokens attend to (1 + h)/2 of it on average.
        Assumes the same share of hits in every prompt.
        """
        return self.prompt * (1.0 + self.variation**2) * (1.0 + self.cache_hits) / 2.0

    @property
    def prompt_spread(self) -> float:
        """Tokens on both sides of `prompt_span` over which the positions of computed prompt tokens lie.

        P (1 + v^2) (1 - h)/2: the last part 1 - h of the prompt that a token meets.
        """
        return self.prompt * (1.0 + self.variation**2) * (1.0 - self.cache_hits) / 2.0

    @property
    def answer_spread(self) -> float:
        """Tokens on both sides of `answer_span` over which the positions of an answer's tokens lie; 0 as stated."""
        return 0.0 if self.cache_length else self.output * (1.0 + self.variation**2) / 2.0

    @property
    def answer_span(self) -> float:
        """Mean tokens that a token of an answer attends to: as stated, or P + O (1 + v^2)/2."""
        return self.cache_length or self.prompt + self.output * (1.0 + self.variation**2) / 2.0


class Unit(Description, defer_build=True):
    """Devices that serve one phase together. Experts are spread over all of them."""

    devices: Annotated[PositiveInt, Field(le=MOST_NODES, description="of one unit")]
    tensor: Annotated[PositiveInt, Field(description="ranks that share attention and dense layers of a batch")] = 1
    redundant_experts: Annotated[
        NonNegativeInt, Field(le=MOST_SIZE, description="copies of experts beyond one of each")
    ] = 0
    batch: Annotated[
        PositiveInt | None,
        Field(description="at most so many a device: prompt tokens (16,384 if absent) or answers (4,096)"),
    ] = None
    micro_batches: Annotated[
        Literal[1, 2],
        Field(description="2: halves of the batch take turns, one computes while the other's tokens move"),
    ] = 2
    imbalance: Annotated[
        float, Field(ge=1, description="time of a pass with real routing over the time with even experts")
    ] = 1.0


class PrefillUnit(Unit):
    """Devices that read prompts."""

    time_to_first_token: Annotated[
        Seconds | None, Field(gt=0, description="mean, queueing beyond the running pass left out")
    ] = None


class DecodeUnit(Unit):
    """Devices that write answers."""

    time_per_token: Annotated[Seconds | None, Field(gt=0, description="between two tokens of one answer")] = None
    draft_tokens: Annotated[
        NonNegativeInt, Field(le=8, description="tokens guessed beside each one, by the model's prediction modules")
    ] = 0
    acceptance: Annotated[Fraction, Field(description="share of guessed tokens that stand")] = 0.0


class PublishedRates(Description, defer_build=True):
    """What somebody published of this deployment, to hold predictions against."""

    prefill: Annotated[float | None, Field(gt=0, description="prompt tokens a second and device, hits included")] = None
    decode: Annotated[float | None, Field(gt=0, description="tokens of answers a second and device")] = None
    nodes: Annotated[float | None, Field(gt=0, description="mean nodes in use")] = None
    cost_per_day: Annotated[float | None, Field(gt=0, description="USD in 24 h")] = None
    source: Annotated[str, Field(description="where")] = ""
    unstated: Annotated[
        tuple[str, ...], Field(strict=False, description="conditions that the source doesn't state and we assume")
    ] = ()


def _may_extend(schema: dict[str, Any]) -> None:
    schema["properties"]["extends"] = {"type": "string", "description": "a serving scenario that this one differs from"}
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": ["extends"]}]


class Serving(Description, defer_build=True):
    """A model served by units of one kind of node, prompts and answers apart."""

    model_config = ConfigDict(json_schema_extra=_may_extend)

    name: Annotated[str, Field(min_length=1, description="of the scenario; its file's unless given")] = "serving"
    model: Annotated[Model, Reference("models"), Field(description="catalog name, path or mapping")]
    node: Annotated[Node, Reference("nodes"), Field(description="catalog name, path or mapping")]
    stack: Annotated[ServingStack, Reference("serving-stacks"), Field(description="catalog name, path or mapping")]
    precision: Annotated[WeightPrecision, Field(description="of weights and their products")] = "bf16"
    cache_precision: Annotated[WeightPrecision, Field(description="of kept keys and values")] = "bf16"
    dispatch_precision: Annotated[WeightPrecision, Field(description="of tokens on their way to experts")] = "bf16"
    prefill: PrefillUnit
    decode: DecodeUnit
    traffic: Traffic
    devices: Annotated[
        PositiveInt | None,
        Field(le=MOST_NODES, description="of both phases together, shared out in whole units as the traffic asks"),
    ] = None
    price: Annotated[DollarsPerHour | None, Field(description="USD a device-hour, before the catalog's price")] = None
    utilization: Annotated[
        Fraction, Field(gt=0, description="tokens served over those that the devices could serve, in the mean")
    ] = 1.0
    implausible_ok: Annotated[
        bool, Field(description="values that no hardware has had, by four orders of magnitude, are played all the same")
    ] = False
    published: Annotated[PublishedRates, Field(description="what predictions are held against")] = PublishedRates()
    notes: Annotated[tuple[str, ...], Field(strict=False, description="what a reader of the results should know")] = ()

    @property
    def device_price(self) -> float | None:
        """USD a device-hour: stated here, or the catalog's."""
        return self.price if self.price is not None else self.node.accelerator.price
