"""A scenario as a shell script for Megatron-LM, or for MindSpeed-LLM."""

from __future__ import annotations

from clustersim.inputs.scenario import Scenario
from clustersim.launchers.exported import Exported, Flags, devices_of, header, is_even, unsaid
from clustersim.launchers.megatron_flags import megatron_flags, written

CONTEXTS = {"ring": "megatron_cp_algo", "ulysses": "ulysses_cp_algo", "all-gather": "kvallgather_cp_algo"}


def to_megatron(scenario: Scenario) -> Exported:
    """Flags of core 0.15, defaults included, in a script that starts them."""
    out = Exported()
    flags = megatron_flags(scenario, out)
    flags |= {"tokenizer_type": "NullTokenizer", "use_mcore_models": True}
    out.text = _script(scenario, flags, out, "GPUS_PER_NODE")
    return out


def to_mindspeed(scenario: Scenario) -> Exported:
    """The same for MindSpeed-LLM: chunks by their layers, its own words for context, overlap and offloading."""
    out = Exported()
    flags = megatron_flags(scenario, out)
    layout, model = scenario.resolved_layout, scenario.model
    kind = flags.pop("cp_comm_type", None)
    if kind is not None:
        flags["context_parallel_algo"] = CONTEXTS.get(layout.context_kind, "kvallgather_cp_algo")
    _stages(scenario, flags, out)
    if flags.pop("optimizer_cpu_offload", False):
        flags["swap_optimizer"] = True
    if "tensor_fused" in layout.overlap and layout.tensor > 1 and flags["sequence_parallel"]:
        flags["use_ascend_mc2"] = True
        out.left.pop("layout.overlap", None)
        out.leave("layout.overlap", "what is hidden beyond flags is MindSpeed's own")
    if flags.pop("use_megatron_fsdp", False):
        flags.pop("data_parallel_sharding_strategy")
        out.leave("layout.sharding", "said as the distributed optimizer")
        out.leave("layout.overlap", "nothing is gathered ahead")
    if flags.pop("num_distributed_optimizer_instances", None):
        out.leave("layout.zero_group", "MindSpeed shards over all replicas")
    if flags.pop("moe_flex_dispatcher_backend", None):
        flags["moe_token_dispatcher_type"] = "alltoall"
        out.leave("layout.dispatcher", "MindSpeed has alltoall and allgather")
    if flags.pop("overlap_moe_expert_parallel_comm", None):
        flags["moe_fb_overlap"] = True
    if model.moe is not None and model.moe.leading_dense and flags.get("moe_layer_freq", "").count("[") == 2:
        flags |= {"first_k_dense_replace": model.moe.leading_dense, "moe_layer_freq": 1}
    for flag in ("fp8_format", "fp8_recipe", "fp4_format"):
        if flags.pop(flag, None):
            out.leave("training.precision", "said as bf16: MindSpeed's low precision has other words")
            out.leave("training.fp8_recipe", "said as bf16")
    flags["make_vocab_size_divisible_by"] = 1
    out.text = _script(scenario, flags, out, "NPUS_PER_NODE")
    return out


def _stages(scenario: Scenario, flags: Flags, out: Exported) -> None:
    layout = scenario.resolved_layout
    flags.pop("num_virtual_stages_per_pipeline_rank", None)
    flags.pop("pipeline_model_parallel_layout", None)
    stages = layout.pipeline * layout.virtual_stages
    if layout.pipeline == 1:
        return
    if layout.virtual_stages > 1 and is_even(layout.stage_layers):
        flags["num_layers_per_virtual_pipeline_stage"] = scenario.model.layers // stages
    elif layout.virtual_stages > 1:
        rows = [list(layout.stage_layers[stage :: layout.pipeline]) for stage in range(layout.pipeline)]
        flags["pipeline_num_transformer_layers"] = str(rows).replace(" ", "")
    elif not is_even(layout.stage_layers):
        flags["num_layer_list"] = ",".join(str(count) for count in layout.stage_layers)


def _script(scenario: Scenario, flags: Flags, out: Exported, each_name: str) -> str:
    nodes, each = devices_of(scenario)
    lines = [
        f"    --{name.replace('_', '-')}{'' if value is True else ' ' + _quoted(written(value))}"
        for name, value in flags.items()
        if value is not False
    ]
    return "\n".join(
        [
            "#!/bin/bash",
            *header(scenario),
            *unsaid(out.left),
            f"{each_name}={each}",
            f"NNODES={nodes}",
            "ARGS=(",
            *lines,
            ")",
            f'torchrun --nproc_per_node "${each_name}" --nnodes "$NNODES" pretrain_gpt.py "${{ARGS[@]}}" "$@"',
            "",
        ]
    )


def _quoted(text: str) -> str:
    return text if text.replace("_", "").replace("-", "").replace(".", "").replace(",", "").isalnum() else f'"{text}"'
