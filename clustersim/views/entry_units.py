"""What the plain numbers of a catalog entry count: `0.803` is 80.3 %, `96` are layers."""

from __future__ import annotations

import re

from clustersim.inputs.merging import kind_of, part_of
from clustersim.inputs.units import dimension_of

NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")
SHARE = "%"  # of what is stated as a part of one
_MIXERS = {  # sizes of the kinds of layers that aren't plain attention
    "v_head_dim": "elements",
    "chunk": "tokens",
    "residual_streams": "streams",
    "channel_mixers.ffn_hidden": "elements",
    "mixers.heads": "heads",
    "mixers.kv_heads": "heads",
    "mixers.head_dim": "elements",
    "mixers.v_head_dim": "elements",
    "mixers.window": "tokens",
    "mixers.compress_ratio": "tokens a key",
    "mamba.inner": "channels",
    "mamba.state": "elements a channel",
    "mamba.rank": "elements",
    "mamba.conv": "taps",
    "mamba2.heads": "heads",
    "mamba2.head_dim": "channels",
    "mamba2.groups": "groups",
    "mamba2.state": "elements a channel",
    "mamba2.conv": "taps",
    "mamba2.chunk": "tokens",
    "gated_delta.key_heads": "heads",
    "gated_delta.value_heads": "heads",
    "gated_delta.key_dim": "elements",
    "gated_delta.value_dim": "elements",
    "gated_delta.conv": "taps",
    "gated_delta.chunk": "tokens",
    "kimi_delta.heads": "heads",
    "kimi_delta.head_dim": "elements",
    "kimi_delta.conv": "taps",
    "kimi_delta.chunk": "tokens",
    "lightning.heads": "heads",
    "lightning.head_dim": "elements",
    "lightning.block": "tokens",
    "short_conv.taps": "taps",
    "compressed.q_lora_rank": "elements",
    "compressed.output_groups": "groups",
    "compressed.output_lora_rank": "elements",
    "compressed.rope_dim": "elements",
    "indexer.heads": "heads",
    "indexer.head_dim": "elements",
    "indexer.top_k": "keys a query",
    **{f"native_sparse.{key}": "tokens" for key in ("block", "stride", "picked_block", "window")},
    "native_sparse.blocks": "blocks a query",
    "uncosted.layer": "parameters",
    "uncosted.ends": "parameters",
}
UNITS = {
    "accelerators": {
        "kernels.gemm_short_k": "elements",
        "kernels.gemm_small": "multiply-adds",
        **{
            f"kernels.scans.{library}.{kind}.half_heads": "heads"
            for library in ("triton", "cudnn")
            for kind in ("gated-delta", "kimi-delta", "lightning", "selective", "state-space")
        },
    },
    "nodes": {"devices": "devices", "scale_up_domain": "devices"},
    "clusters": {"nodes": "nodes", "devices": "devices", "power_usage_effectiveness": "x"},
    "models": {
        "layers": "layers",
        "hidden": "elements",
        "heads": "heads",
        "kv_heads": "heads",
        "head_dim": "elements",
        "ffn_hidden": "elements",
        "vocab": "words",
        "window": "tokens",
        "max_positions": "tokens",
        "mtp_layers": "layers",
        "moe.experts": "experts",
        "moe.top_k": "experts a token",
        "moe.ffn_hidden": "elements",
        "moe.shared": "experts",
        "moe.shared_ffn_hidden": "elements",
        "moe.leading_dense": "layers",
        "moe.every": "layers",
        "moe.groups": "groups",
        "moe.groups_a_token": "groups",
        "latent.kv_lora_rank": "elements",
        "latent.q_lora_rank": "elements",
        "latent.qk_nope_head_dim": "elements",
        "latent.qk_rope_head_dim": "elements",
        "latent.v_head_dim": "elements",
        **_MIXERS,
    },
    "stacks": {
        "memory_factor": "x",
        "logit_bytes": "B",
        "tensor_logit_bytes": "B",
        "sharded_logit_bytes": "B",
        "loss_chunks": "chunks",
        "optimizer_copies": "copies",
        "overlap_slowdown": SHARE,
        "reserved_cores": SHARE,
        "fragmentation": SHARE,
        "residual.spread": SHARE,
        "residual.shortfall": SHARE,
        "defaults.router.imbalance": SHARE,
    },
    "serving-stacks": {
        "prefill.all_to_all.slowdown": SHARE,
        "decode.all_to_all.slowdown": SHARE,
        **{
            f"{phase}.all_to_all.{way}.measured.ranks": "devices"
            for phase in ("prefill", "decode")
            for way in ("dispatch", "combine")
        },
    },
    "failures": {
        "stragglers.factor": "x",
        "stragglers.drift": "a day",
        "rate_factor": "x",
        "spares": "nodes",
        "checkpoint.bytes_per_parameter": "B",
    },
}


def with_unit(section: str, key: str, text: str) -> str:
    """A value of an entry with what it counts, where it is a number that doesn't say so itself."""
    if not NUMBER.fullmatch(text):
        return text
    plain = re.sub(r"\[\d+\]", "", key)
    while "." in plain and part_of(section, plain.split(".")[0]) in UNITS:  # another entry, stated in place
        first, plain = plain.split(".", 1)
        section = part_of(section, first)
    unit = SHARE if _is_share(section, plain) else UNITS.get(section, {}).get(plain, "")
    if unit == SHARE:
        return f"{100.0 * float(text):.6g} %"
    return f"{float(text):.6g} {unit}" if unit and "." in text else f"{text} {unit}".rstrip()


def _is_share(section: str, key: str) -> bool:
    """Whether a dotted key of a section leads to a fraction of one."""
    *parts, last = key.split(".")
    for part in parts:
        section = part_of(section, part)
    kind = kind_of(section)
    field = None if kind is None else kind.model_fields.get(last)
    return field is not None and dimension_of(field) == "fraction"
