"""Stacks: how close a generation of training software comes to the hardware."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from clustersim.inputs.base import Description, Follows
from clustersim.inputs.hardware import LAUNCH, Efficiency, ScanLibrary
from clustersim.inputs.layout import ContextKind, Dispatcher, Overlaps, Recompute, Schedule, Sharding
from clustersim.inputs.synonyms import with_synonyms
from clustersim.inputs.training import Router
from clustersim.inputs.units import Bytes, Seconds

Selected = Literal["core_attention", "latent_up", "expert_activation", "norms", "feed_forward"]
Permutes = Literal["fused", "indexed", "expanded"]
DISPATCHERS: dict[str, Dispatcher] = {"pairwise": "alltoall", "two-stage": "deepep", "all-gather": "allgather"}


# Numbers that are fitted to runs: what a stack's residual was measured with.
FITTED = (
    "sustained",
    "memory_factor",
    "kernel_gap",
    "host_launch",
    "attention_share",
    "scale_up_efficiency",
    "scale_out_efficiency",
    "overlap_slowdown",
    "reserved_cores",
    "low_precision_share",
    "fixed_overhead",
)


class Defaults(Description):
    """What the software does where a layout doesn't say."""

    sequence_parallel: Annotated[bool, Field(description="where tensor > 1")] = True
    sharding: Annotated[Sharding, Field(description="what data-parallel ranks share")] = "zero1"
    recompute: Annotated[Recompute, Field(description="activations computed again backward")] = "none"
    expert_tensor: Annotated[
        Literal["one", "tensor"],
        Field(
            description="tensor size of the experts' own grouping where experts are spread: 1, or the tensor group's"
        ),
    ] = "one"
    schedule: Annotated[
        Schedule, Field(description="where it takes the virtual stages; else interleaved-1f1b, or 1f1b without them")
    ] = "1f1b"
    grad_reduce_precision: Annotated[
        Literal["fp32", "bf16", "fp16"], Field(description="of the gradient reduction")
    ] = "fp32"
    precision: Annotated[
        Literal["bf16", "fp16"], Field(description="of a measured run whose row has none; fp16 on a chip without bf16")
    ] = "bf16"
    fp16_sums: Annotated[
        bool, Field(description="gradients of fp16 training are summed and reduced in fp16, whatever others are")
    ] = False
    overlap: Annotated[Overlaps, Field(description="communication hidden behind compute")] = frozenset()
    context_kind: Annotated[ContextKind, Field(description="how context ranks exchange keys and values")] = "ring"
    tied_embeddings: Annotated[
        bool, Field(description="a GPT of a measured run has one table for look-up and output head")
    ] = True
    router: Annotated[
        Router, Field(description="how experts of a measured run were loaded where its row has no balance loss")
    ] = "balanced"


class Residual(Description):
    """How far predictions with a stack lay from its own measured runs, and what those were."""

    spread: Annotated[
        PositiveFloat, Field(description="standard deviation of log(measured / predicted) of a step time")
    ]
    evidence: Annotated[str, Field(description="what it rests on, for people")]
    devices: Annotated[PositiveInt | None, Field(description="of the largest run")] = None
    accelerators: Annotated[tuple[str, ...], Field(strict=False, description="chips of the runs, by name")] = ()
    kinds: Annotated[
        tuple[str, ...], Field(strict=False, description="of models and layouts met, as intervals name them")
    ] = ()


class Stack(Description):
    """One generation of training software. Most numbers belong to the chip; few to the stack; none to a row."""

    model_config = ConfigDict(json_schema_extra=with_synonyms("stacks"))

    name: Annotated[str, Field(min_length=1, description="as people write it")]
    release: Annotated[
        str | None, Field(description="version, as its makers name it, where that is all that sets it apart")
    ] = None
    year: Annotated[int, Field(description="of the release, or of the runs that it was fitted to")]
    vendors: Annotated[tuple[str, ...], Field(strict=False, description="whose chips it runs on")]
    family: Annotated[str, Field(min_length=1, description="software that its fitted numbers are shared with")] = (
        "other"
    )
    sustained: Annotated[Efficiency, Field(description="matrix rate in a real run over that of an isolated kernel")]
    memory_factor: Annotated[
        PositiveFloat, Field(description="bytes moved by memory-bound work over the ideal (fused) ones")
    ]
    kernel_gap: Annotated[
        Seconds,
        LAUNCH,
        Field(description="idle seconds before each kernel of the compute stream, as the host issues it"),
    ] = 0.0
    host_launch: Annotated[Seconds, Field(description="seconds that the host takes to issue a kernel")] = 0.0
    blocking_launches: Annotated[
        bool, Field(description="the host waits for every kernel before it issues the next (CUDA_LAUNCH_BLOCKING)")
    ] = False
    fused_attention: Annotated[bool, Field(description="flash attention, where the model allows it")] = True
    fused_alibi: Annotated[bool, Field(description="fused attention takes the biases of ALiBi")] = False
    attention_share: Annotated[
        Efficiency, Field(description="rate of the stack's fused attention over that of the chip's best kernels")
    ] = 1.0
    native_attention: Annotated[
        bool, Field(description="fused attention is written for the chip's own generation of matrix units")
    ] = True
    scan_kernels: Annotated[ScanLibrary, Field(description="whose kernels run linear attention and state spaces")] = (
        "triton"
    )
    scale_up_efficiency: Annotated[
        Efficiency, Field(description="training collectives' bandwidth over the tier's measured one")
    ] = 1.0
    scale_out_efficiency: Annotated[
        Efficiency, Field(description="the same for the network between scale-up domains")
    ] = 1.0
    overlap_slowdown: Annotated[
        float, Field(ge=0, description="compute beside a collective takes this much longer: it lends cores to it")
    ] = 0.0
    coupling: Annotated[
        Literal["fluid"] | NonNegativeInt,
        Field(
            description="how durations follow from what runs beside a task: in so many passes; fluid: event by event; "
            "0: compute beside collectives alone, in one pass, as stacks are calibrated"
        ),
    ] = 0
    dispatch: Annotated[
        Literal["pairwise", "two-stage", "all-gather"],
        Field(description="how tokens reach experts: each copy by itself, once to a node and on inside, or all to all"),
    ] = "pairwise"
    reserved_cores: Annotated[
        float, Field(ge=0, lt=1, description="share of the cores set aside for communication, whatever else runs")
    ] = 0.0
    low_precision_share: Annotated[
        Efficiency, Field(description="rate of the stack's 8- and 4-bit products over that of the chip's best kernels")
    ] = 1.0
    low_precision_dispatch: Annotated[
        bool, Field(description="tokens to experts, and gradients to them, travel in the products' low precision")
    ] = False
    low_precision_activations: Annotated[
        bool, Field(description="experts keep their activation's input in the products' low precision")
    ] = False
    grouped_products: Annotated[
        bool, Field(description="one kernel multiplies the tokens of all local experts; else one an expert")
    ] = True
    sequential_experts: Annotated[
        bool,
        Field(
            description="experts are modules that run one after the other on slices of one buffer: in backward each "
            "slice's gradient is a buffer of its whole length, and they are added up"
        ),
    ] = False
    permutes: Annotated[
        Permutes,
        Field(
            description="how tokens are brought into the order of experts and back: fused (a kernel that moves each "
            "once), indexed (gathers and scatters by index, each into a new buffer), expanded (these, with a 64-bit "
            "index for every element where all tokens were gathered)"
        ),
    ] = "fused"
    transposes_apart: Annotated[
        bool,
        Field(
            description="in fp8, experts' operands are transposed by kernels of their own, not by those that cast them"
        ),
    ] = False
    weights_in_experts: Annotated[
        bool, Field(description="routing weights multiply inside experts, so that what experts return isn't kept")
    ] = False
    padded_routing: Annotated[
        bool, Field(description="the router pads experts' tokens for low precision; else kernels copy them to pad")
    ] = False
    gradient_placeholders: Annotated[
        bool,
        Field(description="beside gradients summed in place, an unused 16-bit one of each weight shape is allocated"),
    ] = False
    gradients_reduced_at_once: Annotated[
        bool, Field(description="ZeRO-1 keeps no whole gradients where a step has one micro-batch (graph mode)")
    ] = False
    logit_bytes: Annotated[
        float, Field(gt=0, description="bytes of each logit that the loss keeps for its backward pass: 4 in fp32")
    ] = 4.0
    loss_chunks: Annotated[
        PositiveInt, Field(description="pieces of the sequence that output head and loss work on one after the other")
    ] = 1
    eager_kernels: Annotated[
        bool,
        Field(
            description="norms and gated activations are several kernels, and what they make between is kept: norms' "
            "inputs in fp32, the activation beside its inputs"
        ),
    ] = False
    optimizer_copies: Annotated[
        float, Field(ge=0, description="copies of one moment of all weights that the optimizer's step makes at once")
    ] = 0.0
    frees_gradients: Annotated[
        bool, Field(description="gradients are freed after the optimizer, so that the next forward pass runs without")
    ] = False
    whole_stages: Annotated[
        bool,
        Field(
            description="pipeline stages of FSDP keep whole parameters and fp32 gradients from the first micro-batch "
            "to the last, and reduce in bulk"
        ),
    ] = False
    tensor_logit_bytes: Annotated[
        float | None,
        Field(gt=0, description="the same where the vocabulary is cut over tensor ranks; absent: as without"),
    ] = None
    sharded_logit_bytes: Annotated[
        float | None, Field(gt=0, description="the same where parameters are sharded (FSDP); absent: as without")
    ] = None
    loads_whole: Annotated[
        bool, Field(description="each device loads all weights before FSDP shards them: both stand side by side")
    ] = False
    wide_residuals: Annotated[
        bool, Field(description="beside frozen weights in few bits, the residual stream is in fp32 (unless sharded)")
    ] = False
    quantized_keeps_input: Annotated[
        bool, Field(description="products with frozen 4-bit weights keep their input, which nothing reads")
    ] = False
    quantized_head: Annotated[bool, Field(description="the output head is among the frozen weights in few bits")] = (
        False
    )
    selective_recompute: Annotated[
        tuple[Selected, ...],
        Field(
            strict=False,
            description="what selective recomputation runs again: core_attention (fused or not, exchanges of context "
            "ranks included), latent_up (MLA's up-projections; a fused core then doesn't), "
            "expert_activation, norms (before columns), "
            "feed_forward (dense ones, whole)",
        ),
    ] = ("core_attention", "latent_up", "expert_activation")
    checkpoint_early_stop: Annotated[
        bool, Field(description="full recomputation of a layer ends when all that backward needs has been made again")
    ] = False
    fused_accumulation: Annotated[
        bool, Field(description="products of weight gradients add to the sum in place; else a kernel of its own does")
    ] = True
    unfused_bias: Annotated[
        bool, Field(description="biases are added, and their gradients summed, by kernels of their own")
    ] = False
    copied_gradients: Annotated[
        bool,
        Field(description="sharded gradients are joined, cast and divided by kernels of their own before a reduction"),
    ] = False
    all_reduce_gradients: Annotated[
        bool, Field(description="under ZeRO-1 every replica gets the whole sum of gradients: all-reduce, not scatter")
    ] = False
    owned_tensors: Annotated[
        bool,
        Field(
            description="ZeRO-1 gives whole tensors to ranks: gradients are reduced to the owner of each, which "
            "broadcasts what it has updated"
        ),
    ] = False
    listed_shards: Annotated[
        bool,
        Field(
            description="sharded parameters are gathered, and gradients scattered, module by module and as lists, of "
            "which the host makes and copies a part a rank"
        ),
    ] = False
    blocking_transfers: Annotated[bool, Field(description="stage-to-stage messages hold the compute stream")] = True
    synchronous_optimizer: Annotated[bool, Field(description="all stages wait for the global gradient norm")] = True
    fixed_overhead: Annotated[
        Seconds, Field(description="seconds a step that no operation explains (data, logging)")
    ] = 0.0
    buffers: Annotated[Bytes, Field(description="bytes a device for the runtime and communication buffers")] = 0.0
    fragmentation: Annotated[float, Field(ge=0, lt=1, description="share of activations lost to the allocator")] = 0.0
    defaults: Annotated[Defaults, Field(description="what it does where a layout doesn't say")] = Defaults()
    residual: Annotated[
        Residual | None,
        Follows(FITTED, "kept"),
        Field(description="of its own measured runs; without it errors are those of a new source"),
    ] = None

    @property
    def dispatcher(self) -> Dispatcher:
        """How tokens reach experts where a layout doesn't say."""
        return DISPATCHERS[self.dispatch]

    def fuses_attention(self, position: str) -> bool:
        """Whether attention is one kernel where tokens' positions are told so."""
        return self.fused_attention and (position != "alibi" or self.fused_alibi)
