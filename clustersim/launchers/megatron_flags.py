"""A scenario as Megatron's settings by name, defaults included; what they can't say is left."""

from __future__ import annotations

from typing import Any

from clustersim.inputs.layout import GROUPS, PartialOffload, PartialRecompute
from clustersim.inputs.model import Model
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.training import Loads
from clustersim.launchers.exported import Exported, Flags, expert_layers, is_even

USUAL_ORDERS = {"tensor-context-expert-data-pipeline": False, "tensor-context-expert-pipeline-data": True}
STRATEGIES = {
    "fsdp": "optim_grads_params",
    "zero3": "optim_grads_params",
    "zero2": "optim_grads",
    "hybrid": "optim_grads_params",
}
CONTEXTS = {"ring": "p2p", "all-gather": "all_gather", "ulysses": "a2a"}


def megatron_flags(scenario: Scenario, out: Exported) -> Flags:
    """Every setting, by Megatron's names."""
    flags: Flags = {}
    flags |= _model(scenario.model, out)
    if scenario.model.moe is not None:
        flags |= _experts(scenario.model, out)
    flags |= _training(scenario, out)
    flags |= _layout(scenario, out)
    flags |= _recompute(scenario, out)
    flags |= _sharding(scenario, out)
    return flags


def _model(model: Model, out: Exported) -> Flags:
    flags: Flags = {
        "num_layers": model.layers,
        "hidden_size": model.hidden,
        "ffn_hidden_size": model.ffn_hidden,
        "num_attention_heads": model.heads,
        "swiglu": model.gated,
        "padded_vocab_size": model.vocab,
        "normalization": "RMSNorm" if model.norm == "rms" else "LayerNorm",
        "untie_embeddings_and_output_weights": not model.tied_embeddings,
        "disable_bias_linear": not model.bias,
        "add_qkv_bias": model.qkv_bias and not model.bias,
        "qk_layernorm": model.qk_norm,
        "hidden_dropout": 0.1 if model.dropout else 0.0,
        "attention_dropout": 0.1 if model.dropout else 0.0,
    }
    if model.latent is None:
        flags |= {"kv_channels": model.head_size}
        if model.kv_heads != model.heads:
            flags |= {"group_query_attention": True, "num_query_groups": model.kv_heads}
    else:
        latent = model.latent
        flags |= {
            "multi_latent_attention": True,
            "kv_lora_rank": latent.kv_lora_rank,
            "qk_head_dim": latent.qk_nope_head_dim,
            "qk_pos_emb_head_dim": latent.qk_rope_head_dim,
            "v_head_dim": latent.v_head_dim,
        }
        flags |= {} if latent.q_lora_rank is None else {"q_lora_rank": latent.q_lora_rank}
    positions = {"rotary": "rope", "learned": "learned_absolute", "none": "none"}
    if model.position in positions:
        flags["position_embedding_type"] = positions[model.position]
    else:
        flags["position_embedding_type"] = "none"
        out.leave("model.position", f"Megatron has no {model.position}")
    if model.mtp_layers:
        flags["mtp_num_layers"] = model.mtp_layers
    if model.vision is not None:
        out.leave("model.vision", "a vision tower has no flags")
    if model.window is not None and "sliding" in model.attention_pattern:
        kinds = [model.attention_pattern[layer % len(model.attention_pattern)] for layer in range(model.layers)]
        flags["window_size"] = f"{model.window - 1},0"
        flags["window_attn_skip_freq"] = _runs([int(kind == "sliding") for kind in kinds])
    return flags


def _experts(model: Model, out: Exported) -> Flags:
    moe = model.moe
    assert moe is not None
    flags: Flags = {
        "num_experts": moe.experts,
        "moe_router_topk": moe.top_k,
        "moe_ffn_hidden_size": moe.ffn_hidden,
        "moe_grouped_gemm": True,
    }
    if moe.shared:
        flags["moe_shared_expert_intermediate_size"] = moe.shared * (moe.shared_ffn_hidden or moe.ffn_hidden)
        if moe.shared_ffn_hidden is not None:
            out.leave("model.moe.shared", "Megatron has the total width of shared experts alone")
            out.leave("model.moe.shared_ffn_hidden", "Megatron has the total width of shared experts alone")
    if moe.groups > 1:
        flags["moe_router_num_groups"] = moe.groups
        flags |= {} if moe.groups_a_token is None else {"moe_router_group_topk": moe.groups_a_token}
    holds = expert_layers(model)
    if not all(holds):
        flags["moe_layer_freq"] = _runs(holds)
    return flags


def _runs(values: list[int]) -> str:
    """A list of noughts and ones as people write it: ([0]*3+[1]*58)."""
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    return "(" + "+".join(f"[{value}]*{count}" for value, count in runs) + ")"


def _training(scenario: Scenario, out: Exported) -> Flags:
    training = scenario.training
    flags: Flags = {
        "seq_length": training.sequence_length,
        "max_position_embeddings": scenario.model.max_positions or training.sequence_length,
        "global_batch_size": training.global_batch,
    }
    if scenario.model.position == "learned" and scenario.model.max_positions is None:
        out.leave("model.max_positions", "Megatron always states it")
    if training.tokens is not None:
        samples = max(1, round(training.tokens / training.sequence_length))
        flags["train_samples"] = samples
        if samples * training.sequence_length != training.tokens:
            out.leave("training.tokens", f"samples are whole: {samples * training.sequence_length:,} tokens")
    flags |= _precision(scenario, out)
    if training.moment_precision == "bf16":
        flags |= {"use_precision_aware_optimizer": True, "exp_avg_dtype": "bf16", "exp_avg_sq_dtype": "bf16"}
    if training.document_length is not None:
        out.leave("training.document_length", "lengths of documents are in the data")
    if scenario.model.moe is not None:
        if training.router == "balanced":
            flags["moe_router_force_load_balancing"] = True
        elif isinstance(training.router, Loads):
            out.leave("training.router", "how evenly a router loads is no setting")
        if training.capacity_factor is not None:
            flags["moe_expert_capacity_factor"] = training.capacity_factor
    else:
        out.idle.add("training.router")
        out.idle.add("training.capacity_factor")
    return flags


def _precision(scenario: Scenario, out: Exported) -> Flags:
    training = scenario.training
    kind, reduce = training.precision, training.grad_reduce_precision or "fp32"
    wide = kind if kind in ("fp16", "fp32") else "fp32" if kind == "tf32" else "bf16"
    flags: Flags = {} if wide == "fp32" else {wide: True}
    if kind == "tf32":
        out.leave("training.precision", "tf32 is PyTorch's switch, not Megatron's")
    if kind in ("fp8", "mxfp8"):
        recipe = "mxfp8" if kind == "mxfp8" else "blockwise" if training.fp8_recipe == "blockwise" else "tensorwise"
        flags |= {"fp8_format": "hybrid", "fp8_recipe": recipe}
    if kind == "nvfp4":
        flags["fp4_format"] = "e2m1"
    if kind != "fp8":
        out.idle.add("training.fp8_recipe")
    allowed = {"bf16": ("fp32", "bf16"), "fp16": ("fp32", "fp16"), "fp32": ("fp32",)}[wide]
    if reduce not in allowed:
        out.leave("training.grad_reduce_precision", f"Megatron reduces in {' or '.join(allowed)} with {wide}")
    elif reduce == "bf16":
        flags["grad_reduce_in_bf16"] = True
    elif wide != "fp32" and reduce == "fp32":
        flags["accumulate_allreduce_grads_in_fp32"] = True
    return flags


def _layout(scenario: Scenario, out: Exported) -> Flags:
    layout, experts = scenario.resolved_layout, scenario.model.moe is not None
    flags: Flags = {
        "tensor_model_parallel_size": layout.tensor,
        "pipeline_model_parallel_size": layout.pipeline,
        "context_parallel_size": layout.context,
        "micro_batch_size": layout.micro_batch,
        "sequence_parallel": layout.sequence_parallel and layout.tensor > 1,
    }
    if layout.context > 1:
        if layout.context_kind not in CONTEXTS:
            out.leave("layout.context_kind", f"Megatron has no {layout.context_kind}; said as all_gather")
        flags["cp_comm_type"] = CONTEXTS.get(layout.context_kind, "all_gather")
    else:
        out.idle.add("layout.context_kind")
    if experts:
        flags |= {"expert_model_parallel_size": layout.expert, "expert_tensor_parallel_size": layout.expert_tensor}
        dispatchers: dict[str, Flags] = {
            "allgather": {"moe_token_dispatcher_type": "allgather"},
            "alltoall": {"moe_token_dispatcher_type": "alltoall"},
            "deepep": {"moe_token_dispatcher_type": "flex", "moe_flex_dispatcher_backend": "deepep"},
            "hybridep": {"moe_token_dispatcher_type": "flex", "moe_flex_dispatcher_backend": "hybridep"},
        }
        flags |= dispatchers[layout.dispatcher]
    else:
        for key in ("expert", "expert_tensor", "dispatcher"):
            out.idle.add(f"layout.{key}")
    _stages(scenario, flags, out)
    overlaps: dict[str, str] = {
        "grad_reduce": "overlap_grad_reduce",
        "param_gather": "overlap_param_gather",
        "tensor": "tp_comm_overlap",
    }
    if experts:
        overlaps |= {"expert": "overlap_moe_expert_parallel_comm", "shared_expert": "moe_shared_expert_overlap"}
    flags |= {flag: True for overlap, flag in overlaps.items() if overlap in layout.overlap}
    implied = {"tensor_backward"} if layout.tensor > 1 and "tensor" not in layout.overlap else set()
    if layout.sharding in ("fsdp", "zero3", "hybrid"):
        implied.add("fsdp")
    if set(layout.overlap) - set(overlaps) != implied:
        out.leave(
            "layout.overlap", "what is hidden of tensor, context and sharded traffic beyond flags is Megatron's own"
        )
    if layout.rank_order not in USUAL_ORDERS:
        out.leave("layout.rank_order", f"Megatron has {' and '.join(USUAL_ORDERS)}")
    elif USUAL_ORDERS[layout.rank_order]:
        flags["use_tp_pp_dp_mapping"] = True
    assert len(GROUPS) == 5
    if layout.offload == "optimizer":
        flags["optimizer_cpu_offload"] = True
    elif isinstance(layout.offload, PartialOffload):
        flags |= {"cpu_offloading": True, "cpu_offloading_num_layers": layout.offload.layers}
    elif layout.offload == "activations":
        flags |= {"cpu_offloading": True, "cpu_offloading_num_layers": -(-scenario.model.layers // layout.pipeline)}
        out.leave("layout.offload", "said as the number of layers")
    if layout.where is not None:
        out.leave("layout.where", "a condition of a search")
    return flags


def _stages(scenario: Scenario, flags: Flags, out: Exported) -> None:
    """Chunks a device, and the layers of each where they are uneven."""
    layout, model = scenario.resolved_layout, scenario.model
    schedule = "interleaved-1f1b" if layout.virtual_stages > 1 else "1f1b"
    if layout.schedule != schedule and layout.pipeline > 1:
        out.leave("layout.schedule", f"Megatron has 1f1b and interleaved-1f1b; {schedule} is what it runs")
    if layout.pipeline == 1:
        out.idle.add("layout.schedule")
        return
    flags["num_virtual_stages_per_pipeline_rank"] = layout.virtual_stages
    if not is_even(layout.stage_layers) or model.mtp_layers:
        flags["pipeline_model_parallel_layout"] = layout_string(layout.stage_layers, model.mtp_layers)


def layout_string(stages: tuple[int, ...], modules: int = 0) -> str:
    """Megatron's string for the layers of every virtual stage: `Et*3|t*4|t*3mL`."""
    words = [f"t*{count}" if count > 1 else "t" * count for count in stages]
    words[0] = f"E{words[0]}"
    words[-1] = f"{words[-1]}{'m' * modules}L"
    return "|".join(words)


def _recompute(scenario: Scenario, out: Exported) -> Flags:
    layout = scenario.resolved_layout
    recompute = layout.recompute
    if isinstance(recompute, PartialRecompute):
        chunk = -(-scenario.model.layers // (layout.pipeline * layout.virtual_stages))
        each, rest = divmod(recompute.layers, layout.virtual_stages)
        if rest or not 0 < each < chunk:
            out.leave(
                "layout.recompute", f"Megatron recomputes as many layers of each of {layout.virtual_stages} chunks"
            )
            each = max(1, each)
        return {"recompute_granularity": "full", "recompute_method": "block", "recompute_num_layers": each}
    if recompute == "full":
        return {"recompute_granularity": "full", "recompute_method": "uniform", "recompute_num_layers": 1}
    if recompute == "selective":
        return {"recompute_granularity": "selective"}
    if recompute == "operations":
        out.leave("layout.recompute", "Megatron selects modules, not every second product")
    return {}


def _sharding(scenario: Scenario, out: Exported) -> Flags:
    layout = scenario.resolved_layout
    flags: Flags = {}
    if layout.sharding in STRATEGIES:
        flags |= {"use_megatron_fsdp": True, "data_parallel_sharding_strategy": STRATEGIES[layout.sharding]}
        flags["use_distributed_optimizer"] = True
    elif layout.sharding == "zero1":
        flags["use_distributed_optimizer"] = True
    if layout.sharding == "zero3":
        out.leave("layout.sharding", "said as Megatron-FSDP's optim_grads_params")
    ranks = layout.data * layout.context
    if layout.zero_group is not None and layout.zero_group != ranks and layout.sharding != "none":
        flags["num_distributed_optimizer_instances"] = ranks // layout.zero_group
        if layout.sharding == "fsdp":
            out.leave("layout.sharding", "in groups it is hybrid")
    elif layout.sharding == "hybrid":
        out.leave("layout.sharding", "groups of how many ranks isn't stated; said as fsdp")
    if layout.zero_group == ranks:
        out.leave("layout.zero_group", "all ranks, as without it")
    return flags


def written(value: Any) -> str:
    """A value as a flag has it."""
    return f"{value:g}" if isinstance(value, float) else str(value)
