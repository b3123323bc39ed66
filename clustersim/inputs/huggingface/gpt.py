"""Readers of GPT-2's generation: no gate, layer norms, biases, and names of their own for sizes."""

from __future__ import annotations

from clustersim.inputs.huggingface.config import Config, Fields, Names, sizes
from clustersim.inputs.huggingface.dense import PARALLEL

GPT2 = Names(layers="n_layer", hidden="n_embd", heads="n_head", kv_heads=None, head_dim=None, ffn="n_inner")
GPT_NEOX = Names(kv_heads=None, head_dim=None)
OPT = Names(kv_heads=None, head_dim=None, ffn="ffn_dim")
MPT = Names("n_layers", "d_model", "n_heads", None, None, "", "vocab_size")
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


def gpt2(config: Config) -> Fields:
    """GPT-2: learned positions, layer norms, biases, plain feed-forward."""
    return _gpt2_sizes(config) | _plain(config.rate("resid_pdrop")) | _learned(config, "n_positions")


def gpt_bigcode(config: Config) -> Fields:
    """SantaCoder, StarCoder: GPT-2 with one key-value head for all."""
    kv_heads = 1 if config.flag("multi_query") else None
    fields = _gpt2_sizes(config, kv_heads) | _plain(config.rate("resid_pdrop"))
    return fields | _learned(config, "n_positions")


def gptj(config: Config) -> Fields:
    """GPT-J: rotary positions, attention and feed-forward beside each other, biases on the latter alone (uncounted)."""
    config.note(PARALLEL)
    dropout = config.rate("resid_pdrop") > 0
    return _gpt2_sizes(config) | {"gated": False, "norm": "layer", "dropout": dropout}


def gpt_neox(config: Config) -> Fields:
    """GPT-NeoX: rotary positions, the rest as GPT-2."""
    return sizes(config, GPT_NEOX) | _plain(config.rate("hidden_dropout"))


def opt(config: Config) -> Fields:
    """OPT: learned positions with two rows more than positions (modeling_opt.py), biases by choice."""
    hidden = config.size(OPT.hidden)
    if config.maybe_size("word_embed_proj_dim") not in (None, hidden):
        config.refuse("word_embed_proj_dim", f"embeddings of another size than hidden_size ({hidden}) are not modelled")
    if not config.flag("do_layer_norm_before"):
        config.refuse("do_layer_norm_before", "norms behind the sub-blocks, and none at the end, are not modelled")
    biases = {"bias": config.flag("enable_bias")}
    learned = _learned(config, "max_position_embeddings", more=2)
    return sizes(config, OPT) | _plain(config.rate("dropout")) | learned | biases


def bloom(config: Config) -> Fields:
    """BLOOM: GPT-2's layer with ALiBi and a norm behind the embedding (uncounted)."""
    names = Names(
        config.first("n_layer", "num_hidden_layers"),
        config.first("hidden_size", "n_embed", "n_embd"),
        config.first("n_head", "num_attention_heads"),
        kv_heads=None,
        head_dim=None,
    )
    ffn = 4 * config.size(names.hidden)
    return sizes(config, names, ffn) | _plain(config.rate("hidden_dropout")) | {"position": "alibi"}


def mpt(config: Config) -> Fields:
    """MPT: no biases, norms with a weight alone, ALiBi unless its attention says otherwise."""
    ratio = config.number("expansion_ratio", 0.125, 64.0, "a ratio of feed-forward to hidden size")
    attention = Config(config.section("attn_config"), {"alibi": True, "attn_type": "multihead_attention"})
    kinds: dict[str, int | None] = {"multihead_attention": None, "multiquery_attention": 1}
    kv_heads = attention.word("attn_type", kinds)
    position = "alibi" if attention.flag("alibi") else "learned"
    config.problems += attention.problems
    fields = sizes(config, MPT, max(1, round(ratio * config.size(MPT.hidden))), kv_heads)
    learned = _learned(config, "max_seq_len") if position == "learned" else {"position": position}
    return fields | {"gated": False} | learned


def falcon(config: Config) -> Fields:
    """Falcon: key-value heads by generation, attention and feed-forward beside each other unless the file says no."""
    names = Names(
        config.first("num_hidden_layers", "n_layer"),
        config.first("hidden_size", "n_embed"),
        config.first("num_attention_heads", "n_head"),
        config.first("num_kv_heads", "n_head_kv"),
        head_dim=None,
    )
    new = config.flag("new_decoder_architecture")
    kv_heads = None if new else 1 if config.flag("multi_query") else config.size(names.heads)
    if new or config.flag("parallel_attn"):
        config.note(PARALLEL)
    ffn = config.maybe_size("ffn_hidden_size") or 4 * config.size(names.hidden)
    position = "alibi" if config.flag("alibi") else "rotary"
    fields = sizes(config, names, ffn, kv_heads) | _plain(config.rate("hidden_dropout"))
    return fields | {"bias": config.flag("bias"), "position": position}


def chatglm(config: Config) -> Fields:
    """ChatGLM and GLM-4-9B in the spelling of their own repositories."""
    names = CHATGLM_GROUPED if config.flag("multi_query_attention") else CHATGLM
    biases = {"bias": config.flag("add_bias_linear"), "qkv_bias": config.flag("add_qkv_bias")}
    return sizes(config, names) | {"gated": True, "dropout": config.rate("hidden_dropout") > 0} | biases


def _gpt2_sizes(config: Config, kv_heads: int | None = None) -> Fields:
    ffn_hidden = config.maybe_size(GPT2.ffn) or 4 * config.size(GPT2.hidden)
    return sizes(config, GPT2, ffn_hidden, kv_heads)


def _plain(dropout: float) -> Fields:
    """What the generation of GPT-2 shares: no gate, layer norms, biases."""
    return {"gated": False, "norm": "layer", "bias": True, "dropout": dropout > 0}


def _learned(config: Config, key: str, more: int = 0) -> Fields:
    return {"position": "learned", "max_positions": config.size(key) + more}
