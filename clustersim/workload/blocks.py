"""What transformer layers, embedding and output head are made of, element by element, on one rank."""

from __future__ import annotations

from clustersim.inputs.model import BlockKind, Experts, LatentAttention, Model
from clustersim.workload.arrays import Array
from clustersim.workload.elements import Element, Exchange, FusedAttention, Linear, Memory, UnfusedAttention
from clustersim.workload.shape import ACTIVATION_BYTES, Shape

MASK_BYTES = 1.0
FP32_BYTES = 4.0
CROSS_ENTROPY_FORWARD_BYTES = (
    30.0  # a logit: cast to fp32, maximum, difference, exponential, sum, quotient, each kernel its own
)
CROSS_ENTROPY_BACKWARD_BYTES = 14.0  # a logit: scale the kept softmax, subtract the target, cast back


def block_elements(model: Model, kind: BlockKind, shape: Shape) -> list[Element]:
    """A transformer layer: attention and feed-forward (or experts), each after a norm and before a residual sum."""
    feed_forward = _expert_elements(model, shape) if kind.experts else _dense_elements(model, shape, model.ffn_hidden)
    return [
        _norm("attention norm", model, shape),
        *_attention_elements(model, kind, shape),
        _residual("attention residual", model, shape),
        _norm("feed-forward norm", model, shape),
        *feed_forward,
        _residual("feed-forward residual", model, shape),
    ]


def embedding_elements(model: Model, shape: Shape) -> list[Element]:
    """The look-up, its reduction over the tensor group (the vocabulary is split), and dropout."""
    vector = ACTIVATION_BYTES * model.hidden
    look_up = Memory("embedding", 2 * vector * shape.tokens, 3 * vector * shape.tokens)
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
            group_bytes=ACTIVATION_BYTES * shape.tokens * model.hidden,
            saved=ACTIVATION_BYTES * shape.resident_tokens * model.hidden,
            precision="bf16",
        ),
        Memory(
            "cross-entropy",
            CROSS_ENTROPY_FORWARD_BYTES * logits,
            CROSS_ENTROPY_BACKWARD_BYTES * logits,
            saved=FP32_BYTES * logits,
            kernels=6,
        ),
    ]


def prediction_elements(model: Model, shape: Shape) -> list[Element]:
    """What a multi-token-prediction module adds to a layer: two norms and the projection of two vectors onto one.

    Source: DeepSeek-V3, arXiv 2412.19437, section 2.2 (the head is shared, and run once more).
    """
    rows = shape.resident_tokens
    vector = ACTIVATION_BYTES * rows * model.hidden
    project = Linear("mtp projection", rows, model.hidden, 2.0 * model.hidden, shape, saved=2 * vector)
    return [_norm("mtp norm", model, shape), _norm("mtp embedding norm", model, shape), project]


def _norm(name: str, model: Model, shape: Shape) -> Memory:
    """Read and write forward; read input and gradient, write gradient backward; keeps its input."""
    vector = ACTIVATION_BYTES * shape.resident_tokens * model.hidden
    return Memory(name, 2 * vector, 3 * vector, saved=vector)


def _residual(name: str, model: Model, shape: Shape) -> Memory:
    """Bias, dropout and residual sum in one kernel (Megatron's bias_dropout_add); keeps the dropout mask."""
    elements = shape.resident_tokens * model.hidden
    mask = MASK_BYTES if model.dropout else 0.0
    return Memory(
        name, (3 * ACTIVATION_BYTES + mask) * elements, (3 * ACTIVATION_BYTES + mask) * elements, saved=mask * elements
    )


def _dropout(name: str, model: Model, shape: Shape) -> Memory:
    elements = shape.resident_tokens * model.hidden
    traffic = (2 * ACTIVATION_BYTES + MASK_BYTES) * elements
    return Memory(name, traffic, traffic, saved=MASK_BYTES * elements)


def _vocabulary_reduce(model: Model, shape: Shape) -> Exchange:
    message = ACTIVATION_BYTES * shape.tokens * model.hidden
    if shape.sequence_parallel:
        return Exchange("embedding", "tensor", "reduce-scatter", "all-gather", message)
    return Exchange("embedding", "tensor", "all-reduce", "none", message)


def _attention_elements(model: Model, kind: BlockKind, shape: Shape) -> list[Element]:
    if model.latent is not None:
        projections = _latent_projections(model, model.latent, shape)
    else:
        outputs = (model.heads + 2 * model.kv_heads) * model.head_size
        projections = [_column("qkv", model, shape, outputs / shape.tensor, model.hidden)]
    rotary = [_rotary(model, shape)] if model.position == "rotary" else []
    core = _core_attention(model, kind, shape)
    output = _row("attention output", model, shape, model.heads * model.v_head_size / shape.tensor)
    return [*projections, *rotary, *_context_exchange(model, shape), core, *_context_return(model, shape), output]


def _latent_projections(model: Model, latent: LatentAttention, shape: Shape) -> list[Element]:
    """Down-projections on every tensor rank alike, norms, up-projections cut by heads (DeepSeek-V2, section 2.1.2)."""
    rows, heads = shape.tokens, model.heads / shape.tensor
    resident, hidden = shape.resident_tokens, float(model.hidden)
    compressed = latent.kv_lora_rank + latent.qk_rope_head_dim
    down = compressed + (latent.q_lora_rank or 0)
    elements: list[Element] = [
        Linear("latent down", resident, float(down), hidden, shape, saved=ACTIVATION_BYTES * resident * hidden),
        Memory("latent norms", 4.0 * resident * down, 6.0 * resident * down, saved=2.0 * resident * down, kernels=2),
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
                group_bytes=ACTIVATION_BYTES * rows * inputs,
                saved=ACTIVATION_BYTES * resident * inputs,
            )
        )
    return elements


def _rotary(model: Model, shape: Shape) -> Memory:
    rotated = (model.latent.qk_rope_head_dim if model.latent else model.head_size) * (model.heads + model.kv_heads)
    traffic = 2 * ACTIVATION_BYTES * shape.tokens * rotated / shape.tensor
    return Memory("rotary", traffic, traffic)


def _core_attention(model: Model, kind: BlockKind, shape: Shape) -> Element:
    heads = shape.micro_batch * model.heads / shape.tensor
    queries = shape.sequence / shape.context
    span = min(shape.span, model.window) if kind.attention == "sliding" and model.window else shape.span
    kept_heads = model.heads * model.qk_head_size + _key_value_width(model)
    projections = ACTIVATION_BYTES * shape.tokens * kept_heads / shape.tensor
    if shape.fused_attention:
        statistics = FP32_BYTES * heads * queries
        sizes = (float(model.qk_head_size), float(model.v_head_size))
        return FusedAttention(heads, queries, span, *sizes, projections + statistics, shape.precision)
    return UnfusedAttention(
        heads, queries, span, model.qk_head_size, model.v_head_size, model.dropout, shape.precision, projections
    )


def _key_value_width(model: Model) -> float:
    """Elements of keys and values a token that attention keeps; MLA keeps them expanded to all heads in training."""
    heads = model.heads if model.latent is not None else model.kv_heads
    return heads * (model.qk_head_size + model.v_head_size)


def _context_exchange(model: Model, shape: Shape) -> list[Element]:
    """Bring the other ranks' keys and values here (ring or all-gather), or trade sequence for heads (Ulysses)."""
    if shape.context_kind == "ulysses":
        width = model.heads * model.qk_head_size + _key_value_width(model)
        return [_all_to_all("context", shape, width)]
    message = ACTIVATION_BYTES * shape.micro_batch * shape.sequence * _key_value_width(model) / shape.tensor
    return [Exchange("context", "context", "all-gather", "reduce-scatter", message)]


def _context_return(model: Model, shape: Shape) -> list[Element]:
    if shape.context_kind != "ulysses":
        return []
    return [_all_to_all("context return", shape, model.heads * model.v_head_size)]


def _all_to_all(name: str, shape: Shape, width: float) -> Exchange:
    return Exchange(name, "context", "all-to-all", "all-to-all", ACTIVATION_BYTES * shape.tokens * width / shape.tensor)


def _dense_elements(model: Model, shape: Shape, ffn_hidden: float, prefix: str = "") -> list[Element]:
    inner = ffn_hidden / shape.tensor
    return [
        _column(f"{prefix}ffn up", model, shape, (2 if model.gated else 1) * inner, model.hidden),
        _activation(f"{prefix}activation", model, shape.tokens * inner),
        _row(f"{prefix}ffn down", model, shape, inner),
    ]


def _activation(name: str, model: Model, elements: Array) -> Memory:
    """GeLU or the gated product; keeps its input."""
    inputs = 2 if model.gated else 1
    return Memory(
        name,
        ACTIVATION_BYTES * (inputs + 1) * elements,
        ACTIVATION_BYTES * (2 * inputs + 1) * elements,
        saved=ACTIVATION_BYTES * inputs * elements,
    )


def _column(name: str, model: Model, shape: Shape, outputs: Array, inputs: float) -> Linear:
    width = ACTIVATION_BYTES * model.hidden
    return Linear(
        name,
        shape.tokens,
        outputs,
        float(inputs),
        shape,
        gathers=True,
        group_bytes=width * shape.tokens,
        saved=width * shape.resident_tokens,
    )


def _row(name: str, model: Model, shape: Shape, inputs: Array) -> Linear:
    return Linear(
        name,
        shape.tokens,
        float(model.hidden),
        inputs,
        shape,
        reduces=True,
        group_bytes=ACTIVATION_BYTES * shape.tokens * model.hidden,
        saved=ACTIVATION_BYTES * shape.tokens * inputs,
    )


def _expert_elements(model: Model, shape: Shape) -> list[Element]:
    """Router, dispatch, this rank's routed experts, combine; shared experts as a dense feed-forward beside them.

    Tokens a rank routes: those it holds, each to `top_k` experts; the groups of expert-tensor ranks gather them.
    Assumes balanced routing and no dropped tokens. Source: Lepikhin et al. 2020 (GShard, arXiv 2006.16668).
    """
    moe = model.moe
    if moe is None:
        raise ValueError(f"{model.name} has no experts")
    held = shape.resident_tokens
    routed = held * moe.top_k
    vector = ACTIVATION_BYTES * model.hidden
    message = vector * routed
    gathered = message * shape.expert_tensor
    shared = _shared_elements(model, moe, shape)
    return [
        _router(model, moe, shape),
        Memory("permute", 2 * message, 2 * message, saved=0.0),
        Exchange("dispatch", "expert", "all-to-all", "all-to-all", message, moe.top_k, moe.groups_a_token),
        Exchange("expert gather", "expert_tensor", "all-gather", "reduce-scatter", gathered),
        *_grouped_experts(model, moe, shape, routed * shape.expert_tensor),
        Exchange("expert scatter", "expert_tensor", "reduce-scatter", "all-gather", gathered),
        Exchange("combine", "expert", "all-to-all", "all-to-all", message, moe.top_k, moe.groups_a_token),
        Memory("unpermute", message + vector * held, 2 * message + vector * held, saved=message),
        *shared,
    ]


def _router(model: Model, moe: Experts, shape: Shape) -> Memory:
    """Scores in fp32 (a thin product, bound by reading the tokens), softmax or sigmoid, top-k, counts."""
    held = shape.resident_tokens
    traffic = ACTIVATION_BYTES * held * model.hidden + 4 * FP32_BYTES * held * moe.experts
    return Memory("router", traffic, 2 * traffic, saved=FP32_BYTES * held * moe.experts, kernels=6)


def _grouped_experts(model: Model, moe: Experts, shape: Shape, rows: Array) -> list[Element]:
    local = moe.experts / shape.expert
    inner = moe.ffn_hidden / shape.expert_tensor
    outputs = (2 if model.gated else 1) * inner
    hidden = float(model.hidden)
    return [
        Linear("expert up", rows / local, outputs, hidden, shape, local, saved=ACTIVATION_BYTES * rows * hidden),
        _activation("expert activation", model, rows * inner),
        Linear("expert down", rows / local, hidden, inner, shape, local, saved=ACTIVATION_BYTES * rows * inner),
    ]


def _shared_elements(model: Model, moe: Experts, shape: Shape) -> list[Element]:
    if not moe.shared:
        return []
    width = moe.shared * (moe.shared_ffn_hidden or moe.ffn_hidden)
    return _dense_elements(model, shape, width, prefix="shared ")
