"""A scenario as DeepSpeed's JSON: batch, ZeRO, precision. Shapes and lengths are in the training program."""

from __future__ import annotations

import json
from typing import Any

from clustersim.inputs.scenario import Scenario
from clustersim.launchers.exported import Exported

STAGES = {"none": 0, "zero1": 1, "zero2": 2, "zero3": 3, "hybrid": 3, "fsdp": 3}
OVERLAPS: dict[int, set[str]] = {0: set(), 1: {"grad_reduce"}, 2: {"grad_reduce"}, 3: {"fsdp"}}
ELSEWHERE = "in the training program, not in DeepSpeed's JSON"


def to_deepspeed(scenario: Scenario) -> Exported:
    """One JSON object; what it can't say is left."""
    out = Exported(suffix=".json")
    layout, training = scenario.resolved_layout, scenario.training
    for key in ("model", "training.sequence_length", "training.tokens", "training.moment_precision", "training.router",
                "training.capacity_factor", "training.document_length", "training.fp8_recipe", "layout.dispatcher",
                "layout.rank_order", "layout.where", "layout.expert_tensor", "layout.context_kind", "layout.schedule",
                "layout.stage_layers"):  # fmt: skip
        out.leave(key, ELSEWHERE)
    if layout.recompute != "none":
        out.leave("layout.recompute", "DeepSpeed's JSON doesn't turn recomputation on")
    groups = {"tensor": layout.tensor, "pipeline": layout.pipeline, "context": layout.context, "expert": layout.expert}
    if layout.tensor * layout.pipeline * layout.context > 1:
        for key in ("data", "cluster"):
            out.leave(f"layout.{key}" if key == "data" else key, "replicas follow from batch and accumulation alone")
    for key, size in {**groups, "virtual_stages": layout.virtual_stages}.items():
        if size > 1:
            out.leave(f"layout.{key}", ELSEWHERE)
    if layout.sequence_parallel:
        out.leave("layout.sequence_parallel", ELSEWHERE)
    out.text = json.dumps(_document(scenario, out), indent=2) + "\n"
    assert training.global_batch
    return out


def _document(scenario: Scenario, out: Exported) -> dict[str, Any]:
    layout, training = scenario.resolved_layout, scenario.training
    stage = STAGES[layout.sharding]
    zero: dict[str, Any] = {"stage": stage, "overlap_comm": bool(OVERLAPS[stage] & layout.overlap)}
    if layout.overlap != (OVERLAPS[stage] if zero["overlap_comm"] else set()):
        out.leave("layout.overlap", "DeepSpeed has one switch, overlap_comm")
    if layout.sharding == "fsdp":
        out.leave("layout.sharding", "said as ZeRO-3")
        out.leave("layout.zero_group", "groups are ZeRO-3's secondary partition alone")
    elif layout.sharding == "hybrid" and layout.zero_group is not None and layout.data % layout.zero_group == 0:
        zero["zero_hpz_partition_size"] = layout.zero_group
        if layout.zero_group == 1:
            out.leave("layout.sharding", "groups of one shard nothing")
            out.leave("layout.zero_group", "groups of one shard nothing")
    elif layout.sharding == "hybrid" or layout.zero_group is not None:
        out.leave("layout.sharding", "groups are ZeRO-3's secondary partition alone")
        out.leave("layout.zero_group", "groups are ZeRO-3's secondary partition alone")
    if layout.offload == "optimizer":
        zero["offload_optimizer"] = {"device": "cpu"}
    elif layout.offload != "none":
        out.leave("layout.offload", "activations are the training program's affair")
    document: dict[str, Any] = {
        "train_batch_size": training.global_batch,
        "train_micro_batch_size_per_gpu": layout.micro_batch,
        "gradient_accumulation_steps": training.global_batch // (layout.micro_batch * layout.data),
        "zero_optimization": zero,
        "communication_data_type": training.grad_reduce_precision or "fp32",
    }
    if training.precision in ("bf16", "fp16"):
        document[training.precision] = {"enabled": True}
    elif training.precision != "fp32":
        document["bf16"] = {"enabled": True}
        out.leave("training.precision", "said as bf16")
    return document
