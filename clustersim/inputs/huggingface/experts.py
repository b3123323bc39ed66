"""Readers of mixtures of experts; see `dense.py` for where their layers were read."""

from __future__ import annotations

from collections.abc import Sequence

from clustersim.inputs.huggingface.config import Config, Fields, Names, layers_of, modules_of, sizes
from clustersim.inputs.huggingface.dense import (
    LATENT,
    LLAMA,
    latent_of,
    llama,
    mistral,
    normed,
    pattern_of,
    qwen2,
    qwen3,
    windowed,
)

DBRX = Names("n_layers", "d_model", "n_heads", "kv_n_heads", None, "ffn_hidden_size", "vocab_size")
TOP_K = "num_experts_per_tok"
EXPERT_FFN = "moe_intermediate_size"


def mixtral(config: Config) -> Fields:
    """Mixtral, Phi-3.5-MoE: experts in every layer."""
    moe = routed(config, "num_local_experts", TOP_K, LLAMA.ffn)
    return mistral(config) | {"moe": moe}


def phimoe(config: Config) -> Fields:
    """Phi-3.5-MoE: Mixtral with layer norms."""
    return mixtral(config) | {"norm": "layer"}


def dbrx(config: Config) -> Fields:
    """DBRX: experts in every layer, layer norms."""
    moe = routed(config, "moe_num_experts", "moe_top_k", DBRX.ffn)
    return sizes(config, DBRX) | {"gated": True, "norm": "layer", "moe": moe}


def grok(config: Config) -> Fields:
    """Grok-1: experts in every layer, four norms a layer."""
    return llama(config) | {"post_norms": True, "moe": routed(config, "num_experts", TOP_K, LLAMA.ffn)}


def olmoe(config: Config) -> Fields:
    """OLMoE: experts in every layer, norms on queries and keys."""
    return normed(config) | {"moe": routed(config, "num_experts", TOP_K, LLAMA.ffn)}


def minimax_m2(config: Config) -> Fields:
    """MiniMax-M2: experts in every layer, norms on queries and keys, full attention."""
    modules = modules_of(config, "num_mtp_modules") if config.flag("use_mtp") else 0
    return normed(config) | {"moe": routed(config, "num_local_experts", TOP_K, LLAMA.ffn), "mtp_layers": modules}


def gpt_oss(config: Config) -> Fields:
    """gpt-oss: a window in every other layer; sinks, and biases of output and router, are counted, not priced."""
    experts = config.first("num_local_experts", "num_experts")
    fields = sizes(config, LLAMA) | {"gated": True, "qkv_bias": config.flag("attention_bias")}
    listed = pattern_of(config, fields) if config.has("layer_types") else ("sliding", "full")
    config.note("attention sinks (a number a head) are counted, and not priced; the experts' biases (0.03 %) neither")
    moe = routed(config, experts, TOP_K, LLAMA.ffn)
    beside = config.size(LLAMA.hidden) + config.size(LLAMA.heads) + config.size(experts)
    return fields | windowed(config, listed) | {"moe": moe, "uncosted": {"layer": beside}}


def granitemoe(config: Config) -> Fields:
    """Granite's mixtures: experts in every layer, beside a shared one where the file gives its size."""
    moe = routed(config, "num_local_experts", TOP_K, LLAMA.ffn)
    return llama(config) | {"moe": moe | _shared(config, "shared_intermediate_size")}


def qwen2_moe(config: Config) -> Fields:
    """Qwen2-MoE: routed experts beside one shared expert of its own size."""
    moe = _qwen_experts(config) | _shared(config, "shared_expert_intermediate_size")
    return qwen2(config) | {"qkv_bias": config.flag("qkv_bias"), "moe": moe}


def qwen3_moe(config: Config) -> Fields:
    """Qwen3-MoE: routed experts alone."""
    return qwen3(config) | {"moe": _qwen_experts(config)}


def hunyuan_moe(config: Config) -> Fields:
    """Hunyuan-A13B: experts in every layer beside a shared one of the same size, norms on queries and keys."""
    moe = routed(config, "num_experts", "moe_topk", config.first(EXPERT_FFN, LLAMA.ffn))
    return normed(config) | {"moe": moe | {"shared": config.same_size("num_shared_expert")}}


def ernie_moe(config: Config) -> Fields:
    """ERNIE 4.5: experts in a range of layers, every so many, shared ones beside."""
    layers, start = layers_of(config), config.size("moe_layer_start_index", least=0)
    end, step = config.size("moe_layer_end_index", least=-1), config.size("moe_layer_interval")
    last = layers - 1 if end == -1 else end
    held = [(layer + 1) % step == 0 and start <= layer <= last for layer in range(layers)]
    moe = where(config, routed(config, "moe_num_experts", "moe_k", EXPERT_FFN), held, "moe_layer_start_index")
    shared = config.maybe_size("moe_num_shared_experts", least=0) or 0
    fields = sizes(config, LLAMA) | {"gated": True, "bias": config.flag("use_bias")}
    return fields | {"moe": moe | {"shared": shared}, "mtp_layers": modules_of(config)}


def arctic(config: Config) -> Fields:
    """Arctic: experts beside a dense feed-forward of hidden size in every so many layers (vllm @00db011)."""
    step, layers = config.size("moe_layer_frequency"), layers_of(config)
    held = [(layer + 1) % step == 0 for layer in range(layers)]
    moe = where(config, routed(config, "num_local_experts", TOP_K, LLAMA.ffn), held, "moe_layer_frequency")
    beside = {"shared": 1, "shared_ffn_hidden": config.size(LLAMA.hidden)} if config.flag("use_residual") else {}
    return llama(config) | {"moe": moe | beside}


def bailing(config: Config) -> Fields:
    """Ling: leading dense layers, experts, shared ones beside (vllm @0056661; inclusionAI/Ming @621db5f)."""
    kv_heads = config.maybe_size("num_key_value_heads", least=0) or config.size(LLAMA.heads)
    moe = leading(config, routed(config, "num_experts", TOP_K, EXPERT_FFN))
    shared = config.maybe_size("num_shared_experts", least=0) or 0
    biases = {"bias": config.flag("use_bias"), "qkv_bias": config.flag("use_qkv_bias")}
    fields = sizes(config, LLAMA, kv_heads=kv_heads) | {"gated": True, "qk_norm": config.flag("use_qk_norm")} | biases
    return fields | {"moe": moe | {"shared": shared}, "mtp_layers": modules_of(config)}


def deepseek_first(config: Config) -> Fields:
    """DeepSeekMoE: grouped-query attention, shared experts, leading dense layers."""
    return llama(config) | deepseek_experts(config)


def deepseek(config: Config) -> Fields:
    """DeepSeek-V2 and V3, Kimi K2, Pangu Ultra MoE: latent attention, experts, multi-token prediction."""
    return sizes(config, LATENT) | {"gated": True, "latent": latent_of(config)} | deepseek_experts(config)


def glm4_moe(config: Config) -> Fields:
    """GLM-4.5 and dots.llm1's kin: DeepSeek's experts behind grouped-query attention."""
    return llama(config) | {"qk_norm": config.flag("use_qk_norm")} | deepseek_experts(config)


def dots1(config: Config) -> Fields:
    """dots.llm1: DeepSeek's experts behind grouped-query attention with norms on queries and keys."""
    return normed(config) | deepseek_experts(config)


def longcat_flash(config: Config) -> Fields:
    """LongCat-Flash: each layer is two of latent attention and dense feed-forward, with experts beside the first.

    The experts' exchange hides behind the dense path (ScMoE), which is played as experts beside a shared one. Of the
    slots that a token chooses among some are empty ("zero experts"): it meets so many fewer, rounded.
    Source: LongCat-Flash, arXiv 2509.01322, section 2; modeling_longcat_flash.py.
    """
    layers = config.size("num_layers", most=5000)
    ffn = config.size("ffn_hidden_size")
    experts, slots = config.size("n_routed_experts"), config.size("moe_topk")
    empty = config.maybe_size("zero_expert_num", least=0) or 0
    met = max(1, round(slots * experts / (experts + empty)))
    config.note(f"{layers} double layers are played as {2 * layers}, experts in every other one")
    if empty:
        config.note(f"of {slots} slots that a token chooses, {met} hold an expert on average; the others are empty")
    moe: Fields = {
        "experts": experts,
        "top_k": min(met, experts),
        "ffn_hidden": config.size("expert_ffn_hidden_size"),
        "shared": 1,
        "shared_ffn_hidden": ffn,
        "every": 2,
    }
    names = Names(layers="num_layers", kv_heads=None, head_dim=None)
    fields = sizes(config, names, ffn) | {"layers": 2 * layers, "gated": True, "latent": latent_of(config)}
    return fields | {"moe": moe, "mtp_layers": modules_of(config)}


def _qwen_experts(config: Config) -> Fields:
    """Experts of Qwen: every `decoder_sparse_step`-th layer but those of `mlp_only_layers`."""
    step = config.size("decoder_sparse_step")
    dense_layers = config.entries("mlp_only_layers", int, "layer numbers")
    where = {"leading_dense": min(step - 1, layers_of(config)), "every": step, "dense_layers": dense_layers}
    return routed(config, "num_experts", TOP_K, EXPERT_FFN) | where


def deepseek_experts(config: Config) -> Fields:
    """Experts of DeepSeek and those who follow it: leading dense layers, shared experts, groups, MTP modules."""
    moe = leading(config, routed(config, "n_routed_experts", TOP_K, EXPERT_FFN)) | {
        "shared": config.maybe_size("n_shared_experts", least=0) or 0,
        "groups": config.maybe_size("n_group") or 1,
        "groups_a_token": config.maybe_size("topk_group"),
    }
    return {"moe": moe, "mtp_layers": modules_of(config)}


def leading(config: Config, moe: Fields) -> Fields:
    """Experts from `first_k_dense_replace` on, every `moe_layer_freq`-th counted from layer 0."""
    leading, every = config.size("first_k_dense_replace", least=0), config.size("moe_layer_freq")
    return moe | {"leading_dense": min(-(-leading // every) * every, layers_of(config)), "every": every}


def where(config: Config, moe: Fields, held: Sequence[bool], key: str) -> Fields:
    """Experts in the layers that hold them; at least one must."""
    if True not in held:
        config.refuse(key, "leaves no layer with experts")
        return moe
    first = held.index(True)
    dense = tuple(layer for layer in range(first, len(held)) if not held[layer])
    return moe | {"leading_dense": first, "dense_layers": dense}


def _shared(config: Config, key: str) -> Fields:
    """One shared expert of its own size; none where the file or the class gives none."""
    size = config.maybe_size(key, least=0)
    return {"shared": 1, "shared_ffn_hidden": size} if size else {}


def routed(config: Config, experts_key: str, top_k_key: str, ffn_key: str) -> Fields:
    """Routed experts, their numbers checked against each other."""
    experts, top_k = config.same_size(experts_key), config.same_size(top_k_key)
    if top_k > experts:
        config.refuse(top_k_key, f"a token cannot meet {top_k} of {experts} experts")
    return {"experts": experts, "top_k": min(top_k, experts), "ffn_hidden": config.same_size(ffn_key)}
