"""The attention part of a layer: projections (or MLA's), rotary positions, context parallelism, core and output."""

from __future__ import annotations

from collections.abc import Collection

from clustersim.inputs.kinds import chosen
from clustersim.inputs.model import BlockKind, LatentAttention, Model
from clustersim.workload.arrays import Array
from clustersim.workload.layers.attention_cores import FusedAttention, RingAttention, UnfusedAttention
from clustersim.workload.layers.elements import Element, Exchange, MemoryBound
from clustersim.workload.layers.feed_forward import column, row
from clustersim.workload.layers.linear import Linear
from clustersim.workload.layers.spans import causal_keys
from clustersim.workload.shape import CORE_ATTENTION, LATENT_UP, Shape
from clustersim.workload.states import FP32_BYTES

ROTATES = {"rotary": True, "learned": False, "alibi": False, "none": False}  # by how tokens' positions are told


def attention_elements(model: Model, kind: BlockKind, shape: Shape) -> list[Element]:
    """Everything between a layer's first norm and its first residual sum, on one rank."""
    if model.latent is not None:
        projections = _latent_projections(model, model.latent, shape)
    else:
        outputs = (model.heads + 2 * model.kv_heads) * model.head_size
        keys = model.kv_heads / (model.heads + 2 * model.kv_heads)  # the second product of a layer
        projections = [column("qkv", model, shape, outputs / shape.tensor, model.hidden, recomputed_share=keys)]
        if shape.unfused_bias and (model.bias or model.qkv_bias):
            projections.append(_bias("qkv bias", shape, shape.tokens * outputs / shape.tensor))
    rotary = [_rotary(model, shape)] if chosen("model.position", model.position, ROTATES) else []
    over_context = chosen("layout.context_kind", shape.context_kind, CONTEXT_KINDS)
    core = over_context(model, shape, _core_attention(model, kind, shape))
    fourth = 1.0 if model.latent is None else 0.5
    output = row(
        "attention output", model, shape, model.heads * model.v_head_size / shape.tensor, recomputed_share=fourth
    )
    return [*projections, *rotary, *core, output]


def _latent_projections(model: Model, latent: LatentAttention, shape: Shape) -> list[Element]:
    """Down-projections on every tensor rank alike, norms, up-projections cut by heads (DeepSeek-V2, section 2.1.2).

    Selective recomputation may run the up-projections again (DeepSeek-V3, arXiv 2412.19437, section 3.2.3).
    """
    rows, heads = shape.tokens, model.heads / shape.tensor
    resident, hidden = shape.resident_tokens, float(model.hidden)
    compressed = latent.kv_lora_rank + latent.qk_rope_head_dim
    down = compressed + (latent.q_lora_rank or 0)
    elements: list[Element] = [
        Linear("latent down", resident, float(down), hidden, shape, saved=shape.activation_bytes * resident * hidden),
        MemoryBound(
            "latent norms", 4.0 * resident * down, 6.0 * resident * down, saved=2.0 * resident * down, kernels=2
        ),
    ]
    q_inputs = float(latent.q_lora_rank or model.hidden)
    q_outputs = heads * model.qk_head_size
    kv_outputs = heads * (latent.qk_nope_head_dim + latent.v_head_dim)
    for name, inputs, outputs in (
        ("query up", q_inputs, q_outputs),
        ("key-value up", float(latent.kv_lora_rank), kv_outputs),
    ):
        elements.append(
            Linear(
                name,
                rows,
                outputs,
                inputs,
                shape,
                gathers=True,
                group_bytes=shape.activation_bytes * rows * inputs,
                saved=shape.activation_bytes * resident * inputs,
                recomputed_when_selective=LATENT_UP in shape.selected,
            )
        )
    return elements


def _rotary(model: Model, shape: Shape) -> MemoryBound:
    rotated = (model.latent.qk_rope_head_dim if model.latent else model.head_size) * (model.heads + model.kv_heads)
    traffic = 2 * shape.activation_bytes * shape.tokens * rotated / shape.tensor
    return MemoryBound("rotary", traffic, traffic)


def _bias(name: str, shape: Shape, elements: Array) -> MemoryBound:
    """Read, add and write; backward the sum over tokens (Megatron-LM, tensor_parallel/layers.py: output + bias)."""
    width = shape.activation_bytes * elements
    return MemoryBound(name, 2 * width, width, fused=True)


def _core_attention(model: Model, kind: BlockKind, shape: Shape) -> FusedAttention | UnfusedAttention:
    heads = shape.micro_batch * model.heads / shape.tensor
    queries = shape.sequence / shape.context
    again = core_runs_again(model, shape.selected, fused=shape.fused_attention)
    keys = causal_keys(model, kind.attention, shape.span)
    kept_heads = model.heads * model.qk_head_size + _key_value_width(model)
    projections = shape.activation_bytes * shape.tokens * kept_heads / shape.tensor
    if shape.fused_attention:
        statistics = FP32_BYTES * heads * queries
        sizes = (float(model.qk_head_size), float(model.v_head_size))
        latent_up = model.latent is not None and LATENT_UP in shape.selected
        output = shape.activation_bytes * heads * queries * model.v_head_size
        return FusedAttention(
            heads,
            queries,
            keys,
            *sizes,
            projections,
            statistics,
            shape.wide_precision,
            output,
            output_cast=shape.product_bytes < shape.activation_bytes,
            projections_dropped=latent_up,
            recomputed_when_selective=again,
        )
    return UnfusedAttention(
        heads,
        queries,
        shape.span,
        model.qk_head_size,
        model.v_head_size,
        model.dropout,
        shape.wide_precision,
        projections,
        shape.activation_bytes,
        alibi=model.position == "alibi",
        recomputed_when_selective=again,
    )


def core_runs_again(model: Model, selected: Collection[str], *, fused: bool) -> bool:
    """Whether selective recomputation runs the core again, with what context ranks exchange for it.

    A fused core of latent attention does not where the up-projections do: these drop all that it keeps.
    Source: Megatron-LM, `--recompute-modules`: core_attn checkpoints the whole core, whatever its kernels.
    """
    beside_up = model.latent is not None and LATENT_UP in selected and fused
    return CORE_ATTENTION in selected and not beside_up


def _key_value_width(model: Model) -> float:
    """Elements of keys and values a token that attention keeps; MLA keeps them expanded to all heads in training."""
    heads = model.heads if model.latent is not None else model.kv_heads
    return heads * (model.qk_head_size + model.v_head_size)


def _passed_on(model: Model, shape: Shape, core: FusedAttention | UnfusedAttention) -> list[Element]:
    """Keys and values pass from rank to rank beside a fused core; kernels of their own need them all at once."""
    if isinstance(core, FusedAttention):
        return [RingAttention(core, _key_value_bytes(model, shape))]
    return _gathered(model, shape, core)


def _gathered(model: Model, shape: Shape, core: FusedAttention | UnfusedAttention) -> list[Element]:
    """The other ranks' keys and values come first."""
    gather = Exchange(
        "context",
        "context",
        "all-gather",
        "reduce-scatter",
        _key_value_bytes(model, shape),
        recomputed_when_selective=core.recomputed_when_selective,
    )
    return [gather, core]


def _traded(model: Model, shape: Shape, core: FusedAttention | UnfusedAttention) -> list[Element]:
    """Ranks trade their part of the sequence for a part of the heads, and back (DeepSpeed-Ulysses, 2309.14509)."""
    width = model.heads * model.qk_head_size + _key_value_width(model)
    back = model.heads * model.v_head_size
    again = core.recomputed_when_selective
    return [_all_to_all("context", shape, width, again), core, _all_to_all("context return", shape, back, again)]


CONTEXT_KINDS = {"ring": _passed_on, "all-gather": _gathered, "ulysses": _traded}


def _key_value_bytes(model: Model, shape: Shape) -> Array:
    """Keys and values of the whole sequence on one tensor rank."""
    return shape.activation_bytes * shape.micro_batch * shape.sequence * _key_value_width(model) / shape.tensor


def _all_to_all(name: str, shape: Shape, width: float, again: bool) -> Exchange:
    message = shape.activation_bytes * shape.tokens * width / shape.tensor
    return Exchange(name, "context", "all-to-all", "all-to-all", message, recomputed_when_selective=again)
