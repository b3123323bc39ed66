"""Readers of dense models with Llama's layer or near it, and of the attention that mixtures of experts share with them.

What a layer adds to Llama's or leaves out follows `transformers/models/<type>/modeling_<type>.py` of transformers
5.24.0, unless the reader names another source.
"""

from __future__ import annotations

from clustersim.inputs.huggingface.config import Config, Fields, Names, modules_of, sizes
from clustersim.inputs.units import shown

LLAMA = Names()
EXAONE = Names(layers="num_layers")
LATENT = Names(head_dim="v_head_dim")  # heads have sizes of their own: nothing to divide
PARALLEL = "attention and feed-forward stand beside each other in a layer; they are played one after the other"


def llama(config: Config) -> Fields:
    """Llama and its kin: gated feed-forward, rotary positions, RMS norms, grouped-query attention."""
    attention_bias = config.flag("attention_bias")
    biases = {"qkv_bias": attention_bias, "bias": attention_bias and config.flag("mlp_bias")}
    return sizes(config, LLAMA) | {"gated": True} | biases


def normed(config: Config) -> Fields:
    """Llama with norms on queries and keys."""
    return llama(config) | {"qk_norm": True}


def plain(config: Config) -> Fields:
    """Llama without the gate: Arcee."""
    return llama(config) | {"gated": False}


def normed_plain(config: Config) -> Fields:
    """Apertus: without the gate, norms on queries and keys."""
    return plain(config) | {"qk_norm": True}


def normed_whole(config: Config) -> Fields:
    """OLMo 2: norms over all queries and all keys, counted as those of one head (0.01 % less)."""
    return normed(config)


def olmo3(config: Config) -> Fields:
    """OLMo 3: OLMo 2 with windows in three of four layers."""
    return exaone4(config)


def baichuan(config: Config) -> Fields:
    """Baichuan: Llama; the 13B has ALiBi in place of rotary positions (recalled: it has 40 heads)."""
    fields = llama(config)
    return fields | {"position": "alibi"} if fields["heads"] == 40 else fields


def nemotron(config: Config) -> Fields:
    """Nemotron-3 and 4 of 2024: layer norms, squared ReLU without a gate."""
    if config.value("num_key_value_heads") is None:
        config.refuse("num_key_value_heads", "missing: its class has no default")
    return plain(config) | {"norm": "layer"}


def mistral(config: Config) -> Fields:
    """Mistral: every layer sees a sliding window, where there is one."""
    return llama(config) | windowed(config, ("sliding",))


def qwen(config: Config) -> Fields:
    """The first Qwen: biases on queries, keys and values alone; the file's feed-forward size is of both halves."""
    ffn = config.size(LLAMA.ffn)
    if ffn % 2:
        config.refuse(LLAMA.ffn, f"{ffn} is odd, and stands for two halves")
    names = Names(kv_heads=None, head_dim="kv_channels")
    return sizes(config, names, ffn_hidden=ffn // 2) | {"gated": True, "qkv_bias": True}


def qwen2(config: Config) -> Fields:
    """Qwen2: from `max_window_layers` on, layers see a window, if any is used."""
    fields = llama(config)
    if not config.flag("use_sliding_window"):
        return fields
    first, layers = config.size("max_window_layers", least=0), fields["layers"]
    assert isinstance(layers, int)
    by_layer = tuple("sliding" if layer >= first else "full" for layer in range(layers))
    return fields | windowed(config, _layer_types(config, layers) or by_layer)


def qwen3(config: Config) -> Fields:
    """Qwen3: Qwen2 with norms on queries and keys."""
    return qwen2(config) | {"qk_norm": True}


def mimo(config: Config) -> Fields:
    """MiMo: Qwen2 with a module for multi-token prediction."""
    return qwen2(config) | {"mtp_layers": modules_of(config)}


def glm4(config: Config) -> Fields:
    """GLM-4 of 2025: norms behind attention and feed-forward, too."""
    return llama(config) | {"post_norms": True}


def gemma2(config: Config) -> Fields:
    """Gemma 2: windows in every other layer, norms behind attention and feed-forward, too."""
    return every_nth_full(config) | {"post_norms": True}


def every_nth_full(config: Config) -> Fields:
    """OLMo 3, EXAONE 4, Cohere 2: layers with a window, every n-th of them full, or as the file lists."""
    fields = llama(config)
    return fields | windowed(config, pattern_of(config, fields))


def gemma3(config: Config) -> Fields:
    """Gemma 3 (its text model): Gemma 2 with norms on queries and keys."""
    return gemma2(config) | {"qk_norm": True}


def exaone4(config: Config) -> Fields:
    """EXAONE 4: windows in three of four layers, norms on queries and keys."""
    return every_nth_full(config) | {"qk_norm": True}


def cohere(config: Config) -> Fields:
    """Command-R and Aya: attention and feed-forward beside each other behind one norm."""
    config.note(PARALLEL)
    return llama(config) | {"qk_norm": config.flag("use_qk_norm")}


def cohere2(config: Config) -> Fields:
    """Command-R7B and Command-A: Cohere with windows in three of four layers."""
    config.note(PARALLEL)
    return every_nth_full(config)


def starcoder2(config: Config) -> Fields:
    """StarCoder 2: layer norms, biases, no gate, a window."""
    dropped = config.rate("residual_dropout") > 0
    more = {"gated": False, "norm": "layer", "bias": config.flag("use_bias"), "dropout": dropped}
    return sizes(config, LLAMA) | more | windowed(config, ("sliding",))


def stablelm(config: Config) -> Fields:
    """StableLM: layer norms, a gate, biases on queries, keys and values by choice."""
    if config.flag("use_parallel_residual"):
        config.note(PARALLEL)
    more = {"gated": True, "norm": "layer", "qkv_bias": config.flag("use_qkv_bias")}
    return sizes(config, LLAMA) | more | {"qk_norm": config.flag("qk_layernorm")}


def phi(config: Config) -> Fields:
    """Phi-1 to 2: layer norms, biases, no gate, attention and feed-forward beside each other."""
    config.note(PARALLEL)
    more = {"gated": False, "norm": "layer", "bias": True, "qk_norm": config.flag("qk_layernorm")}
    return sizes(config, LLAMA) | more | {"dropout": config.rate("resid_pdrop") > 0}


def exaone(config: Config) -> Fields:
    """EXAONE 3, whose own class says num_layers."""
    spelled = Names(layers=config.first(EXAONE.layers, LLAMA.layers))
    return sizes(config, spelled) | {"gated": True}


def internlm3(config: Config) -> Fields:
    """InternLM 3: biases by keys of its own."""
    return sizes(config, LLAMA) | {"gated": True, "qkv_bias": config.flag("qkv_bias"), "bias": config.flag("bias")}


def internlm2(config: Config) -> Fields:
    """InternLM 2: biases on attention alone (of its output too, which isn't counted)."""
    return sizes(config, LLAMA) | {"gated": True, "qkv_bias": config.flag("bias")}


def ernie(config: Config) -> Fields:
    """ERNIE 4.5: biases by choice."""
    return sizes(config, LLAMA) | {"gated": True, "bias": config.flag("use_bias")}


def orion(config: Config) -> Fields:
    """Orion: Llama with layer norms (mlc-llm, orion_model.py)."""
    return llama(config) | {"norm": "layer"}


def minicpm(config: Config) -> Fields:
    """MiniCPM: Llama, with experts in versions that are not read."""
    if config.maybe_size("num_experts", least=0):
        config.refuse("num_experts", "MiniCPM with experts is not read")
    return llama(config)


def minicpm3(config: Config) -> Fields:
    """MiniCPM 3: latent attention in a dense model; a value head is hidden / heads where the file is silent."""
    hidden, heads = config.size(LLAMA.hidden), config.size(LLAMA.heads)
    value = config.maybe_size("v_head_dim") or max(1, hidden // heads)
    latent = latent_of(config, v_head_dim=value)
    return sizes(config, Names(kv_heads=None, head_dim=None)) | {"gated": True, "latent": latent}


def latent_of(config: Config, v_head_dim: int | None = None) -> Fields:
    """The sizes of latent attention, in DeepSeek's spelling."""
    return {
        "kv_lora_rank": config.size("kv_lora_rank"),
        "q_lora_rank": config.maybe_size("q_lora_rank"),
        "qk_nope_head_dim": config.size("qk_nope_head_dim"),
        "qk_rope_head_dim": config.size("qk_rope_head_dim"),
        "v_head_dim": config.size("v_head_dim") if v_head_dim is None else v_head_dim,
    }


def windowed(config: Config, pattern: tuple[str, ...], key: str = "sliding_window") -> Fields:
    """A window and the layers that see it; none where the file or the class says null."""
    window = config.maybe_size(key)
    return {} if window is None else {"window": window, "attention_pattern": pattern}


def pattern_of(config: Config, fields: Fields) -> tuple[str, ...]:
    """Attention by layer as the file lists it, or every `sliding_window_pattern`-th full.

    The pattern may be spelled out: EXAONE 4's "LLLG" is three local layers and a global one.
    """
    layers = fields["layers"]
    assert isinstance(layers, int)
    listed = _layer_types(config, layers)
    if listed:
        return listed
    spelled = config.value("sliding_window_pattern")
    if isinstance(spelled, str) and 0 < len(spelled) <= layers and set(spelled) <= set("LG"):
        return tuple("full" if letter == "G" else "sliding" for letter in spelled)
    every = config.size("sliding_window_pattern")
    return ("sliding",) * min(every - 1, layers) + ("full",)


def _layer_types(config: Config, layers: int) -> tuple[str, ...]:
    """Attention by layer, where the file lists it."""
    kinds = config.entries("layer_types", str, "layer types", layers)
    known = {"full_attention": "full", "sliding_attention": "sliding"}
    for kind in sorted(set(kinds) - set(known)):
        config.refuse("layer_types", f"{shown(kind)} is not known here: full_attention or sliding_attention")
    return tuple(known.get(kind, "full") for kind in kinds)
