"""A scenario as the YAML overrides of a Megatron-Bridge recipe."""

from __future__ import annotations

from typing import Any

import yaml

from clustersim.inputs.scenario import Scenario
from clustersim.launchers.exported import Exported, header, unsaid
from clustersim.launchers.megatron_flags import megatron_flags

TRAIN = ("micro_batch_size", "global_batch_size", "train_samples")
DDP = ("use_distributed_optimizer", "overlap_grad_reduce", "overlap_param_gather", "use_megatron_fsdp",
       "data_parallel_sharding_strategy", "num_distributed_optimizer_instances")  # fmt: skip
PRECISION = (
    "bf16",
    "fp16",
    "fp8_format",
    "fp8_recipe",
    "fp4_format",
    "grad_reduce_in_bf16",
    "accumulate_allreduce_grads_in_fp32",
)
OPTIMIZER = ("use_precision_aware_optimizer", "exp_avg_dtype", "exp_avg_sq_dtype", "optimizer_cpu_offload")
CORE = {
    "num_experts": "num_moe_experts",
    "num_virtual_stages_per_pipeline_rank": "virtual_pipeline_model_parallel_size",
}
RECIPES = {
    "tensorwise": "bf16_with_fp8_current_scaling_mixed",
    "blockwise": "bf16_with_fp8_subchannel_scaling_mixed",
    "mxfp8": "bf16_with_mxfp8_mixed",
}


def to_bridge(scenario: Scenario) -> Exported:
    """Sections model, train, ddp, comm_overlap, mixed_precision and optimizer."""
    out = Exported(suffix=".yaml")
    flags = megatron_flags(scenario, out)
    document: dict[str, Any] = {"model": {}, "train": {}, "ddp": {}, "optimizer": {}, "mixed_precision": ""}
    for name, value in flags.items():
        if name in TRAIN:
            document["train"][name] = value
        elif name in DDP:
            document["ddp"][name] = value
        elif name in OPTIMIZER:
            document["optimizer"][name] = value
        elif name == "tp_comm_overlap":
            document["comm_overlap"] = {"tp_comm_overlap": value}
        elif name not in PRECISION:
            document["model"] |= _core(name, value)
    for name in ("overlap_grad_reduce", "overlap_param_gather", "use_distributed_optimizer"):
        document["ddp"].setdefault(name, False)
    document["ddp"]["grad_reduce_in_fp32"] = scenario.training.grad_reduce_precision == "fp32"
    document["mixed_precision"] = _mixed(flags)
    if not document["mixed_precision"]:
        out.leave("training.precision", "Bridge trains in bf16 or fp16")
        document["mixed_precision"] = "bf16_mixed"
    if not document["optimizer"]:
        del document["optimizer"]
    body = yaml.safe_dump(document, sort_keys=False, width=110)
    out.text = "\n".join([*header(scenario), *unsaid(out.left), body])
    return out


def _core(name: str, value: Any) -> dict[str, Any]:
    """One of the model's settings by core's name."""
    if name == "swiglu":
        return {"gated_linear_unit": value, "activation_func": "silu" if value else "gelu"}
    if name == "disable_bias_linear":
        return {"add_bias_linear": not value}
    if name == "untie_embeddings_and_output_weights":
        return {"share_embeddings_and_output_weights": not value}
    if name == "group_query_attention":
        return {}
    return {CORE.get(name, name): value}


def _mixed(flags: dict[str, Any]) -> str:
    if "fp4_format" in flags:
        return "bf16_with_nvfp4_mixed"
    if "fp8_recipe" in flags:
        return RECIPES[flags["fp8_recipe"]]
    return "bf16_mixed" if flags.get("bf16") else "fp16_mixed" if flags.get("fp16") else ""
