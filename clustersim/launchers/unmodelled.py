"""Settings that nothing here stands for, and why: those that bear on time or memory, and those that don't."""

from __future__ import annotations

import re

from clustersim.launchers.notes import Draft
from clustersim.launchers.settings import Settings

# What bears on time or memory and has no field.
MATTERS: dict[str, str] = {
    "rampup_batch_size": "the batch at its final size is priced, not its ramp",
    "step_batch_size_schedule": "the batch at its final size is priced, not its ramp",
    "distribute_checkpointed_activations": "checkpoints of activations aren't split over tensor ranks",
    "distribute_saved_activations": "checkpoints of activations aren't split over tensor ranks",
    "fine_grained_activation_offloading": "offloading of single modules has no field",
    "offload_modules": "offloading of single modules has no field",
    "first_last_layers_bf16": "all layers have one precision",
    "tensor_parallel_num_weight_shards": "weight shards have no field",
    "hybrid_context_parallel": "one context size for all sequences",
    "hierarchical_context_parallel_sizes": "one exchange of keys and values, not two tiers of it",
    "cuda_graph_impl": "graphs have no field; what the host costs is the stack's (host_launch)",
    "enable_cuda_graph": "graphs have no field; what the host costs is the stack's (host_launch)",
    "external_cuda_graph": "graphs have no field; what the host costs is the stack's (host_launch)",
    "delay_wgrad_compute": "which products hide experts' traffic is the stack's",
    "optimizer_offload_fraction": "the optimizer is offloaded as a whole",
    "overlap_param_gather_with_optimizer_step": "the first gather isn't hidden behind the optimizer",
    "fp8_param_gather": "parameters are gathered in bf16",
    "moe_zero_memory": "recomputation of experts' parts has no field",
    "recompute_activation_function": "recomputation of single operations has no field",
    "recompute_activation_function_num_layers": "recomputation of single operations has no field",
    "recompute_norm": "recomputation of single operations has no field",
    "recompute_mla_up_proj": "recomputation of single operations has no field",
    "recompute_in_bubble": "recomputation isn't moved into bubbles",
    "recompute_in_advance": "recomputation isn't issued early",
    "swap_attention": "attention's activations aren't moved to the host",
    "swap_layer_input": "activations aren't moved to the host",
    "smart_swap": "activations aren't moved to the host",
    "reuse_fp32_param": "16-bit and master weights don't share memory",
    "quant_states": "the optimizer's states aren't in 8 bits",
    "quant_grads": "gradients aren't in 8 bits",
    "layerzero": "no field",
    "tp_2d": "tensor parallelism in two dimensions has no field",
    "tp_x": "tensor parallelism in two dimensions has no field",
    "tp_y": "tensor parallelism in two dimensions has no field",
    "moe_pad_expert_input_to_capacity": "experts aren't padded to their capacity",
    "moe_enable_deepep": "the dispatcher stands in layout.dispatcher",
    "schedules_method": "no schedule here is this one",
    "lora_r": "training is priced in full, not of adapters alone",
    "lora_rank": "training is priced in full, not of adapters alone",
    "standalone_embedding_stage": "no stage of its own for the embedding",
}
STACK = re.compile(
    r"(use_)?(flash_attn|fused_|mcore|legacy)|attention_backend|transformer_impl|(no_)?\w*_fusion$|moe_grouped_gemm|"
    r"moe_permute_fusion|cross_entropy|gradient_accumulation_fusion|(no_)?async_tensor|nccl_ub|sm_margin|tp_comm_"
)
ON_SAVING = re.compile(
    r"(save|load|log|eval|tensorboard|wandb|timing|data|vocab|merge|tokenizer|split|seed|master|node_rank|rdzv|ckpt|"
    r"checkpoint|dist_ckpt|num_workers|exit|profile|distributed_backend|distributed_timeout|mock|train_data|valid|test)"
)


def leave_rest(settings: Settings, draft: Draft) -> None:
    """Say of every setting that wasn't read that it has no counterpart, and why."""
    for setting in list(settings.rest()):
        off = setting.value is False and " = " in setting.text  # a log prints every switch
        if setting.value is None or off:
            continue
        if setting.text.startswith("-") and not setting.text.startswith("--"):  # of python, srun and the like
            continue
        name = setting.name.split(".")[-1]
        name = name.removeprefix("no_") if name not in MATTERS else name
        if name in MATTERS:
            draft.left(setting, MATTERS[name] if setting.value is not False else "it is off")
        elif STACK.match(name):
            draft.left(setting, "kernels and their fusion are the stack's")
        elif ON_SAVING.match(name):
            draft.left(setting, "no step's time or memory depends on it here")
        elif setting.unknown:
            draft.left(setting, f"{setting.unknown} isn't known before a run")
        else:
            draft.left(setting, "no field stands for it")
