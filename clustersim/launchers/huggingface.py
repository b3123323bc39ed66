"""Hugging Face's TrainingArguments: as JSON, or on a command line, with a DeepSpeed file or FSDP where they are named.

Source: huggingface/transformers @00349ae8 training_args.py, @02348331 integrations/deepspeed.py.
"""

from __future__ import annotations

from clustersim.errors import InputError
from clustersim.inputs.files import UnreadableError, read_utf8
from clustersim.launchers import commands
from clustersim.launchers.deepspeed import HOPPER, put_batch, put_deepspeed
from clustersim.launchers.flattened import flattened
from clustersim.launchers.notes import Draft
from clustersim.launchers.plain_layout import MODELS, put_named_model, put_precision, put_sequence, put_sizes
from clustersim.launchers.settings import Setting, Settings
from clustersim.launchers.source import MOST_BYTES, Source, json_table
from clustersim.launchers.unmodelled import leave_rest
from clustersim.launchers.world import World, place, world_of

WORDS = frozenset(
    {"per_device_train_batch_size", "gradient_accumulation_steps", "model_name_or_path", "deepspeed", "fsdp"}
)
SHARDING = {
    "full_shard": "fsdp",
    "shard_grad_op": "zero2",
    "hybrid_shard": "hybrid",
    "hybrid_shard_zero2": "hybrid",
    "no_shard": "none",
}


def is_arguments(source: Source) -> bool:
    """Whether a JSON or YAML file holds TrainingArguments."""
    table = source.table
    return table is not None and (
        "per_device_train_batch_size" in table or {"gradient_accumulation_steps", "bf16"} <= table.keys()
    )


def is_command(source: Source) -> bool:
    """Whether a script starts a Trainer."""
    return source.script is not None and bool(commands.launches(source.script, WORDS, 2))


def read_arguments(source: Source, draft: Draft) -> None:
    """State the scenario of a file of TrainingArguments."""
    assert source.table is not None
    settings = Settings(flattened(source.table, source.text))
    _read(settings, world_of(settings, dict(source.environment), Settings(())), source, draft, {})


def read_command(source: Source, draft: Draft) -> None:
    """State the scenario of a script."""
    assert source.script is not None
    launch = commands.chosen(source.script, WORDS, draft)
    directives = commands.slurm_directives(source.text, source.script)
    world = world_of(launch.settings, source.script.variables, directives)
    _read(launch.settings, world, source, draft, source.script.files)


def _read(settings: Settings, world: World, source: Source, draft: Draft, written: dict[str, tuple[str, int]]) -> None:
    put_named_model(draft, str(source.path), settings.find(*MODELS), source.model)
    put_sequence(draft, settings)
    devices = place(draft, world, source.hint, 1 if world.devices or world.nodes or world.each else 8, HOPPER)
    put_sizes(draft, devices)
    micro = settings.whole("per_device_train_batch_size", "per_gpu_train_batch_size", "micro_batch_size")
    put_batch(draft, settings, devices, micro, settings.whole("gradient_accumulation_steps"), None)
    put_precision(draft, settings)
    steps = settings.whole("max_steps")
    if steps and steps > 0:
        training = draft.parts["training"]
        draft.put(
            "training.tokens",
            steps * training["global_batch"] * training["sequence_length"],
            settings.find("max_steps"),
        )
    _sharding(settings, source, draft, written)
    on = settings.flag("gradient_checkpointing", False)
    setting = settings.find("gradient_checkpointing")
    draft.put("layout.recompute", "full" if on else "none", setting, "" if setting else "the Trainer's default")
    settings.find("gradient_checkpointing_kwargs")
    leave_rest(settings, draft)


def _sharding(settings: Settings, source: Source, draft: Draft, written: dict[str, tuple[str, int]]) -> None:
    deepspeed = settings.find("deepspeed", "deepspeed_config")
    fsdp = settings.find("fsdp")
    words = (
        " ".join(fsdp.value) if fsdp is not None and isinstance(fsdp.value, list) else str(fsdp.value if fsdp else "")
    )
    if deepspeed is not None:
        inner = _deepspeed_settings(deepspeed, settings, source, draft, written)
        if inner is not None:
            put_deepspeed(draft, inner, precision=False)
            _not_auto(inner)
            leave_rest(inner, draft)
        draft.put("stack", "megatron-deepspeed-2024", None, "the usual software of the launcher")
        return
    draft.put("stack", "torchtitan-eager-2025", None, "PyTorch's FSDP and DDP, eager")
    kind = next((kind for word, kind in SHARDING.items() if word in words.lower().replace(",", " ").split()), None)
    if kind is not None and fsdp is not None:
        draft.put("layout.sharding", kind, fsdp)
        draft.put("layout.overlap", ["fsdp"])
        if "offload" in words.split():
            draft.put("layout.offload", "optimizer", fsdp)
            draft.left(fsdp, "parameters stay on the device; the optimizer's states go to the host")
    else:
        draft.put("layout.sharding", "none", None, "plain data parallelism: neither FSDP nor DeepSpeed is named")
        draft.put("layout.overlap", ["grad_reduce"], None, "PyTorch's DDP reduces beside the backward pass")


def _not_auto(inner: Settings) -> None:
    """`auto` takes the Trainer's own value."""
    for name, setting in inner.by_name.items():
        if setting.value == "auto" and not name.startswith("zero_optimization."):
            inner.used.add(name)


def _deepspeed_settings(
    named: Setting, settings: Settings, source: Source, draft: Draft, written: dict[str, tuple[str, int]]
) -> Settings | None:
    """DeepSpeed's keys: inside the arguments, in a file that the script writes, or in one that lies beside it."""
    inside = [
        Setting(name.removeprefix("deepspeed."), setting.value, setting.line, setting.text)
        for name, setting in settings.by_name.items()
        if name.startswith("deepspeed.")
    ]
    if inside:
        settings.used |= {name for name in settings.by_name if name.startswith("deepspeed.")}
        return Settings(inside)
    name = str(named.value)
    found = next((content for file, content in written.items() if file.split("/")[-1] == name.split("/")[-1]), None)
    label = name
    try:
        if found is None:
            path = source.path.parent / name
            found = (read_utf8(path if path.is_file() else source.path.parent / name.split("/")[-1], MOST_BYTES), 0)
        text, first = found
        table = json_table(text, label)
    except (UnreadableError, OSError, InputError, ValueError) as error:
        stage = next(
            (number for number in "123" if f"zero{number}" in name.lower() or f"z{number}" in name.lower()), None
        )
        if stage is None:
            draft.note(named.line, f"{named.text}: {error}; ZeRO-2 is assumed", "assumed")
        guess = Setting("zero_optimization.stage", stage or "2", named.line, named.text)
        if stage is not None:
            draft.note(named.line, f"{named.text}: the file isn't there; its name says ZeRO-{stage}", "assumed")
        return Settings([guess])
    return Settings(
        Setting(setting.name, setting.value, setting.line + first - 1 if first else 0, f"{label} {setting.text}")
        for setting in flattened(table, text)
    )
