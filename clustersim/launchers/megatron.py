"""Megatron-LM's arguments as a scenario: from a command line, its YAML forms, or the block that rank 0 logs.

Source of names and defaults: NVIDIA/Megatron-LM @d98e8a64 megatron/training/arguments.py and its tags since v2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from clustersim.errors import InputError, Problem
from clustersim.launchers.megatron_layout import MegatronLayout
from clustersim.launchers.megatron_model import MegatronModel
from clustersim.launchers.notes import Draft
from clustersim.launchers.plain_layout import put_named_model
from clustersim.launchers.settings import Setting, Settings
from clustersim.launchers.shapes import loaded_model
from clustersim.launchers.unmodelled import leave_rest
from clustersim.launchers.world import World, place

HOPPER = ("dgx-h100", "h100-sxm-80gb", 8)
BLACKWELL = ("hgx-b200", "b200", 8)
AMPERE = ("dgx-a100-80gb", "a100-sxm-80gb", 8)
ASCEND = ("atlas-800t-a2", "ascend-910b2", 8)
RECIPES = {"delayed": "per-tensor", "tensorwise": "per-tensor", "blockwise": "blockwise"}
# Words that date a script: years that knew them. Source: tags v2.0 to core_v0.15 of Megatron-LM.
OLD = (
    "checkpoint_activations",
    "checkpoint_num_layers",
    "activations_checkpoint_method",
    "DDP_impl",
    "model_parallel_size",
)


def read_megatron(
    settings: Settings,
    world: World,
    draft: Draft,
    *,
    source: str,
    hint: str,
    stack: str | None = None,
    usual: tuple[str, str, int] | None = None,
    noop_layers: Sequence[int] = (),
    schedule: str | None = None,
    named: Setting | None = None,
    model: str | None = None,
) -> None:
    """State the scenario that the arguments describe. Raises InputError where they name no model, or contradict.

    `schedule`: one of two chunks a device in place of 1F1B; `named`: what names a model whose sizes aren't given;
    `model`: the user's own word for it.
    """
    problems: list[Problem] = []
    old = [name for name in OLD if settings.given(name)]
    layout = MegatronLayout(settings, draft, problems)
    layers, experts = _model(settings, layout, draft, problems, source, len(noop_layers), named, model)
    layout.schedule = schedule
    if noop_layers:
        _with_noops(settings, layout, draft, layers, noop_layers)
    layout.read(layers, experts)
    if problems:
        raise InputError(source, problems)
    ranks = layout.tensor * layout.pipeline * layout.context
    held = draft.parts["layout"]
    group = held.get("expert", 1) * (held.get("expert_tensor", 1) if experts else 1)
    within = layout.tensor * layout.context
    needed = ranks * (group // gcd(group, within))
    devices = place(draft, world, hint, needed, usual or _usual_node(settings, old))
    data = devices // ranks
    draft.put("layout.data", data)
    _grouped(layout, draft, data)
    _batch(settings, draft, data)
    _tokens(settings, draft)
    _precision(settings, draft)
    settings.find("data_parallel_size", "world_size", "rank", "local_rank", "params_dtype")
    chosen = stack or _stack(settings, draft, old)
    draft.put("stack", chosen, None, _why_stack(old))
    leave_rest(settings, draft)


def _model(
    settings: Settings,
    layout: MegatronLayout,
    draft: Draft,
    problems: list[Problem],
    source: str,
    noops: int,
    named: Setting | None,
    model: str | None,
) -> tuple[int, bool]:
    """State the model, by its sizes or its name; its layers, and whether it has experts."""
    if model is None and settings.given("num_layers", "encoder_num_layers", "n_layers"):
        fields = MegatronModel(settings, draft, problems, layout.tensor).read(noops)
        if not fields:
            raise InputError(source, problems)
        return fields["layers"], "moe" in fields
    if named is None:
        named = settings.find(
            "load", "pretrained_checkpoint", "tokenizer_model", "tokenizer_name_or_path", "model", "model_name"
        )
    put_named_model(draft, source, named, model)
    found = loaded_model(str(draft.parts["model"]), source)
    if settings.given("num_layers") and (layers := settings.whole("num_layers")):
        draft.put("model", {"extends": draft.parts["model"], "layers": layers}, settings.find("num_layers"))
        return layers, found.moe is not None
    return found.layers, found.moe is not None


def _usual_node(settings: Settings, old: Sequence[str]) -> tuple[str, str, int]:
    """What is assumed where no name hints at a chip: the oldest that has the precision."""
    if old:
        return AMPERE
    fine = (settings.text("fp8_recipe") or "").lower().endswith("mxfp8") or settings.given("fp4_format", "fp4")
    return BLACKWELL if fine else HOPPER


def _with_noops(settings: Settings, layout: MegatronLayout, draft: Draft, layers: int, noops: Sequence[int]) -> None:
    """Stages of a model with layers that do nothing (MindSpeed): what is left of each even share."""
    counted = layers + len(noops)
    setting = settings.find("noop_layers")
    each = settings.whole("num_layers_per_virtual_pipeline_stage")
    stages = counted // each if each and layout.pipeline > 1 else layout.pipeline
    if layout.schedule is not None:
        stages = 2 * layout.pipeline
    if setting is None or layout.pipeline == 1 or counted % max(stages, 1):
        return
    share = counted // stages
    spread = [share - sum(stage * share <= layer < (stage + 1) * share for layer in noops) for stage in range(stages)]
    draft.put("layout.stage_layers", spread, setting)
    layout.stage_layers = spread
    settings.find("num_layers_per_virtual_pipeline_stage")
    settings.by_name.pop("num_layers_per_virtual_pipeline_stage", None)
    if stages > layout.pipeline:
        chunks = stages // layout.pipeline
        name = "num_virtual_stages_per_pipeline_rank"
        settings.by_name[name] = Setting(name, chunks, setting.line, f"{stages} virtual stages of {share} layers")


def _grouped(layout: MegatronLayout, draft: Draft, data: int) -> None:
    ranks = data * layout.context
    if layout.instances > 1 and ranks % layout.instances == 0 and draft.parts["layout"]["sharding"] != "none":
        draft.put("layout.zero_group", ranks // layout.instances)


def _batch(settings: Settings, draft: Draft, data: int) -> None:
    sequence = settings.whole("seq_length", "encoder_seq_length")
    if sequence:
        draft.put("training.sequence_length", sequence, settings.find("seq_length", "encoder_seq_length"))
    else:
        draft.put("training.sequence_length", 4096, None, "no --seq-length is known")
    micro = settings.whole("micro_batch_size", "batch_size")
    found = settings.find("micro_batch_size", "batch_size")
    if micro:
        draft.put("layout.micro_batch", micro, found)
    else:
        why = (
            f"{found.text.split()[0]} isn't known before a run"
            if found is not None
            else "no --micro-batch-size is given"
        )
        draft.put("layout.micro_batch", 1, None, why, found.line if found is not None else 0)
    unit = (micro or 1) * data
    batch, setting = settings.whole("global_batch_size"), settings.find("global_batch_size")
    if batch and batch % unit == 0:
        draft.put("training.global_batch", batch, setting)
    elif batch and setting is not None:
        size = max(unit, batch // unit * unit)
        why = f"{batch:,} is no multiple of {data} replicas x micro-batch {micro or 1}; the next that is"
        draft.put("training.global_batch", size, None, why, setting.line)
    else:
        draft.put("training.global_batch", unit, None, "micro-batch x replicas, as no --global-batch-size is known")


def _tokens(settings: Settings, draft: Draft) -> None:
    training = draft.parts["training"]
    samples, iterations = settings.whole("train_samples"), settings.whole("train_iters")
    if samples:
        draft.put("training.tokens", samples * training["sequence_length"], settings.find("train_samples"))
    elif iterations:
        tokens = iterations * training["global_batch"] * training["sequence_length"]
        draft.put("training.tokens", tokens, settings.find("train_iters"))


def _precision(settings: Settings, draft: Draft) -> None:
    fp8 = settings.find("fp8_format", "fp8", "fp8_hybrid", "fp8_e4m3")
    fp4 = settings.find("fp4_format", "fp4")
    recipe = (settings.text("fp8_recipe") or "delayed").split(".")[-1].lower()
    wide = "bf16" if settings.flag("bf16", False) else "fp16" if settings.flag("fp16", False) else "fp32"
    base = settings.find(wide)
    if fp4 is not None and fp4.value is not False:
        draft.put("training.precision", "nvfp4", fp4)
    elif fp8 is not None and fp8.value is not False and recipe == "mxfp8":
        draft.put("training.precision", "mxfp8", settings.find("fp8_recipe"))
    elif fp8 is not None and fp8.value is not False:
        draft.put("training.precision", "fp8", fp8)
        why = "" if settings.given("fp8_recipe") else "Megatron's default recipe, delayed"
        draft.put("training.fp8_recipe", RECIPES.get(recipe, "per-tensor"), settings.find("fp8_recipe"), why)
    else:
        draft.put("training.precision", wide, base, "" if base else "neither --bf16 nor --fp16 is given")
    _gradients(settings, draft, wide)
    if settings.flag("use_precision_aware_optimizer", False):
        kinds = [_dtype(settings.text(name)) for name in ("exp_avg_dtype", "exp_avg_sq_dtype")]
        if kinds == ["bf16", "bf16"]:
            draft.put("training.moment_precision", "bf16", settings.find("exp_avg_dtype"))
        for name in ("main_params_dtype", "main_grads_dtype"):
            if (setting := settings.find(name)) is not None and _dtype(settings.text(name)) not in (None, "fp32"):
                draft.left(setting, "master weights and gradients are kept in fp32")
    else:
        settings.find("exp_avg_dtype", "exp_avg_sq_dtype", "main_params_dtype", "main_grads_dtype")
    if "moe" in str(draft.parts.get("model")) or settings.given("num_experts", "num_moe_experts"):
        if settings.flag("moe_router_force_load_balancing", False):
            draft.put("training.router", "balanced", settings.find("moe_router_force_load_balancing"))
        if (factor := settings.real("moe_expert_capacity_factor")) is not None and factor >= 1:
            draft.put("training.capacity_factor", factor, settings.find("moe_expert_capacity_factor"))
    optimizer = settings.find("optimizer")
    if optimizer is not None and "adam" not in str(optimizer.value).lower():
        draft.left(optimizer, "Adam's states and traffic are priced")


def _gradients(settings: Settings, draft: Draft, wide: str) -> None:
    in_fp32 = settings.find("accumulate_allreduce_grads_in_fp32")
    in_bf16 = settings.find("grad_reduce_in_bf16")
    bf16_main = (
        settings.flag("use_precision_aware_optimizer", False) and _dtype(settings.text("main_grads_dtype")) == "bf16"
    )
    if wide == "bf16" and in_bf16 is not None and settings.flag("grad_reduce_in_bf16", False):
        draft.put("training.grad_reduce_precision", "bf16", in_bf16)
    elif wide == "bf16" and bf16_main:
        draft.put("training.grad_reduce_precision", "bf16", settings.find("main_grads_dtype"))
    elif wide == "fp16" and not settings.flag("accumulate_allreduce_grads_in_fp32", False):
        draft.put(
            "training.grad_reduce_precision", "fp16", in_fp32, "" if in_fp32 else "Megatron's default with --fp16"
        )
    else:
        why = "" if in_fp32 else f"Megatron's default with {wide}"
        draft.put(
            "training.grad_reduce_precision",
            "fp32",
            in_fp32 if settings.flag("accumulate_allreduce_grads_in_fp32") else None,
            why,
        )


def _dtype(text: str | None) -> str | None:
    names = {
        "bfloat16": "bf16",
        "bf16": "bf16",
        "float32": "fp32",
        "fp32": "fp32",
        "float16": "fp16",
        "fp16": "fp16",
        "fp8": "fp8",
    }
    return None if text is None else names.get(text.split(".")[-1], text)


def _stack(settings: Settings, draft: Draft, old: Sequence[str]) -> str:
    chip = str(draft.parts["cluster"].get("node", draft.parts["cluster"].get("accelerator")))
    if chip.startswith("mi3"):
        return "megatron-rocm-2025"
    if chip.startswith(("atlas", "ascend", "cloudmatrix")):
        return "mindspeed-llm-2024"
    if draft.parts["layout"]["sharding"] in ("fsdp", "zero2", "hybrid"):
        return "megatron-core-fsdp-2025"
    if old:
        return "megatron-lm-2022" if settings.given("activations_checkpoint_method", "bf16") else "megatron-lm-2021"
    return "megatron-core-2025"


def _why_stack(old: Sequence[str]) -> str:
    return (
        f"the software's age, by {', '.join(f'--{name}' for name in old)}"
        if old
        else "the usual software of the launcher"
    )
