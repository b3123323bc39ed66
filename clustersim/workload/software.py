"""What training software keeps of a pass, in how many bytes, what it runs again, and what has kernels of its own."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.inputs.kinds import chosen, handled
from clustersim.inputs.precisions import FP32_BYTES, HALF_BYTES, activation_bytes_of, element_bytes
from clustersim.inputs.stack import Stack
from clustersim.inputs.training import Training

# What selective recomputation may run again.
CORE_ATTENTION, LATENT_UP, EXPERT_ACTIVATION = "core_attention", "latent_up", "expert_activation"
NORMS, FEED_FORWARD = "norms", "feed_forward"
SELECTED = (CORE_ATTENTION, LATENT_UP, EXPERT_ACTIVATION, NORMS, FEED_FORWARD)
USUALLY_SELECTED = SELECTED[:3]
SHARDED = ("zero3", "fsdp", "hybrid")
PERMUTES = {word: word for word in ("fused", "indexed", "expanded")}
BLOCKWISE_RECIPES = {"per-tensor": False, "blockwise": True}


@dataclass(frozen=True)
class Software:
    """The flags of a stack that the operations of a pass need, at the precision of a training."""

    dispatch_bytes: float = HALF_BYTES  # an element of a token on its way to experts
    weights_in_experts: bool = False  # routing weights meet the experts' activation, not what experts return
    gradient_placeholders: bool = False  # an unused 16-bit gradient of each weight shape stands beside the real ones
    logit_bytes: float = FP32_BYTES  # of a logit, kept for the loss's backward pass
    selected: frozenset[str] = frozenset(USUALLY_SELECTED)  # what selective recomputation runs again
    unfused_bias: bool = False  # added, and their gradients summed, by kernels of their own
    padded_routing: bool = False  # the router pads experts' tokens for low precision, so that no kernel does
    blockwise: bool = False  # fp8 with a scale for every 128 elements
    sequential_experts: bool = False  # they run one after the other on slices of one buffer
    permutes: str = "fused"  # how tokens come into the order of experts and back
    transposes_apart: bool = False  # experts' fp8 operands are transposed by kernels of their own
    narrow_expert_inputs: bool = False  # experts keep their activation's input in the products' precision
    loss_chunks: float = 1.0  # pieces of the sequence that head and loss work on, one after the other
    eager_kernels: bool = False  # norms and gated activations are several kernels, which keep what they make
    quantized_head: bool = False  # the output head is among the frozen weights in few bits
    wide_residuals: bool = False  # the residual stream is in fp32
    quantized_keeps_input: bool = False  # products with frozen 4-bit weights keep their input, though nothing reads it


USUAL = Software()


def software_of(stack: Stack, training: Training, sharding: str = "none", *, cut_vocabulary: bool = False) -> Software:
    """What a stack does in a training of this precision; `cut_vocabulary`: over tensor ranks."""
    handled("stack.selective_recompute", stack.selective_recompute, SELECTED)
    blocks = chosen("training.fp8_recipe", training.fp8_recipe, BLOCKWISE_RECIPES)
    blockwise = training.precision == "fp8" and blocks
    wide = activation_bytes_of(training.precision)
    low = element_bytes(training.precision, blockwise=blockwise)
    return Software(
        dispatch_bytes=low if stack.low_precision_dispatch else wide,
        weights_in_experts=stack.weights_in_experts,
        gradient_placeholders=stack.gradient_placeholders,
        logit_bytes=_logit_bytes(stack, sharding, cut_vocabulary),
        selected=frozenset(stack.selective_recompute),
        unfused_bias=stack.unfused_bias,
        padded_routing=stack.padded_routing,
        blockwise=blockwise,
        sequential_experts=stack.sequential_experts,
        permutes=chosen("stack.permutes", stack.permutes, PERMUTES),
        transposes_apart=stack.transposes_apart,
        narrow_expert_inputs=stack.low_precision_activations,
        loss_chunks=float(stack.loss_chunks),
        eager_kernels=stack.eager_kernels,
        quantized_head=stack.quantized_head,
        quantized_keeps_input=stack.quantized_keeps_input,
        wide_residuals=stack.wide_residuals and training.base_precision is not None and sharding not in SHARDED,
    )


def _logit_bytes(stack: Stack, sharding: str, cut_vocabulary: bool) -> float:
    """Bytes of a logit that the loss keeps for its backward pass."""
    if cut_vocabulary and stack.tensor_logit_bytes is not None:
        return stack.tensor_logit_bytes
    if sharding in SHARDED and stack.sharded_logit_bytes is not None:
        return stack.sharded_logit_bytes
    return stack.logit_bytes
