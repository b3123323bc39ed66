"""A scenario as torchtitan's TOML (v0.2)."""

from __future__ import annotations

from clustersim.inputs.layout import PartialRecompute
from clustersim.inputs.scenario import Scenario
from clustersim.launchers.exported import Exported, header, unsaid
from clustersim.launchers.shapes import catalog_models
from clustersim.launchers.torchtitan import FLAVORS

SCHEDULES = {"1f1b": "1F1B", "interleaved-1f1b": "Interleaved1F1B", "gpipe": "GPipe", "zb-v": "ZBVZeroBubble"}
Sections = dict[str, dict[str, object]]


def to_torchtitan(scenario: Scenario) -> Exported:
    """Sections model, training, parallelism and activation_checkpoint."""
    out = Exported(suffix=".toml")
    sections: Sections = {"model": {}, "training": {}, "parallelism": {}, "activation_checkpoint": {}, "compile": {}}
    _model(scenario, sections, out)
    _training(scenario, sections, out)
    _parallelism(scenario, sections, out)
    _pipeline(scenario, sections, out)
    _recompute(scenario, sections, out)
    sections["compile"]["enable"] = True
    lines = [*header(scenario), *unsaid(out.left)]
    for name, entries in sections.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in entries.items())]
    out.text = "\n".join([*lines, ""])
    return out


def _model(scenario: Scenario, sections: Sections, out: Exported) -> None:
    known = {catalog: flavor for flavor, catalog in FLAVORS.items()}
    found = next((name for name, model in catalog_models().items() if name in known and model == scenario.model), None)
    name, flavor = known[found] if found is not None else ("llama3", scenario.model.name)
    sections["model"] |= {"name": name, "flavor": flavor}
    if found is None:
        out.leave("model", "a table in torchtitan's code: add this flavor there")
    if scenario.training.precision in ("fp8", "mxfp8"):
        sections["model"]["converters"] = ["float8" if scenario.training.precision == "fp8" else "mx"]


def _training(scenario: Scenario, sections: Sections, out: Exported) -> None:
    training, layout = scenario.training, scenario.resolved_layout
    local = training.global_batch // layout.data if layout.pipeline > 1 else layout.micro_batch
    sections["training"] |= {
        "seq_len": training.sequence_length,
        "local_batch_size": local,
        "global_batch_size": training.global_batch,
        "mixed_precision_reduce": "bfloat16" if training.grad_reduce_precision == "bf16" else "float32",
    }
    if training.grad_reduce_precision == "fp16":
        out.leave("training.grad_reduce_precision", "torchtitan reduces in float32 or bfloat16")
    if training.tokens is not None:
        steps = max(1, round(training.tokens / training.tokens_per_step))
        sections["training"]["steps"] = steps
        if steps * training.tokens_per_step != training.tokens:
            out.leave("training.tokens", f"steps are whole: {steps * training.tokens_per_step:,} tokens")
    if training.precision == "fp32":
        sections["training"]["mixed_precision_param"] = "float32"
    elif training.precision not in ("bf16", "fp8", "mxfp8"):
        out.leave("training.precision", "torchtitan has bf16, fp32, float8 and mx")
    if training.precision != "fp8" or training.fp8_recipe != "per-tensor":
        out.leave("training.fp8_recipe", "float8 has a scale a tensor or a row")
    for key, usual in (
        ("moment_precision", "fp32"),
        ("document_length", None),
        ("router", "typical"),
        ("capacity_factor", None),
    ):
        if getattr(training, key) != usual:
            out.leave(f"training.{key}", "no setting of torchtitan's files")


def _parallelism(scenario: Scenario, sections: Sections, out: Exported) -> None:
    layout = scenario.resolved_layout
    part = sections["parallelism"]
    ranks = layout.data * layout.context
    group = layout.zero_group or ranks
    replicate, shard = 1, layout.data
    if layout.sharding == "hybrid" and group % layout.context == 0:
        replicate, shard = ranks // group, group // layout.context
        if replicate == 1:
            out.leave("layout.sharding", "one group of all ranks is fsdp")
            out.leave("layout.zero_group", "one group of all ranks is fsdp")
    elif layout.sharding == "none":
        replicate, shard = layout.data, 1
    if layout.sharding == "none" and layout.context > 1:
        out.leave("layout.sharding", "torchtitan shards over context ranks: hybrid")
        out.leave("layout.zero_group", "torchtitan shards over context ranks")
    elif layout.sharding in ("zero1", "zero3") or (layout.sharding != "none" and ranks == 1):
        out.leave("layout.sharding", "torchtitan has FSDP, with parameters kept or gathered again, and DDP")
    if layout.sharding == "zero2":
        part["fsdp_reshard_after_forward"] = "never"
    if layout.zero_group is not None and layout.sharding != "hybrid":
        out.leave("layout.zero_group", "groups are torchtitan's hybrid sharding")
    part |= {
        "data_parallel_replicate_degree": replicate,
        "data_parallel_shard_degree": shard,
        "tensor_parallel_degree": layout.tensor,
        "pipeline_parallel_degree": layout.pipeline,
        "context_parallel_degree": layout.context,
        "enable_async_tensor_parallel": "tensor" in layout.overlap,
    }
    if scenario.model.moe is not None:
        part |= {"expert_parallel_degree": layout.expert, "expert_tensor_parallel_degree": layout.expert_tensor}
    for key in ("dispatcher", "rank_order", "offload", "where"):
        out.leave(f"layout.{key}", "no setting of torchtitan's files")
    if layout.overlap - {"tensor"} != {"fsdp"} or ("tensor" in layout.overlap and layout.tensor == 1):
        out.leave("layout.overlap", "torchtitan hides FSDP's traffic, and tensor's where asynchronous")
    if layout.sequence_parallel != (layout.tensor > 1):
        out.leave("layout.sequence_parallel", "torchtitan always has it with tensor parallelism")
    if layout.context == 1 or layout.context_kind != "rotation":
        out.leave("layout.context_kind", "PyTorch's own exchange: rotation")
    if scenario.model.moe is None:
        out.idle.add("layout.expert_tensor")


def _pipeline(scenario: Scenario, sections: Sections, out: Exported) -> None:
    layout, model = scenario.resolved_layout, scenario.model
    if layout.pipeline == 1:
        out.idle.add("layout.schedule")
        return
    stages = layout.pipeline * layout.virtual_stages
    each = -(-model.layers // stages)
    part = sections["parallelism"]
    part["pipeline_parallel_schedule"] = SCHEDULES.get(layout.schedule, "1F1B")
    if layout.schedule not in SCHEDULES:
        out.leave("layout.schedule", "no schedule of torchtitan's")
    part["pipeline_parallel_microbatch_size"] = layout.micro_batch
    part["pipeline_parallel_layers_per_stage"] = each
    part |= {"pipeline_parallel_first_stage_less_layers": 0, "pipeline_parallel_last_stage_less_layers": 0}
    base, more = divmod(model.layers, stages)
    if layout.stage_layers != tuple(base + (stage < more) for stage in range(stages)):
        out.leave("layout.stage_layers", "torchtitan spreads layers evenly, the first stages get what is over")
    if -(-model.layers // each) != stages:
        out.leave(
            "layout.virtual_stages", f"{each} layers a stage make {-(-model.layers // each)} stages, not {stages}"
        )
        out.leave("layout.stage_layers", "so many stages can't be said")
        out.leave("layout.schedule", "so many stages can't be said")


def _recompute(scenario: Scenario, sections: Sections, out: Exported) -> None:
    recompute = scenario.resolved_layout.recompute
    part = sections["activation_checkpoint"]
    if recompute == "operations":
        part |= {"mode": "selective", "selective_ac_option": "op"}
    elif isinstance(recompute, PartialRecompute):
        held = -(-scenario.model.layers // scenario.resolved_layout.pipeline)
        every = max(2, round(held / recompute.layers))
        part |= {"mode": "selective", "selective_ac_option": str(every)}
        if max(held // every, 1) != recompute.layers:
            out.leave("layout.recompute", f"every {every}. layer is the nearest")
    elif recompute in ("none", "full"):
        part["mode"] = recompute
    else:
        part |= {"mode": "selective", "selective_ac_option": "op"}
        out.leave("layout.recompute", "torchtitan selects every second product: operations")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return '"' + str(value).replace("\\", "").replace('"', "'") + '"' if isinstance(value, str) else str(value)
