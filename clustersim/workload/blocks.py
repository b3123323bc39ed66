"""What transformer layers, embedding and output head are made of, element by element, on one rank."""

from __future__ import annotations

from clustersim.inputs.model import BlockKind, Model
from clustersim.inputs.precisions import FP32_BYTES
from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import Element, Exchange, MemoryBound
from clustersim.workload.layers.linear import Linear
from clustersim.workload.layers.registry import channel_mixer_of, mixer_of
from clustersim.workload.shape import Shape
from clustersim.workload.software import NORMS

PARTS = ("attention", "feed-forward")  # what norms and residual sums are named after, whatever stands between them
RECOMPUTED_NORMS = tuple(f"{part} norm" for part in PARTS)
MASK_BYTES = 1.0
# Bytes that the cross-entropy moves a logit, a kernel each (Megatron-LM, tensor_parallel/cross_entropy.py, recalled):
# cast to fp32 (6), maximum (4), difference (8), exponential (8), sum (4), quotient (8); scale the kept softmax (8),
# cast back (6).
CROSS_ENTROPY_FORWARD_BYTES = 38.0
CROSS_ENTROPY_BACKWARD_BYTES = 14.0


def block_elements(model: Model, kind: BlockKind, shape: Shape) -> list[Element]:
    """A transformer layer: what mixes tokens and what follows it, each after a norm and before a residual sum."""
    elements: list[Element] = []
    for name, layer in zip(PARTS, (mixer_of(model, kind), channel_mixer_of(model, kind)), strict=True):
        if layer is None:
            continue
        norm, residual = _norm(f"{name} norm", model, shape), _residual(f"{name} residual", model, shape)
        behind = [_norm(f"{name} output norm", model, shape)] if model.post_norms else []
        elements += [norm, *layer.train(model, shape), *behind, residual]
    return elements


def embedding_elements(model: Model, shape: Shape) -> list[Element]:
    """The look-up, its reduction over the tensor group (the vocabulary is split), and dropout.

    Backward clears and sums a gradient of the whole table, however few of its rows were met.
    """
    vector = shape.activation_bytes * model.hidden
    gradient = 1.0 if shape.trained.trains("embedding") else 0.0
    table = gradient * (shape.activation_bytes + shape.accumulated_bytes) * model.hidden * model.vocab / shape.tensor
    look_up = MemoryBound("embedding", 2 * vector * shape.tokens, 3 * vector * shape.tokens + table, fused=True)
    reduce = _vocabulary_reduce(model, shape)
    return [look_up, reduce, _dropout("embedding dropout", model, shape)] if model.dropout else [look_up, reduce]


def head_elements(model: Model, shape: Shape) -> list[Element]:
    """The last norm, the output head and the cross-entropy loss over this rank's part of the vocabulary."""
    logits = shape.tokens * model.vocab / shape.tensor
    return [
        _norm("final norm", model, shape),
        Linear(
            "output head",
            m=shape.tokens,
            n=model.vocab / shape.tensor,
            k=model.hidden,
            shape=shape,
            gathers=True,
            group_bytes=shape.activation_bytes * shape.tokens * model.hidden,
            saved=shape.activation_bytes * shape.resident_tokens * model.hidden,
            precision=shape.wide_precision,
            in_layer=False,
        ),
        MemoryBound(
            "cross-entropy",
            CROSS_ENTROPY_FORWARD_BYTES * logits,
            CROSS_ENTROPY_BACKWARD_BYTES * logits,
            saved=shape.software.logit_bytes * logits / shape.software.loss_chunks,
            kernels=6,
            gradients=shape.activation_bytes * logits / shape.software.loss_chunks,
            fused=True,
        ),
    ]


def prediction_elements(model: Model, shape: Shape) -> list[Element]:
    """What a multi-token-prediction module adds to a layer: two norms and the projection of two vectors onto one.

    Source: DeepSeek-V3, arXiv 2412.19437, section 2.2 (the head is shared, and run once more).
    """
    rows = shape.resident_tokens
    vector = shape.activation_bytes * rows * model.hidden
    project = Linear("mtp projection", rows, model.hidden, 2.0 * model.hidden, shape, saved=2 * vector)
    return [_norm("mtp norm", model, shape), _norm("mtp embedding norm", model, shape), project]


def _norm(name: str, model: Model, shape: Shape) -> MemoryBound:
    """Read and write forward; read input and gradient, write gradient backward; keeps its input."""
    vector = shape.activation_bytes * shape.resident_tokens * model.hidden
    again = NORMS in shape.software.selected and name in RECOMPUTED_NORMS
    kept = _kept_by_norm(model, shape)
    return MemoryBound(name, 2 * vector, 3 * vector, saved=kept, recomputed_when_selective=again)


def _kept_by_norm(model: Model, shape: Shape) -> Array:
    """Bytes that a norm keeps: its input. Kernel by kernel an RMS norm keeps it in fp32; and where its scale is
    trained, in 16 bits what that multiplies.

    Source: Hugging Face transformers, models/llama/modeling_llama.py, LlamaRMSNorm; LitGPT, rmsnorm.py.
    """
    elements = shape.resident_tokens * model.hidden
    if not shape.software.eager_kernels or model.norm != "rms":
        return shape.activation_bytes * elements
    return (FP32_BYTES + (shape.activation_bytes if shape.trained.trains_vectors else 0.0)) * elements


def _residual(name: str, model: Model, shape: Shape) -> MemoryBound:
    """Bias, dropout and residual sum in one kernel (Megatron's bias_dropout_add); keeps the dropout mask.

    Backward the gradient is read once more for that of the bias. Of n residual streams a sub-block's input is mixed (n
    in, one out), and its output spread over all (n and one in, n out); the streams are kept for the weights' gradients.
    Source: Zhu et al. 2024, Hyper-connections, arXiv 2409.19606, section 2.
    """
    elements, streams = shape.resident_tokens * model.hidden, model.residual_streams
    mask = MASK_BYTES if model.dropout else 0.0
    summed = shape.activation_bytes if model.bias and shape.software.unfused_bias else 0.0
    vectors = 3 if streams == 1 else 3 * streams + 2
    kept = mask if streams == 1 else mask + streams * shape.activation_bytes
    return MemoryBound(
        name,
        (vectors * shape.activation_bytes + mask) * elements,
        (vectors * shape.activation_bytes + mask + summed) * elements,
        saved=kept * elements,
    )


def _dropout(name: str, model: Model, shape: Shape) -> MemoryBound:
    elements = shape.resident_tokens * model.hidden
    traffic = (2 * shape.activation_bytes + MASK_BYTES) * elements
    return MemoryBound(name, traffic, traffic, saved=MASK_BYTES * elements)


def _vocabulary_reduce(model: Model, shape: Shape) -> Exchange:
    message = shape.activation_bytes * shape.tokens * model.hidden
    if shape.sequence_parallel:
        return Exchange("embedding", "tensor", "reduce-scatter", "all-gather", message)
    return Exchange("embedding", "tensor", "all-reduce", "none", message)
