"""Readers of models whose layers differ one from another in heads, widths or reach.

Shapes follow `transformers/models/<type>/modeling_<type>.py` of transformers 5.24.0, or the source that is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clustersim.inputs.huggingface.config import Config, Fields, Names, layers_of, modules_of, sizes
from clustersim.inputs.huggingface.dense import LLAMA, pattern_of, windowed
from clustersim.inputs.huggingface.experts import EXPERT_FFN, TOP_K, deepseek, deepseek_experts, routed, where
from clustersim.inputs.units import shown

RATIOS = {0: "window", 4: "picked", 128: "pooled"}  # of DeepSeek-V4's layers


def llama4(config: Config) -> Fields:
    """Llama 4: three layers of four attend inside a chunk; every n-th has experts beside one shared."""
    layers = layers_of(config)
    fields = sizes(config, LLAMA, config.size("intermediate_size_mlp")) | {"gated": True}
    fields |= {"qkv_bias": config.flag("attention_bias")}
    rotary = config.entries("no_rope_layers", int, "0 and 1", layers if config.has("no_rope_layers") else None)
    types = config.entries("layer_types", str, "layer types", layers)
    pattern: tuple[str, ...] = ("chunked", "chunked", "chunked", "full")
    if types:
        pattern = tuple("chunked" if word == "chunked_attention" else "full" for word in types)
    elif rotary:
        pattern = tuple("chunked" if mark else "full" for mark in rotary)
    step = config.size("interleave_moe_layer_step")
    chosen = set(config.entries("moe_layers", int, "layer numbers"))
    held = [layer in chosen if chosen else (layer + 1) % step == 0 for layer in range(layers)]
    moe = where(config, routed(config, "num_local_experts", TOP_K, LLAMA.ffn), held, "interleave_moe_layer_step")
    chunk = config.maybe_size("attention_chunk_size")
    reach: Fields = {} if chunk is None else {"chunk": chunk, "attention_pattern": pattern}
    return fields | reach | {"moe": moe | {"shared": 1}}


def gemma4(config: Config) -> Fields:
    """Gemma 4: wide heads in full layers, values that are keys there, widths and sources of keys by layer."""
    layers, kv_heads = layers_of(config), config.size("num_key_value_heads")
    fields = sizes(config, LLAMA) | {"gated": True, "qk_norm": True, "post_norms": True}
    every = config.size("sliding_window_pattern")
    by_rule = tuple("full" if (layer + 1) % every == 0 or layer == layers - 1 else "sliding" for layer in range(layers))
    kinds = pattern_of(config, fields) if config.has("layer_types") else by_rule
    wide: Fields = {
        "kind": "full",
        "head_dim": config.maybe_size("global_head_dim") or config.size("head_dim"),
        "kv_heads": config.maybe_size("num_global_key_value_heads") or kv_heads,
        "keys_are_values": config.flag("attention_k_eq_v"),
    }
    shares = config.size("num_kv_shared_layers", least=0)
    mixers = {
        "global": wide,
        "global-shared": wide | {"kv_heads": 0},
        "sliding-shared": {"kind": "sliding", "kv_heads": 0},
    }
    names = {"full": "global", "sliding": "sliding"}
    pattern = tuple(
        names[kind] if layer < layers - shares else f"{names[kind]}-shared" for layer, kind in enumerate(kinds)
    )
    channels: Fields = {}
    if shares and config.flag("use_double_wide_mlp"):
        doubled = {"name": "wide", "kind": "dense", "ffn_hidden": 2 * config.size(LLAMA.ffn)}
        channels = {
            "channel_mixers": (doubled,),
            "channel_pattern": ("dense",) * (layers - shares) + ("wide",) * shares,
        }
    elif config.flag("enable_moe_block"):
        moe = routed(config, "num_experts", "top_k_experts", EXPERT_FFN)
        channels = {"moe": moe | {"shared": 1, "shared_ffn_hidden": config.size(LLAMA.ffn)}}
    return fields | named(mixers, pattern) | _window(config) | channels | _layer_inputs(config, fields)


def gemma3n(config: Config) -> Fields:
    """Gemma 3n's language model: the last layers take keys and values of earlier ones; widths may be listed."""
    layers = layers_of(config)
    ffn, channels = _widths(config, LLAMA.ffn, layers)
    fields = sizes(config, LLAMA, ffn) | {"gated": True, "qk_norm": True, "post_norms": True}
    kinds = pattern_of(config, fields) if config.has("layer_types") else ("sliding",) * 4 + ("full",)
    kinds = tuple(kinds[layer % len(kinds)] for layer in range(layers))
    shares = config.size("num_kv_shared_layers", least=0)
    mixers: dict[str, Fields] = {
        "full-shared": {"kind": "full", "kv_heads": 0},
        "sliding-shared": {"kind": "sliding", "kv_heads": 0},
    }
    pattern = tuple(kind if layer < layers - shares else f"{kind}-shared" for layer, kind in enumerate(kinds))
    hidden, rank = config.size("hidden_size"), config.size("laurel_rank")
    inputs = config.size("altup_num_inputs")
    more: Fields = {  # AltUp, Laurel
        "layer": 6 * hidden + 80 + 2 * rank * hidden + hidden,
        "ends": 2 * (inputs - 1) * hidden**2,
        "what": "AltUp's streams and Laurel's low-rank residuals",
    }
    return fields | named(mixers, pattern) | _window(config) | channels | _layer_inputs(config, fields, more)


def mimo_v2(config: Config) -> Fields:
    """MiMo-V2-Flash: window layers with key-value heads of their own, values narrower than keys, sinks (uncounted)."""
    layers = layers_of(config)
    marks = config.entries("hybrid_layer_pattern", int, "0 (whole sequence) and 1 (window)", layers)
    pattern = tuple("window" if mark else "full" for mark in marks) or (*("full",), *("window",) * 5)
    window: Fields = {
        "kind": "sliding",
        "heads": config.maybe_size("swa_num_attention_heads"),
        "kv_heads": config.maybe_size("swa_num_key_value_heads") or 2 * config.size("num_key_value_heads"),
        "head_dim": config.maybe_size("swa_head_dim"),
        "v_head_dim": config.maybe_size("swa_v_head_dim"),
    }
    freq = config.value("moe_layer_freq")
    held = [layer > 0 for layer in range(layers)]
    if isinstance(freq, list):
        held = [mark == 1 for mark in config.entries("moe_layer_freq", int, "0 (dense) and 1 (experts)", layers)]
    moe = where(config, routed(config, "n_routed_experts", TOP_K, EXPERT_FFN), held, "moe_layer_freq")
    fields = sizes(config, LLAMA) | {"gated": True, "v_head_dim": config.size("v_head_dim")}
    if config.flag("add_swa_attention_sink_bias") or config.flag("add_full_attention_sink_bias"):
        config.note("attention sinks (a number a head) are neither counted nor priced")
    result = fields | named({"window": window}, pattern) | _window(config)
    return result | {
        "moe": moe | {"shared": config.maybe_size("n_shared_experts", least=0) or 0},
        "mtp_layers": modules_of(config),
    }


def step3p5(config: Config) -> Fields:
    """Step-3.5 and 3.7: window layers that may have heads of their own, a gate a head, experts beside a shared one."""
    layers = layers_of(config)
    grouped = config.first("num_key_value_heads", "num_attention_groups")
    fields = sizes(config, Names(kv_heads=grouped)) | {"gated": True, "qk_norm": True}
    kinds = pattern_of(config, fields) if config.has("layer_types") else ("full", "sliding", "sliding", "sliding")
    other = Config(config.section("attention_other_setting"), {})
    heads = other.maybe_size("num_attention_heads")
    kv_heads = other.maybe_size("num_attention_groups")
    config.problems += other.problems
    window: Fields = {"kind": "sliding", "heads": heads, "kv_heads": kv_heads}
    pattern = tuple("window" if kind == "sliding" else "full" for kind in kinds)
    listed = set(_numbers(config, "moe_layers_enum"))
    first = config.size("first_k_dense_replace", least=0)
    held = [layer in listed if listed else layer >= first for layer in range(layers)]
    experts, top_k = config.first("num_experts", "moe_num_experts"), config.first(TOP_K, "moe_top_k")
    moe = where(config, routed(config, experts, top_k, EXPERT_FFN), held, "moe_layers_enum")
    moe |= {"shared": 1, "shared_ffn_hidden": config.size("share_expert_dim")}
    config.note("the gate of each head on its output (a number a token) is counted, and not priced")
    fields |= {"uncosted": {"layer": config.size(LLAMA.hidden) * config.size(LLAMA.heads)}}
    return (
        fields | named({"window": window}, pattern) | _window(config) | {"moe": moe, "mtp_layers": modules_of(config)}
    )


def nemotron_nas(config: Config) -> Fields:
    """Nemotron-NAS (DeciLM): Llama whose layers were searched one by one: fewer key-value heads, narrower, or none.

    A feed-forward is 2/3 of its multiple of the hidden size, rounded up to 256. Source: vllm @00bd149, nemotron_nas.py.
    """
    layers, heads, hidden = layers_of(config), config.size(LLAMA.heads), config.size(LLAMA.hidden)
    blocks = config.entries("block_configs", dict, "blocks with attention and ffn", layers)
    if not blocks:
        config.refuse("block_configs", "missing: one block a layer")
    mixers: dict[str, Fields] = {"none": {}}
    channels: dict[str, Fields] = {"none": {}}
    pattern, channel_pattern = [], []
    for number, block in enumerate(blocks):
        attention, ffn = (Config(_mapping(block, part), {}) for part in ("attention", "ffn"))
        mixer, channel = "none", "none"
        if attention.flag("replace_with_linear") or ffn.flag("replace_with_linear"):
            config.refuse(
                "block_configs", f"layer {number} is a single matrix (replace_with_linear), which is not built"
            )
        if not attention.flag("no_op"):
            group = attention.size("n_heads_in_group")
            mixer = f"kv{max(1, heads // group)}"
            mixers[mixer] = {"kind": "full", "kv_heads": max(1, heads // group)}
            if heads % group:
                config.refuse("block_configs", f"layer {number}: {group} does not divide the {heads} heads")
        if not ffn.flag("no_op"):
            width = ffn.maybe_size("intermediate_size") or _rounded(
                int(2 * ffn.number("ffn_mult", 0.0, 64.0, "a multiple of the hidden size") * hidden / 3), 256
            )
            channel = f"ffn{width}"
            channels[channel] = {"kind": "dense", "ffn_hidden": max(1, width)}
        for part, found in (("attention", attention), ("ffn", ffn)):
            for problem in found.problems:
                config.refuse("block_configs", f"layer {number}, {part}.{problem.key}: {problem.message}")
        pattern.append(mixer)
        channel_pattern.append(channel)
    widest = max((int(str(found["ffn_hidden"])) for found in channels.values() if found), default=1)
    most = max((int(str(found["kv_heads"])) for found in mixers.values() if found), default=1)
    fields = sizes(config, LLAMA, widest, most) | {"gated": True, "qkv_bias": config.flag("attention_bias")}
    return (
        fields
        | named(mixers, pattern or ["none"])
        | {
            "channel_mixers": _entries(channels),
            "channel_pattern": tuple(channel_pattern) or ("none",),
        }
    )


def openelm(config: Config) -> Fields:
    """OpenELM: heads and widths that grow with depth. Source: arXiv 2404.14619, section 2.1; its own class."""
    layers = layers_of(config, "num_transformer_layers")
    names = Names("num_transformer_layers", "model_dim", "", None, "head_dim", "", "vocab_size")
    queries = config.entries("num_query_heads", int, "heads", layers)
    keys = config.entries("num_kv_heads", int, "key-value heads", layers)
    ratios = config.value("ffn_multipliers")
    hidden, divisor = config.size("model_dim"), config.size("ffn_dim_divisor")
    if not isinstance(ratios, list) or len(ratios) != layers or not all(_is_ratio(ratio) for ratio in ratios):
        config.refuse("ffn_multipliers", f"{shown(ratios)} is not a list of {layers} multiples of model_dim")
        ratios = [1.0]
    if not queries or not keys or min(*queries, *keys) < 1 or any(q % k for q, k in zip(queries, keys, strict=False)):
        config.refuse("num_query_heads", "heads and key-value heads, one a layer, the latter dividing the former")
        queries = keys = (1,)
    widths = [_nearest(ratio * hidden, divisor) for ratio in ratios]
    mixers = {f"heads{q}-{k}": {"kind": "full", "heads": q, "kv_heads": k} for q, k in zip(queries, keys, strict=True)}
    channels = {f"ffn{width}": {"kind": "dense", "ffn_hidden": width} for width in widths}
    result: Fields = {
        "layers": layers,
        "hidden": hidden,
        "heads": max(queries),
        "kv_heads": max(keys) if max(queries) % max(keys) == 0 else 1,
        "head_dim": config.size(str(names.head_dim)),
        "ffn_hidden": max(widths),
        "vocab": config.size("vocab_size"),
        "tied_embeddings": config.flag("share_input_output_layers"),
        "gated": config.flag("ffn_with_glu"),
        "qk_norm": config.flag("normalize_qk_projections"),
        "channel_mixers": _entries(channels),
        "channel_pattern": tuple(f"ffn{width}" for width in widths),
    }
    return result | named(mixers, [f"heads{q}-{k}" for q, k in zip(queries, keys, strict=True)])


def deepseek_v32(config: Config) -> Fields:
    """DeepSeek-V3.2: latent attention to the keys that an indexer picks."""
    return deepseek(config) | {"indexer": _indexer(config), "attention_pattern": ("sparse",)}


def deepseek_v4(config: Config) -> Fields:
    """DeepSeek-V4: compressed attention by ratios, experts in every layer, four mixed residual streams.

    Without ratios in the file: two layers of 128, then 128 and 4 by turns. A ratio beyond the layers is the module's
    for multi-token prediction.
    """
    layers, streams = layers_of(config), config.size("hc_mult", most=64)
    ratios = config.entries("compress_ratios", int, "0, 4 or 128")[:layers]
    if not ratios:
        ratios = tuple(128 if layer < 2 or layer % 2 == 0 else 4 for layer in range(layers))
    if len(ratios) != layers or set(ratios) - set(RATIOS):
        config.refuse("compress_ratios", f"{shown(list(ratios))} is not 0, 4 or 128 for each of {layers} layers")
        ratios = (0,) * layers
    mixers: dict[str, Fields] = {
        "window": {"kind": "compressed"},
        "picked": {"kind": "compressed", "compress_ratio": 4},
        "pooled": {"kind": "compressed", "compress_ratio": 128, "indexed": False},
    }
    compressed: Fields = {
        "q_lora_rank": config.size("q_lora_rank"),
        "output_groups": config.size("o_groups"),
        "output_lora_rank": config.size("o_lora_rank"),
        "rope_dim": config.size("qk_rope_head_dim"),
    }
    hidden, mixed = config.size("hidden_size"), streams * (2 + streams)
    fields = sizes(config, LLAMA, config.size(EXPERT_FFN)) | {"gated": True, "residual_streams": streams}
    connections: Fields = {
        "layer": 2 * (mixed * streams * hidden + mixed + 3),
        "ends": streams * streams * hidden + streams + 1,
    }
    config.note("the products that weigh residual streams are counted; their traffic is priced, not they")
    beside = {"compressed": compressed, "indexer": _indexer(config), "uncosted": connections}
    pattern = named(mixers, [RATIOS.get(ratio, "window") for ratio in ratios])
    return fields | beside | pattern | _window(config) | deepseek_experts(config)


def glm_moe_dsa(config: Config) -> Fields:
    """GLM-5: the same; from 5.2 on some layers take another layer's choice and have no indexer of their own."""
    layers = layers_of(config)
    types = config.entries("indexer_types", str, "full or shared", layers)
    for word in sorted(set(types) - {"full", "shared"}):
        config.refuse("indexer_types", f"{shown(word)} is not known: full or shared")
    freq, offset = config.size("index_topk_freq"), config.size("index_skip_topk_offset", least=0)
    own = [word == "full" for word in types] or [max(layer - offset + 1, 0) % freq == 0 for layer in range(layers)]
    shared: dict[str, Fields] = {"sparse-shared": {"kind": "sparse", "indexed": False}}
    pattern = tuple("sparse" if here else "sparse-shared" for here in own)
    return deepseek(config) | {"indexer": _indexer(config)} | named(shared, pattern)


def named(mixers: Mapping[str, Fields], pattern: Sequence[str]) -> Fields:
    """The pattern, and the mixers with sizes of their own that it names."""
    used = {name: found for name, found in mixers.items() if name in pattern}
    return {"mixers": _entries(used), "attention_pattern": tuple(pattern)}


def _entries(found: Mapping[str, Fields]) -> tuple[Fields, ...]:
    return tuple(
        {"name": name, **{key: value for key, value in entry.items() if value is not None}}
        for name, entry in found.items()
        if entry
    )


def _indexer(config: Config) -> Fields:
    return {
        "heads": config.size("index_n_heads"),
        "head_dim": config.size("index_head_dim"),
        "top_k": config.size("index_topk"),
    }


def _window(config: Config) -> Fields:
    fields = windowed(config, ())
    return {key: value for key, value in fields.items() if key == "window"}


def _layer_inputs(config: Config, fields: Fields, more: Fields | None = None) -> Fields:
    """Embeddings of each layer's own, their projections, and what else is counted and takes next to no time."""
    width = config.maybe_size("hidden_size_per_layer_input", least=0) or 0
    layers, hidden = fields["layers"], fields["hidden"]
    assert isinstance(layers, int)
    assert isinstance(hidden, int)
    words = config.size("vocab_size_per_layer_input") if width else 0
    more = more or {"layer": 0, "ends": 0, "what": ""}
    layer, ends = int(str(more["layer"])), int(str(more["ends"]))
    if not width and not layer:
        return {}
    what = " and ".join(filter(None, ("embeddings of each layer's own" if width else "", str(more["what"]))))
    config.note(f"{what} are counted, and their work, below 1 %, is not priced")
    if width:
        layer += 2 * width * hidden + hidden
        ends += words * width * layers + width * layers * hidden + width
    return {"uncosted": {"layer": layer, "ends": ends}}


def _widths(config: Config, key: str, layers: int) -> tuple[int, Fields]:
    """A feed-forward size, or one a layer: the widest, and the pattern."""
    value = config.value(key)
    if not isinstance(value, list):
        return config.size(key), {}
    listed = config.entries(key, int, "sizes", layers)
    if not listed or min(listed) < 1:
        config.refuse(key, f"{shown(value)} is not a size a layer")
        return 1, {}
    if len(set(listed)) == 1:
        return listed[0], {}
    found: dict[str, Fields] = {f"ffn{width}": {"kind": "dense", "ffn_hidden": width} for width in listed}
    pattern = tuple(f"ffn{width}" for width in listed)
    return max(listed), {"channel_mixers": _entries(found), "channel_pattern": pattern}


def _numbers(config: Config, key: str) -> tuple[int, ...]:
    """Layer numbers, as a list or in one text, comma by comma."""
    value = config.value(key)
    if isinstance(value, str):
        words = value.split(",")
        if all(word.strip().isdigit() and len(word) < 8 for word in words):
            return tuple(int(word) for word in words)
        config.refuse(key, f"{shown(value)} is not a list of layer numbers")
        return ()
    return config.entries(key, int, "layer numbers")


def _mapping(block: Mapping[str, object], part: str) -> Mapping[str, object]:
    found = block.get(part)
    return found if isinstance(found, dict) else {}


def _is_ratio(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 64


def _rounded(size: int, multiple: int) -> int:
    """Rounded up to a multiple."""
    return -(-size // multiple) * multiple


def _nearest(size: float, multiple: int) -> int:
    """The nearest multiple that isn't more than a tenth below (`make_divisible` of the configuration class)."""
    near = max(multiple, int(size + multiple / 2) // multiple * multiple)
    return near + multiple if near < 0.9 * size else near
