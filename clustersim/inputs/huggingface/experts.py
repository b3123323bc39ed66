"""Readers of mixtures of experts."""

from __future__ import annotations

from clustersim.inputs.huggingface.config import Config, Fields, Names, sizes
from clustersim.inputs.huggingface.dense import LLAMA, llama, mistral, qwen2, qwen3

DBRX = Names("n_layers", "d_model", "n_heads", "kv_n_heads", None, "ffn_hidden_size", "vocab_size")
LATENT = Names(head_dim="v_head_dim")  # heads have sizes of their own: nothing to divide


def mixtral(config: Config) -> Fields:
    """Mixtral: experts in every layer."""
    moe = _routed(config, "num_local_experts", "num_experts_per_tok", LLAMA.ffn)
    return mistral(config) | {"moe": moe}


def dbrx(config: Config) -> Fields:
    """DBRX: experts in every layer, layer norms."""
    moe = _routed(config, "moe_num_experts", "moe_top_k", DBRX.ffn)
    return sizes(config, DBRX) | {"gated": True, "norm": "layer", "moe": moe}


def qwen2_moe(config: Config) -> Fields:
    """Qwen2-MoE: routed experts beside one shared expert of its own size."""
    shared = {"shared": 1, "shared_ffn_hidden": config.size("shared_expert_intermediate_size")}
    return qwen2(config) | {"qkv_bias": config.flag("qkv_bias"), "moe": _qwen_experts(config) | shared}


def qwen3_moe(config: Config) -> Fields:
    """Qwen3-MoE: routed experts alone."""
    return qwen3(config) | {"moe": _qwen_experts(config)}


def deepseek(config: Config) -> Fields:
    """DeepSeek-V2 and V3, Kimi K2, Pangu Ultra MoE: latent attention, experts, multi-token prediction."""
    latent: Fields = {
        "kv_lora_rank": config.size("kv_lora_rank"),
        "q_lora_rank": config.maybe_size("q_lora_rank"),
        **{key: config.size(key) for key in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")},
    }
    return sizes(config, LATENT) | {"gated": True, "latent": latent} | _deepseek_experts(config)


def deepseek_v4(config: Config) -> Fields:
    """DeepSeek-V4: one key-value head shared by all, compressed queries and outputs, experts in every layer.

    Stands in as latent attention with the key-value head as its latent vector, and values as wide as the low-rank,
    grouped output projection makes them: so the parameters come out right (284 B). Attention over the whole sequence is
    an upper bound, for the model's own is sparse. Assumed, as the file says nothing of either.
    """
    head, rope = config.size("head_dim"), config.size("qk_rope_head_dim")
    hidden, heads = config.size(LLAMA.hidden), config.size(LLAMA.heads)
    output = config.size("o_lora_rank") * (heads * head + config.size("o_groups") * hidden)  # two matrices, all groups
    if rope >= head:
        config.refuse("qk_rope_head_dim", f"{rope} leaves nothing of the head size {head}")
    latent: Fields = {
        "kv_lora_rank": head,
        "q_lora_rank": config.maybe_size("q_lora_rank"),
        "qk_nope_head_dim": head - rope,
        "qk_rope_head_dim": rope,
        "v_head_dim": max(1, round(output / (heads * hidden))),
    }
    fields = sizes(config, LLAMA, config.size("moe_intermediate_size"))
    return fields | {"gated": True, "latent": latent} | _deepseek_experts(config)


def glm4_moe(config: Config) -> Fields:
    """GLM-4.5: DeepSeek's experts behind grouped-query attention."""
    return llama(config) | {"qk_norm": config.flag("use_qk_norm")} | _deepseek_experts(config)


def _qwen_experts(config: Config) -> Fields:
    """Experts of Qwen: every `decoder_sparse_step`-th layer but those of `mlp_only_layers`."""
    step = config.size("decoder_sparse_step")
    dense_layers = config.entries("mlp_only_layers", int, "layer numbers")
    where = {"leading_dense": step - 1, "every": step, "dense_layers": dense_layers}
    return _routed(config, "num_experts", "num_experts_per_tok", "moe_intermediate_size") | where


def _deepseek_experts(config: Config) -> Fields:
    """Experts of DeepSeek and those who follow it: leading dense layers, shared experts, groups, MTP modules."""
    leading, every = config.size("first_k_dense_replace", least=0), config.size("moe_layer_freq")
    moe = _routed(config, "n_routed_experts", "num_experts_per_tok", "moe_intermediate_size") | {
        "shared": config.maybe_size("n_shared_experts", least=0) or 0,
        "leading_dense": -(-leading // every) * every,  # every n-th counts from layer 0
        "every": every,
        "groups": config.maybe_size("n_group") or 1,
        "groups_a_token": config.maybe_size("topk_group"),
    }
    return {"moe": moe, "mtp_layers": config.size("num_nextn_predict_layers", least=0)}


def _routed(config: Config, experts_key: str, top_k_key: str, ffn_key: str) -> Fields:
    """Routed experts, their numbers checked against each other."""
    experts, top_k = config.size(experts_key), config.size(top_k_key)
    if top_k > experts:
        config.refuse(top_k_key, f"a token cannot meet {top_k} of {experts} experts")
    return {"experts": experts, "top_k": top_k, "ffn_hidden": config.size(ffn_key)}
