"""Readers of hybrids: attention beside state spaces, linear attention or convolutions, layer by layer.

Shapes follow `transformers/models/<type>/modeling_<type>.py` of transformers 5.24.0, or the source that is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clustersim.inputs.huggingface.config import Config, Fields, Names, layers_of, modules_of, sizes
from clustersim.inputs.huggingface.dense import LLAMA, latent_of, llama
from clustersim.inputs.huggingface.experts import EXPERT_FFN, TOP_K, leading, routed, where
from clustersim.inputs.units import shown

# Words of `layer_types`, with the aliases of transformers 5 (configuration_utils.py)
LAYER_TYPES = {
    "full_attention": "full",
    "attention": "full",
    "linear_attention": "linear",
    "mamba": "linear",
    "conv": "linear",
    "sliding_attention": "sliding",
}


def qwen3_5(config: Config) -> Fields:
    """Qwen3.5: Gated DeltaNet, every n-th layer attention with a gate on its output."""
    return _gated_delta_model(config, config.size(LLAMA.ffn))


def _gated_delta_model(config: Config, ffn: int) -> Fields:
    fields = sizes(config, LLAMA, ffn) | {"gated": True, "qk_norm": True, "output_gate": True}
    delta: Fields = {
        "key_heads": config.size("linear_num_key_heads"),
        "value_heads": config.size("linear_num_value_heads"),
        "key_dim": config.size("linear_key_head_dim"),
        "value_dim": config.size("linear_value_head_dim"),
        "conv": config.size("linear_conv_kernel_dim"),
    }
    every, layers = config.size("full_attention_interval"), layers_of(config)
    pattern = listed(config, {"linear": "gated-delta"}) or tuple(
        "full" if (layer + 1) % every == 0 else "gated-delta" for layer in range(layers)
    )
    modules = modules_of(config, "mtp_num_hidden_layers")
    return fields | {"gated_delta": delta, "attention_pattern": pattern, "mtp_layers": modules}


def qwen3_next(config: Config) -> Fields:
    """Qwen3-Next and Qwen3.5's mixtures: the same with experts beside a shared one with a gate, a number a token."""
    step, layers = config.size("decoder_sparse_step"), layers_of(config)
    dense = set(config.entries("mlp_only_layers", int, "layer numbers"))
    held = [(layer + 1) % step == 0 and layer not in dense for layer in range(layers)]
    moe = where(config, routed(config, "num_experts", TOP_K, EXPERT_FFN), held, "decoder_sparse_step")
    shared = config.maybe_size("shared_expert_intermediate_size", least=0)
    beside = {"shared": 1, "shared_ffn_hidden": shared} if shared else {}
    ffn = config.maybe_size(LLAMA.ffn) or config.size(EXPERT_FFN)
    gate = config.size(LLAMA.hidden) if shared else 0
    return _gated_delta_model(config, ffn) | {"moe": moe | beside, "uncosted": {"layer": gate}}


def kimi_linear(config: Config) -> Fields:
    """Kimi Linear: Kimi delta attention, every fourth layer latent attention without positions."""
    if config.has("routed_expert_hidden_size"):
        config.refuse("routed_expert_hidden_size", "experts between projections to a narrower width are not read")
    linear = Config(
        config.section("linear_attn_config"), {"head_dim": 128, "num_heads": 32, "short_conv_kernel_size": 4}
    )
    layers = layers_of(config)
    full = set(linear.entries("full_attn_layers", int, "layer numbers, counted from 1"))
    full = full or {layer + 1 for layer in range(4, layers, 4)} | {layers}
    delta: Fields = {
        "heads": linear.size("num_heads"),
        "head_dim": linear.size("head_dim"),
        "conv": linear.size("short_conv_kernel_size"),
    }
    config.problems += linear.problems
    pattern = tuple("full" if layer + 1 in full else "kimi-delta" for layer in range(layers))
    moe = leading(config, routed(config, "num_experts", "num_experts_per_token", EXPERT_FFN)) | {
        "shared": config.maybe_size("num_shared_experts", least=0) or 0,
        "groups": config.maybe_size("num_expert_group") or 1,
        "groups_a_token": config.maybe_size("topk_group"),
    }
    fields = sizes(config, Names(head_dim="v_head_dim")) | {"gated": True, "latent": latent_of(config)}
    kimi: Fields = {"kimi_delta": delta, "attention_pattern": pattern, "moe": moe, "mtp_layers": modules_of(config)}
    return fields | kimi


def minimax(config: Config) -> Fields:
    """MiniMax-Text-01 and M1: lightning attention, every eighth layer (as listed) softmax attention; experts."""
    fields = sizes(config, LLAMA) | {"gated": True, "moe": routed(config, "num_local_experts", TOP_K, LLAMA.ffn)}
    layers, heads = layers_of(config), config.size(LLAMA.heads)
    head = config.maybe_size("head_dim") or max(1, config.size(LLAMA.hidden) // heads)
    marks = config.entries("attn_type_list", int, "0 (lightning) and 1 (softmax)", layers)
    if set(marks) - {0, 1}:
        config.refuse("attn_type_list", f"{shown(list(marks))} has more than 0 (lightning) and 1 (softmax)")
    by_mark = tuple("full" if mark else "lightning" for mark in marks)
    alternating = tuple("lightning" if layer % 2 else "full" for layer in range(layers))
    lightning: Fields = {"heads": heads, "head_dim": head, "block": config.size("block_size")}
    pattern = by_mark or listed(config, {"linear": "lightning"}) or alternating
    return fields | {"lightning": lightning, "attention_pattern": pattern}


def nemotron_h(config: Config) -> Fields:
    """Nemotron-H and Nemotron 3: each layer is one of Mamba-2, attention, feed-forward or experts, behind one norm."""
    kinds = _letters(config)
    fields = sizes(config, Names(head_dim=config.first("head_dim", "attention_head_dim"))) | {"gated": False}
    mixers = {"M": "mamba2", "*": "full", "-": "none", "E": "none"}
    channels = {"M": "none", "*": "none", "-": "dense", "E": "experts"}
    mamba: Fields = {
        "heads": config.size("mamba_num_heads"),
        "head_dim": config.size("mamba_head_dim"),
        "groups": config.size("n_groups"),
        "state": config.size("ssm_state_size"),
        "conv": config.size("conv_kernel"),
        "chunk": config.size("chunk_size"),
    }
    pattern: Fields = {
        "attention_pattern": tuple(mixers[kind] for kind in kinds),
        "channel_pattern": tuple(channels[kind] for kind in kinds),
        "mamba2": mamba,
    }
    if "E" not in kinds:
        return fields | pattern
    moe = routed(config, "n_routed_experts", TOP_K, EXPERT_FFN) | {
        "shared": 1 if config.maybe_size("n_shared_experts", least=0) else 0,
        "shared_ffn_hidden": config.size("moe_shared_expert_intermediate_size"),
        "latent": config.maybe_size("moe_latent_size"),
        "groups": config.maybe_size("n_group") or 1,
        "groups_a_token": config.maybe_size("topk_group"),
    }
    if modules_of(config):
        config.note("modules for multi-token prediction are left out: the file doesn't say what they are made of")
    return fields | pattern | {"moe": moe}


def jamba(config: Config) -> Fields:
    """Jamba: Mamba, attention without positions in one layer of eight, experts in every other layer."""
    layers = layers_of(config)
    held = _periodic(config, "expert_layer", layers)
    attends = _periodic(config, "attn_layer", layers)
    fields = sizes(config, LLAMA) | {"gated": True, "position": "none"}
    pattern = tuple("full" if here else "mamba" for here in attends)
    result = fields | {"attention_pattern": pattern, "mamba": _mamba(config, "mamba_", norms=True)}
    if config.size("num_experts") == 1:
        return result
    return result | {"moe": where(config, routed(config, "num_experts", TOP_K, LLAMA.ffn), held, "expert_layer_period")}


def bamba(config: Config) -> Fields:
    """Bamba: Mamba-2 with attention in listed layers, a dense feed-forward in every one."""
    attends = set(config.entries("attn_layer_indices", int, "layer numbers"))
    pattern = tuple("full" if layer in attends else "mamba2" for layer in range(layers_of(config)))
    return sizes(config, LLAMA) | {"gated": True, "attention_pattern": pattern, "mamba2": _mamba2(config)}


def granite_hybrid(config: Config) -> Fields:
    """Granite 4: Mamba-2 or attention as listed, experts beside a shared one, rotary positions where the file says."""
    position = "rotary" if config.value("position_embedding_type") == "rope" else "none"
    pattern = listed(config, {"linear": "mamba2"}) or ("mamba2",)
    shared = config.size("shared_intermediate_size")
    fields = sizes(config, LLAMA) | {"gated": True, "position": position, "ffn_hidden": shared}
    fields |= {"attention_pattern": pattern, "mamba2": _mamba2(config)}
    if not config.maybe_size("num_local_experts", least=0):
        return fields
    moe = routed(config, "num_local_experts", TOP_K, LLAMA.ffn)
    return fields | {"moe": moe | {"shared": 1, "shared_ffn_hidden": shared}}


def falcon_h1(config: Config) -> Fields:
    """Falcon-H1: Mamba-2 beside attention in every layer."""
    channels = config.size("mamba_d_ssm")
    mamba = _mamba2(config, channels) | {"norm": config.flag("mamba_rms_norm")}
    return llama(config) | {"attention_pattern": ("beside-mamba2",), "mamba2": mamba}


def mamba(config: Config) -> Fields:
    """Mamba and Falcon-Mamba: the state space is all that a layer has."""
    hidden, layers = config.size("hidden_size"), config.first("num_hidden_layers", "n_layer")
    return _attention_free(config, layers, hidden) | {"attention_pattern": ("mamba",), "mamba": _mamba(config, "")}


def mamba2(config: Config) -> Fields:
    """Mamba-2 alone."""
    hidden = config.size("hidden_size")
    space: Fields = {
        "heads": config.size("num_heads"),
        "head_dim": config.size("head_dim"),
        "groups": config.size("n_groups"),
        "state": config.size("state_size"),
        "conv": config.size("conv_kernel"),
        "chunk": config.size("chunk_size"),
    }
    return _attention_free(config, "num_hidden_layers", hidden) | {"attention_pattern": ("mamba2",), "mamba2": space}


def lfm2(config: Config) -> Fields:
    """LFM2: short convolutions with attention in some layers; its feed-forward is two thirds of what the file says."""
    layers = layers_of(config)
    attends = set(config.entries("full_attn_idxs", int, "layer numbers"))
    by_index = tuple("full" if layer in attends or not attends else "conv" for layer in range(layers))
    ffn = config.size("block_ff_dim") if config.has("block_ff_dim") else config.size(LLAMA.ffn)
    if config.flag("block_auto_adjust_ff_dim"):
        factor = config.number("block_ffn_dim_multiplier", 0.0, 64.0, "a factor") or 1.0
        multiple = config.size("block_multiple_of")
        ffn = -(-int(factor * int(2 * ffn / 3)) // multiple) * multiple
    pattern = listed(config, {"linear": "conv"}) or by_index
    fields = sizes(config, LLAMA, ffn_hidden=max(1, ffn)) | {"gated": True, "qk_norm": True}
    return fields | {"attention_pattern": pattern, "short_conv": {"taps": config.size("conv_L_cache")}}


def lfm2_moe(config: Config) -> Fields:
    """LFM2's mixtures: experts behind leading dense layers."""
    pattern = listed(config, {"linear": "conv"})
    if not pattern:
        config.refuse("layer_types", "missing: list conv and full_attention for every layer")
    moe = routed(config, "num_experts", TOP_K, EXPERT_FFN)
    moe |= {"leading_dense": min(config.size("num_dense_layers", least=0), layers_of(config))}
    fields = sizes(config, LLAMA) | {"gated": True, "qk_norm": True, "moe": moe}
    return fields | {"attention_pattern": pattern or ("conv",), "short_conv": {"taps": config.size("conv_L_cache")}}


def listed(config: Config, renamed: Mapping[str, str]) -> tuple[str, ...]:
    """Mixers by layer, where the file lists them; `renamed`: what its word for the other kind means in this type."""
    words = config.entries("layer_types", str, "layer types", layers_of(config))
    for word in sorted(set(words) - set(LAYER_TYPES)):
        config.refuse("layer_types", f"{shown(word)} is not known. Known: {', '.join(LAYER_TYPES)}")
    kinds = tuple(LAYER_TYPES.get(word, "full") for word in words)
    return tuple(renamed.get(kind, kind) for kind in kinds)


def _letters(config: Config) -> Sequence[str]:
    """One letter a layer: M Mamba-2, * attention, - feed-forward, E experts."""
    layers = layers_of(config)
    words = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E", "linear_attention": "M", "full_attention": "*"}
    types = config.entries("layers_block_type", str, "layer types", layers)
    if types:
        for word in sorted(set(types) - set(words)):
            config.refuse("layers_block_type", f"{shown(word)} is not known. Known: {', '.join(words)}")
        return [words.get(word, "M") for word in types]
    pattern = config.value("hybrid_override_pattern")
    if not isinstance(pattern, str) or not pattern or set(pattern) - set("M*-E"):
        config.refuse("hybrid_override_pattern", f"{shown(pattern)} is not a word of M, *, - and E")
        return ["M"]
    if len(pattern) != layers:
        config.refuse("hybrid_override_pattern", f"has {len(pattern):,} letters, and there are {layers:,} layers")
        return ["M"]
    return pattern


def _periodic(config: Config, what: str, layers: int) -> list[bool]:
    """Layers n with n mod period = offset."""
    period, offset = config.size(f"{what}_period"), config.size(f"{what}_offset", least=0)
    return [layer % period == offset for layer in range(layers)]


def _mamba(config: Config, prefix: str, norms: bool = False) -> Fields:
    """The sizes of a selective state space; its step's rank is hidden / 16 rounded up where the file says auto."""
    names = {"": ("state_size", "expand", "conv_kernel", "time_step_rank")}
    state, expand, conv, rank = names.get(prefix, ("mamba_d_state", "mamba_expand", "mamba_d_conv", "mamba_dt_rank"))
    hidden = config.size("hidden_size")
    return {
        "inner": config.size(expand) * hidden,
        "state": config.size(state),
        "rank": -(-hidden // 16) if config.value(rank) == "auto" else config.size(rank),
        "conv": config.size(conv),
        "norms": norms,
    }


def _mamba2(config: Config, channels: int | None = None) -> Fields:
    """The sizes of Mamba-2 in the spelling of Bamba, Granite and Falcon-H1."""
    heads = config.size("mamba_n_heads")
    inner = channels or config.size("mamba_expand") * config.size("hidden_size")
    automatic = config.value("mamba_d_head") == "auto" or channels is not None
    if automatic and inner % heads:
        config.refuse("mamba_n_heads", f"{heads} does not divide the {inner} channels")
    return {
        "heads": heads,
        "head_dim": max(1, inner // heads) if automatic else config.size("mamba_d_head"),
        "groups": config.size("mamba_n_groups"),
        "state": config.size("mamba_d_state"),
        "conv": config.size("mamba_d_conv"),
        "chunk": config.size("mamba_chunk_size"),
    }


def _attention_free(config: Config, layers: str, hidden: int) -> Fields:
    """A model without attention and without feed-forward: their sizes are said, and never met."""
    return {
        "layers": layers_of(config, layers),
        "hidden": hidden,
        "heads": 1,
        "kv_heads": 1,
        "head_dim": hidden,
        "ffn_hidden": hidden,
        "gated": False,
        "vocab": config.size("vocab_size"),
        "tied_embeddings": config.flag("tie_word_embeddings"),
        "position": "none",
        "channel_pattern": ("none",),
    }
