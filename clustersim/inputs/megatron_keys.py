"""Megatron-LM's own words for what a scenario states: those that mean one of our keys, and what to write for others.

Source: NVIDIA/Megatron-LM @d98e8a64, megatron/training/arguments.py and megatron/core (names with underscores, as in
its logs and YAML files).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clustersim.inputs.units import shown

# Words whose values mean the same here.
SAME: Mapping[str, Mapping[str, str]] = {
    "scenarios.training": {
        "seq_length": "sequence_length",
        "global_batch_size": "global_batch",
        "moe_expert_capacity_factor": "capacity_factor",
    },
    "scenarios.layout": {
        "tensor_model_parallel_size": "tensor",
        "pipeline_model_parallel_size": "pipeline",
        "num_virtual_stages_per_pipeline_rank": "virtual_stages",
        "virtual_pipeline_model_parallel_size": "virtual_stages",
        "context_parallel_size": "context",
        "expert_model_parallel_size": "expert",
        "expert_tensor_parallel_size": "expert_tensor",
        "data_parallel_size": "data",
        "micro_batch_size": "micro_batch",
        "recompute_granularity": "recompute",
    },
    "models": {
        "num_layers": "layers",
        "hidden_size": "hidden",
        "num_attention_heads": "heads",
        "num_query_groups": "kv_heads",
        "kv_channels": "head_dim",
        "ffn_hidden_size": "ffn_hidden",
        "padded_vocab_size": "vocab",
        "swiglu": "gated",
        "add_qkv_bias": "qkv_bias",
        "qk_layernorm": "qk_norm",
        "mtp_num_layers": "mtp_layers",
    },
    "models.moe": {
        "num_experts": "experts",
        "num_moe_experts": "experts",
        "moe_router_topk": "top_k",
        "moe_ffn_hidden_size": "ffn_hidden",
        "moe_router_num_groups": "groups",
        "moe_router_group_topk": "groups_a_token",
    },
}

Answer = Callable[[Any], str]


def _switch(on: str, off: str = "leave it out") -> Answer:
    """What to write for a flag that is set, and for one that isn't."""
    return lambda value: on if value is True or value == "true" else off


def _choice(key: str, values: Mapping[str, str]) -> Answer:
    """Our value of a key for each of Megatron's; all of them where it is none."""
    either = " or ".join(dict.fromkeys(values.values()))
    return lambda value: f"{key}: {values.get(value, either) if isinstance(value, str) else either}"


def _overlap(what: str) -> Answer:
    return _switch(f"layout.overlap: [{what}]", f"layout.overlap without {what}")


_STAGES = "layout.stage_layers, the layers of every stage"
_SHARDED = {"optim_grads_params": "fsdp", "optim_grads": "zero2", "optim": "zero1", "no_shard": "none"}
_RECOMPUTED = "layout.recompute: full, or {layers: n} for n layers of every stage"
# What to write for words that mean no single key, or another value.
INSTEAD: Mapping[str, Mapping[str, Answer]] = {
    "scenarios.layout": {
        "use_distributed_optimizer": _switch("layout.sharding: zero1", "layout.sharding: none"),
        "use_megatron_fsdp": _switch("layout.sharding: fsdp"),
        "use_torch_fsdp2": _switch("layout.sharding: fsdp"),
        "data_parallel_sharding_strategy": _choice("layout.sharding", _SHARDED),
        "num_distributed_optimizer_instances": lambda value: "layout.sharding: hybrid, or layout.zero_group",
        "overlap_grad_reduce": _overlap("grad_reduce"),
        "overlap_param_gather": _overlap("param_gather"),
        "tp_comm_overlap": _overlap("tensor"),
        "overlap_moe_expert_parallel_comm": _overlap("expert"),
        "moe_shared_expert_overlap": _overlap("shared_expert"),
        "decoder_first_pipeline_num_layers": lambda value: f"{_STAGES}: [{value}, ...]",
        "decoder_last_pipeline_num_layers": lambda value: f"{_STAGES}: [..., {value}]",
        "account_for_embedding_in_pipeline_split": lambda value: _STAGES,
        "account_for_loss_in_pipeline_split": lambda value: _STAGES,
        "pipeline_model_parallel_layout": lambda value: _STAGES,
        "num_layers_per_virtual_pipeline_stage": lambda value: (
            f"layout.virtual_stages: layers / (layout.pipeline x {value})"
        ),
        "recompute_method": lambda value: _RECOMPUTED,
        "recompute_num_layers": lambda value: (
            f"layout.recompute: {{layers: {value}}} where the method is block, or full"
        ),
        "recompute_activations": _switch("layout.recompute: selective", "layout.recompute: none"),
        "recompute_modules": lambda value: "layout.recompute: selective, which is core_attn",
        "cp_comm_type": _choice("layout.context_kind", {"p2p": "ring", "all_gather": "all-gather", "a2a": "ulysses"}),
        "moe_token_dispatcher_type": _choice(
            "layout.dispatcher", {"allgather": "allgather", "alltoall": "alltoall", "flex": "deepep"}
        ),
        "optimizer_cpu_offload": _switch("layout.offload: optimizer"),
        "cpu_offloading": _switch("layout.offload: {layers: n}"),
        "cpu_offloading_num_layers": lambda value: f"layout.offload: {{layers: {value}}}",
        "use_tp_pp_dp_mapping": _switch("layout.rank_order: tensor-context-expert-pipeline-data"),
    },
    "scenarios.training": {
        "bf16": _switch("training.precision: bf16"),
        "fp16": _switch("training.precision: fp16"),
        "fp8_format": lambda value: "training.precision: fp8",
        "fp4_format": lambda value: "training.precision: nvfp4",
        "train_iters": lambda value: f"training.tokens: {value} x global_batch x sequence_length",
        "train_samples": lambda value: f"training.tokens: {value} x sequence_length",
        "accumulate_allreduce_grads_in_fp32": _switch("training.grad_reduce_precision: fp32"),
        "grad_reduce_in_bf16": _switch("training.grad_reduce_precision: bf16"),
        "exp_avg_dtype": _choice("training.moment_precision", {"bf16": "bf16", "fp32": "fp32"}),
        "moe_router_force_load_balancing": _switch("training.router: balanced"),
    },
    "models": {
        "group_query_attention": lambda value: "kv_heads",
        "untie_embeddings_and_output_weights": _switch("tied_embeddings: false", "tied_embeddings: true"),
        "disable_bias_linear": _switch("bias: false", "bias: true"),
        "normalization": _choice("norm", {"LayerNorm": "layer", "RMSNorm": "rms"}),
        "position_embedding_type": _choice(
            "position", {"rope": "rotary", "learned_absolute": "learned", "none": "none"}
        ),
        "multi_latent_attention": lambda value: "latent: {kv_lora_rank: ..., ...}",
        "num_experts": lambda value: f"moe: {{experts: {value}, ...}}",
        "num_moe_experts": lambda value: f"moe: {{experts: {value}, ...}}",
    },
    "stacks": {
        "use_flash_attn": _switch("fused_attention: true", "fused_attention: false"),
        "attention_backend": _choice(
            "fused_attention", {"flash": "true", "fused": "true", "auto": "true", "unfused": "false", "local": "false"}
        ),
        "moe_grouped_gemm": _switch("grouped_products: true", "grouped_products: false"),
    },
}


def instead(section: str, word: str, value: Any) -> str:
    """What is said of one of Megatron's words that means no key of a section; nothing of words that aren't any."""
    answer = INSTEAD.get(section, {}).get(word)
    return "" if answer is None else f"Megatron's word. For {word}: {shown(value)} write {answer(value)}"
