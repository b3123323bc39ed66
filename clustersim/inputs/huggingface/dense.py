"""Readers of dense models, and of the attention that mixtures of experts share with them."""

from __future__ import annotations

from clustersim.inputs.huggingface.config import Config, Fields, Names, sizes

LLAMA = Names()
GPT2 = Names(layers="n_layer", hidden="n_embd", heads="n_head", kv_heads=None, head_dim=None, ffn="n_inner")
GPT_NEOX = Names(kv_heads=None, head_dim=None)
OPT = Names(kv_heads=None, head_dim=None, ffn="ffn_dim")
CHATGLM = Names(
    "num_layers", "hidden_size", "num_attention_heads", None, "kv_channels", "ffn_hidden_size", "padded_vocab_size"
)
CHATGLM_GROUPED = Names(
    "num_layers",
    "hidden_size",
    "num_attention_heads",
    "multi_query_group_num",
    "kv_channels",
    "ffn_hidden_size",
    "padded_vocab_size",
)


def llama(config: Config) -> Fields:
    """Llama and its kin: gated feed-forward, rotary positions, RMS norms, grouped-query attention."""
    attention_bias = config.flag("attention_bias")
    biases = {"qkv_bias": attention_bias, "bias": attention_bias and config.flag("mlp_bias")}
    return sizes(config, LLAMA) | {"gated": True} | biases


def mistral(config: Config) -> Fields:
    """Mistral: every layer sees a sliding window, where there is one."""
    return llama(config) | _windowed(config, ("sliding",))


def qwen2(config: Config) -> Fields:
    """Qwen2: from `max_window_layers` on, layers see a window, if any is used."""
    fields = llama(config)
    if not config.flag("use_sliding_window"):
        return fields
    first, layers = config.size("max_window_layers", least=0), config.size("num_hidden_layers")
    by_layer = tuple("sliding" if layer >= first else "full" for layer in range(layers))
    return fields | _windowed(config, _layer_types(config) or by_layer)


def qwen3(config: Config) -> Fields:
    """Qwen3: Qwen2 with norms on queries and keys."""
    return qwen2(config) | {"qk_norm": True}


def gemma2(config: Config) -> Fields:
    """Gemma 2: layers with a window, every n-th of them full."""
    every = config.size("sliding_window_pattern")
    return llama(config) | _windowed(config, _layer_types(config) or ("sliding",) * (every - 1) + ("full",))


def gemma3(config: Config) -> Fields:
    """Gemma 3 (its text model): Gemma 2 with norms on queries and keys."""
    return gemma2(config) | {"qk_norm": True}


def gpt2(config: Config) -> Fields:
    """GPT-2: learned positions, layer norms, biases, plain feed-forward."""
    ffn_hidden = config.maybe_size(GPT2.ffn) or 4 * config.size(GPT2.hidden)
    positions: Fields = {"position": "learned", "max_positions": config.size("n_positions")}
    return sizes(config, GPT2, ffn_hidden) | _plain(config.rate("resid_pdrop")) | positions


def gpt_neox(config: Config) -> Fields:
    """GPT-NeoX: rotary positions, the rest as GPT-2."""
    return sizes(config, GPT_NEOX) | _plain(config.rate("hidden_dropout"))


def opt(config: Config) -> Fields:
    """OPT: learned positions with two rows more than positions (modeling_opt.py), biases by choice."""
    hidden = config.size(OPT.hidden)
    if config.maybe_size("word_embed_proj_dim") not in (None, hidden):
        config.refuse("word_embed_proj_dim", f"embeddings of another size than hidden_size ({hidden}) are not modelled")
    positions: Fields = {"position": "learned", "max_positions": config.size("max_position_embeddings") + 2}
    biases = {"bias": config.flag("enable_bias")}
    return sizes(config, OPT) | _plain(config.rate("dropout")) | positions | biases


def chatglm(config: Config) -> Fields:
    """ChatGLM and GLM-4-9B in the spelling of their own repositories."""
    names = CHATGLM_GROUPED if config.flag("multi_query_attention") else CHATGLM
    biases = {"bias": config.flag("add_bias_linear"), "qkv_bias": config.flag("add_qkv_bias")}
    return sizes(config, names) | {"gated": True, "dropout": config.rate("hidden_dropout") > 0} | biases


def _plain(dropout: float) -> Fields:
    """What the generation of GPT-2 shares: no gate, layer norms, biases."""
    return {"gated": False, "norm": "layer", "bias": True, "dropout": dropout > 0}


def _windowed(config: Config, pattern: tuple[str, ...]) -> Fields:
    window = config.maybe_size("sliding_window")
    return {} if window is None else {"window": window, "attention_pattern": pattern}


def _layer_types(config: Config) -> tuple[str, ...]:
    """Attention by layer, where the file lists it."""
    kinds = config.entries("layer_types", str, "layer types")
    for kind in sorted(set(kinds) - {"full_attention", "sliding_attention"}):
        config.refuse("layer_types", f'"{kind}" is not known: full_attention or sliding_attention')
    return tuple(kind.removesuffix("_attention") for kind in kinds)
