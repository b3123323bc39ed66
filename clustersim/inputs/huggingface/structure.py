"""What a file states of its layers and the type that it is read as doesn't know: refused, or noted.

A type's own reader looks at the keys that its class has. A file may say more: experts in a type without experts, a
state space under the name of Llama. Read as the type alone it would be another model, so that it is refused. What
changes nothing of the layers, such as how the stored weights are quantized, is a note.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from clustersim.inputs.huggingface.config import Config
from clustersim.inputs.units import shown

# The spellings of each part of a model, over all types. A reader that looks at one of a part's keys knows the part.
PARTS: Mapping[str, tuple[str, ...]] = {
    "experts": (
        *("num_experts", "num_local_experts", "n_routed_experts", "num_routed_experts", "moe_num_experts"),
        *("n_experts", "num_moe_experts"),
    ),
    "experts between projections to a narrower width": ("moe_latent_size", "routed_expert_hidden_size"),
    "latent attention": ("kv_lora_rank", "kv_latent_dim"),
    "sparse attention behind an indexer": ("index_topk", "index_n_heads", "sparse_attention_config"),
    "a state space": (
        *("mamba_d_state", "mamba_d_ssm", "mamba_n_heads", "mamba_num_heads", "n_mamba_heads"),
        *("ssm_state_size", "ssm_cfg", "state_size", "d_state"),
    ),
    "linear attention": (
        *("linear_num_value_heads", "linear_num_key_heads", "linear_attn_config", "linear_attention_config"),
        "gated_delta_config",
    ),
    "layers of several kinds": (
        *("hybrid_override_pattern", "layers_block_type", "attn_layer_indices", "attn_layer_period"),
        *("full_attn_idxs", "hybrid_layer_pattern", "hybrid_layer_ids", "attn_type_list", "full_attention_interval"),
        *("compress_ratios", "global_attn_layers", "linear_attn_config"),
    ),
    "layers of sizes of their own": ("block_configs", "ffn_multipliers"),
    "residual streams": ("hc_mult", "hyper_connection_rate", "num_residual_streams"),
    "residual banks": ("attn_res_block_size",),
    "cross-attention": ("cross_attention_layers", "cross_attn_every_n_layers", "add_cross_attention"),
    "layers that share weights or keys": (
        *("num_mem_blocks", "num_kv_shared_layers", "num_hidden_groups", "cla_share_factor"),
    ),
    "embeddings of each layer's own": ("hidden_size_per_layer_input",),
    "zero experts": ("zero_expert_num",),
    "low-rank adapters": ("adapter_rank", "use_shared_attention_adapter"),
}
# A width that says nothing while one of these says that there are none
IDLE = {"kv_lora_rank": "use_mla", "cla_share_factor": "use_cla"}
MODULES = ("num_nextn_predict_layers", "num_mtp_layers", "num_mtp_modules", "mtp_num_hidden_layers", "mtp_num_layers")
ATTENDS = {"full_attention", "attention"}

# Keys, or parts of them, that say nothing of the sizes of layers: tokens, training, positions, bookkeeping
ASIDE = (
    *("token", "dropout", "pdrop", "init", "eps", "epsilon", "rope", "rotary", "position", "max_", "min_", "length"),
    *(
        "dtype",
        "version",
        "cache",
        "architectures",
        "auto_map",
        "_act",
        "loss",
        "coef",
        "scal",
        "quantization",
        "label",
    ),
    *("task", "pretraining_tp", "output_", "return_", "name_or_path", "beam", "temperature", "top_p", "penalty"),
    *("seq", "norm", "fp32", "chunk_size_feed_forward", "softcap", "use_flash", "problem_type", "prefix", "_id"),
)


class Unknown(NamedTuple):
    """What is refused by key, and what is noted."""

    refused: dict[str, str]
    notes: list[str]


def unknown_to(kind: str, config: Config) -> Unknown:
    """What the file states of its layers that the reader of `kind` never looked at."""
    refused = {}
    for part, keys in PARTS.items():
        if any(key in config.seen for key in keys):
            continue
        for key in keys:
            if _is_on(config.stated(key)) and not _is_idle(config, key):
                refused[key] = f"{shown(config.stated(key))}: {part}, which {kind} does not have; is it another type?"
                break
    types = config.stated("layer_types")
    if "layer_types" not in config.seen and isinstance(types, list):
        others = sorted({str(word) for word in types} - ATTENDS)
        if others and not _windows_off(config, others):
            refused["layer_types"] = f"{shown(others[0])}: {kind} is read with attention to the whole sequence alone"
    return Unknown(refused, _notes(kind, config))


def left_over(config: Config) -> list[str]:
    """Keys with sizes or lists that no reader looked at, but for those that say nothing of layers."""
    return sorted(
        key
        for key in config.stated_keys() - config.seen
        if _is_on(config.stated(key)) and not any(word in key.lower() for word in ASIDE)
    )


def _notes(kind: str, config: Config) -> list[str]:
    modules = [] if config.seen & set(MODULES) else [key for key in MODULES if _is_on(config.stated(key), least=0)]
    notes = [f"{key} {shown(config.stated(key))}: {kind} is read without multi-token prediction" for key in modules]
    window = config.stated("sliding_window")
    if "sliding_window" not in config.seen and _is_on(window) and not _windows_off(config, ["sliding_attention"]):
        notes.append(f"sliding_window {shown(window)}: {kind} is read with attention to the whole sequence")
    return notes


def _windows_off(config: Config, others: list[str]) -> bool:
    return others == ["sliding_attention"] and config.stated("use_sliding_window") is False


def _is_idle(config: Config, key: str) -> bool:
    return key in IDLE and config.stated(IDLE[key]) is False


def _is_on(value: object, least: int = 1) -> bool:
    """Whether a value says that there is something: one expert is none, and a list of one entry alone, no pattern."""
    if isinstance(value, list) and value and not isinstance(value[0], dict | list):
        return any(entry != value[0] for entry in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return bool(value)
    return value > least
