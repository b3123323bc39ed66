"""DeepSpeed's JSON, alone or named by a command that trains with Hugging Face's Trainer.

Source: deepspeedai/DeepSpeed @edaa7221 deepspeed/runtime/{config,constants,precision_config}.py and zero/config.py.
"""

from __future__ import annotations

from clustersim.launchers.flattened import flattened
from clustersim.launchers.notes import Draft
from clustersim.launchers.plain_layout import put_named_model, put_precision, put_sequence, put_sizes
from clustersim.launchers.settings import Setting, Settings
from clustersim.launchers.source import Source
from clustersim.launchers.unmodelled import leave_rest
from clustersim.launchers.world import World, place

STAGES = {0: "none", 1: "zero1", 2: "zero2", 3: "zero3"}
HOPPER = ("dgx-h100", "h100-sxm-80gb", 8)
STACK = "megatron-deepspeed-2024"


def is_deepspeed(source: Source) -> bool:
    """Whether a JSON file is DeepSpeed's."""
    table = source.table
    if source.path.suffix.lower() != ".json" or table is None:
        return False
    return "zero_optimization" in table or "train_micro_batch_size_per_gpu" in table or "train_batch_size" in table


def read_deepspeed(source: Source, draft: Draft) -> None:
    """State the scenario of a JSON file. Raises InputError where no model is known."""
    assert source.table is not None
    settings = Settings(flattened(source.table, source.text))
    put_named_model(draft, str(source.path), None, _model_beside(source))
    put_sequence(draft, settings)
    micro, steps = settings.whole("train_micro_batch_size_per_gpu"), settings.whole("gradient_accumulation_steps")
    batch = settings.whole("train_batch_size")
    data = None
    if batch and micro and steps and batch % (micro * steps) == 0:
        data = batch // (micro * steps)
    world = World(total=data, line=source.line_of("train_batch_size"), source="batch / micro-batch / accumulation")
    devices = place(draft, world if data else World(), source.hint, 1 if data else 8, HOPPER)
    put_sizes(draft, devices)
    put_batch(draft, settings, devices, micro, steps, batch)
    put_deepspeed(draft, settings)
    draft.put("layout.recompute", "none", None, "DeepSpeed's JSON doesn't turn recomputation on")
    draft.put("stack", STACK, None, "the usual software of the launcher")
    leave_rest(settings, draft)


def _model_beside(source: Source) -> str | None:
    """--model, or a Hugging Face config.json in the file's folder."""
    if source.model is not None:
        return source.model
    beside = source.path.parent / "config.json"
    return str(beside.absolute()) if beside.is_file() else None


def put_batch(
    draft: Draft, settings: Settings, replicas: int, micro: int | None, steps: int | None, batch: int | None
) -> None:
    """State micro-batch and global batch: two of the three sizes give the third; one alone means no accumulation."""
    if batch and not micro:
        micro = max(1, batch // ((steps or 1) * replicas))
    micro = micro if micro and micro > 0 else 8
    names = ("train_micro_batch_size_per_gpu", "per_device_train_batch_size", "micro_batch_size")
    found = next(
        (setting for name in names if (setting := settings.find(name)) is not None and setting.value != "auto"), None
    )
    draft.put(
        "layout.micro_batch", micro, found, "" if found else "what the sizes leave, or the Trainer's default of 8"
    )
    unit = micro * replicas
    if batch and batch % unit == 0:
        draft.put("training.global_batch", batch, settings.find("train_batch_size"))
        settings.find("gradient_accumulation_steps")
        return
    steps = steps if steps and steps > 0 else 1
    why = f"{micro} x {steps} x {replicas} replicas"
    setting = settings.find("gradient_accumulation_steps")
    draft.put(
        "training.global_batch", unit * steps, setting if setting is not None and setting.value != "auto" else None, why
    )


def put_deepspeed(draft: Draft, settings: Settings, *, precision: bool = True) -> None:
    """State what DeepSpeed's own keys say: sharding, offload, overlap, precision."""
    stage = settings.whole("zero_optimization.stage") or 0
    setting = settings.find("zero_optimization.stage")
    group = settings.whole("zero_optimization.zero_hpz_partition_size", "zero_optimization.mics_shard_size")
    if group and group > 1 and stage == 3:
        draft.put(
            "layout.sharding",
            "hybrid",
            settings.find("zero_optimization.zero_hpz_partition_size", "zero_optimization.mics_shard_size"),
        )
        draft.put("layout.zero_group", group)
    else:
        draft.put("layout.sharding", STAGES.get(stage, "zero3"), setting, "" if setting else "ZeRO isn't on")
    overlaps = settings.flag("zero_optimization.overlap_comm", stage == 3)
    found = settings.find("zero_optimization.overlap_comm")
    held = {3: ["fsdp"], 2: ["grad_reduce"], 1: ["grad_reduce"]}.get(stage, []) if overlaps else []
    draft.put("layout.overlap", held, found, "" if found else "DeepSpeed's default")
    device = settings.text("zero_optimization.offload_optimizer.device") or "none"
    if device in ("cpu", "nvme") or settings.flag("zero_optimization.cpu_offload", False):
        draft.put(
            "layout.offload",
            "optimizer",
            settings.find("zero_optimization.offload_optimizer.device", "zero_optimization.cpu_offload"),
        )
    parameters = settings.find("zero_optimization.offload_param.device")
    if parameters is not None and parameters.value not in (None, "none"):
        draft.left(parameters, "parameters stay on the device")
    if precision:
        put_precision(draft, _on(settings))
    kind = settings.text("communication_data_type", "data_types.grad_accum_dtype")
    if kind in ("fp32", "bf16", "fp16"):
        draft.put(
            "training.grad_reduce_precision",
            kind,
            settings.find("communication_data_type", "data_types.grad_accum_dtype"),
        )


def _on(settings: Settings) -> Settings:
    """The precisions that are enabled, by their bare names."""
    found = []
    for name, precision in (("bf16.enabled", "bf16"), ("bfloat16.enabled", "bf16"), ("fp16.enabled", "fp16")):
        setting = settings.find(name)
        if setting is not None and settings.flag(name, False) and setting.value != "auto":
            found.append(Setting(precision, True, setting.line, setting.text))
    return Settings(found)
