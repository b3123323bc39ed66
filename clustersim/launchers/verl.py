"""verl's settings, Hydra's YAML or overrides: the update of the actor, which is the training in them.

Source: volcengine/verl @b178a3cd verl/trainer/config (ppo_trainer.yaml, ppo_megatron_trainer.yaml).
"""

from __future__ import annotations

from clustersim.launchers import commands
from clustersim.launchers.flattened import flattened, within
from clustersim.launchers.megatron import HOPPER, read_megatron
from clustersim.launchers.notes import Draft
from clustersim.launchers.plain_layout import put_named_model, put_sizes
from clustersim.launchers.settings import Setting, Settings
from clustersim.launchers.source import Source
from clustersim.launchers.unmodelled import leave_rest
from clustersim.launchers.world import World, place

ACTOR = "actor_rollout_ref.actor."
WORDS = frozenset(
    {"actor_rollout_ref.model.path", f"{ACTOR}ppo_mini_batch_size", "data.train_batch_size", "trainer.nnodes"}
)


def is_verl(source: Source) -> bool:
    """Whether a YAML file or a script configures verl."""
    if source.script is not None:
        return bool(commands.launches(source.script, WORDS))
    return source.table is not None and "actor_rollout_ref" in source.table


def read_verl(source: Source, draft: Draft) -> None:
    """State the actor's update as a scenario. Raises InputError where no model is known."""
    if source.script is not None:
        settings = commands.chosen(source.script, WORDS, draft).settings
    else:
        assert source.table is not None
        settings = Settings(flattened(source.table))
    nodes, each = settings.whole("trainer.nnodes") or 1, settings.whole("trainer.n_gpus_per_node") or 8
    world = World(nodes, each, None, settings.line("trainer.nnodes"), "trainer.nnodes x n_gpus_per_node")
    settings.find("trainer.nnodes", "trainer.n_gpus_per_node")
    config = settings.by_name.get("config_name")
    with_megatron = any(name.startswith(f"{ACTOR}megatron.") for name in settings.by_name) or (
        settings.text(f"{ACTOR}strategy") == "megatron" or (config is not None and "megatron" in str(config.value))
    )
    batch, length = _batch(settings, draft), _length(settings)
    if with_megatron:
        _megatron(settings, world, source, draft, batch, length)
    else:
        _fsdp(settings, world, source, draft, batch, length)
    _rest(settings, draft)


def _batch(settings: Settings, draft: Draft) -> Setting:
    """Sequences of an optimizer step: ppo_mini_batch_size x rollout.n."""
    mini = settings.whole(f"{ACTOR}ppo_mini_batch_size") or 256
    samples = settings.whole("actor_rollout_ref.rollout.n") or 1
    settings.find("actor_rollout_ref.rollout.n")
    found = settings.find(f"{ACTOR}ppo_mini_batch_size")
    text = found.text if found is not None else "ppo_mini_batch_size: 256"
    return Setting(
        "global_batch_size", mini * samples, found.line if found else 0, f"{text} x {samples} samples a prompt"
    )


def _length(settings: Settings) -> Setting:
    """The longest sequence: prompt and response."""
    prompt = settings.whole("data.max_prompt_length") or 512
    response = settings.whole("data.max_response_length") or 512
    line = settings.line("data.max_response_length", "data.max_prompt_length")
    return Setting(
        "seq_length", prompt + response, line, f"max_prompt_length + max_response_length = {prompt} + {response}"
    )


def _micro(settings: Settings, draft: Draft, length: int) -> tuple[int, Setting | None]:
    """Sequences a micro-batch; as many of the longest as a dynamic one holds."""
    if settings.flag(f"{ACTOR}use_dynamic_bsz", False):
        most = settings.whole(f"{ACTOR}ppo_max_token_len_per_gpu") or 16384
        setting = settings.find(f"{ACTOR}ppo_max_token_len_per_gpu", f"{ACTOR}use_dynamic_bsz")
        settings.find(f"{ACTOR}ppo_micro_batch_size_per_gpu")
        return max(1, most // length), setting
    found = settings.find(f"{ACTOR}ppo_micro_batch_size_per_gpu")
    return settings.whole(f"{ACTOR}ppo_micro_batch_size_per_gpu") or 1, found


def _megatron(settings: Settings, world: World, source: Source, draft: Draft, batch: Setting, length: Setting) -> None:
    inner = within(settings, f"{ACTOR}megatron.override_transformer_config.", f"{ACTOR}megatron.")
    usual = {"sequence_parallel": True, "use_distributed_optimizer": True}
    micro, found = _micro(settings, draft, int(length.value))
    given = [*inner.by_name.values(), batch, length]
    given += [
        Setting(name, value, 0, f"{name}: {value} (verl's default)")
        for name, value in usual.items()
        if name not in inner.by_name
    ]
    line, text = (found.line, found.text) if found is not None else (0, "micro-batch 1")
    given += [Setting("micro_batch_size", micro, line, text), Setting("bf16", True, 0, "bf16 (verl's default)")]
    if inner.flag("optimizer_offload", False):
        given.append(Setting("optimizer_cpu_offload", True, inner.line("optimizer_offload"), "optimizer_offload"))
    named = settings.find("actor_rollout_ref.model.path")
    read_megatron(
        Settings(given), world, draft, source=str(source.path), hint=source.hint, named=named, model=source.model
    )


def _fsdp(settings: Settings, world: World, source: Source, draft: Draft, batch: Setting, length: Setting) -> None:
    put_named_model(draft, str(source.path), settings.find("actor_rollout_ref.model.path"), source.model)
    context = settings.whole(f"{ACTOR}ulysses_sequence_parallel_size") or 1
    devices = place(draft, world, source.hint, context, HOPPER)
    data = devices // context
    put_sizes(draft, data, context)
    if context > 1:
        draft.put("layout.context_kind", "ulysses", settings.find(f"{ACTOR}ulysses_sequence_parallel_size"))
    micro, found = _micro(settings, draft, int(length.value))
    draft.put("layout.micro_batch", micro, found, "" if found else "the file has none")
    unit = micro * data
    draft.put("training.sequence_length", length.value, length)
    whole_batch = int(batch.value) if int(batch.value) % unit == 0 else max(unit, int(batch.value) // unit * unit)
    draft.put("training.global_batch", whole_batch, batch)
    draft.put("training.precision", "bf16", None, "verl's default")
    _sharding(settings, draft, devices)
    on = settings.flag("actor_rollout_ref.model.enable_gradient_checkpointing", True)
    setting = settings.find("actor_rollout_ref.model.enable_gradient_checkpointing")
    draft.put("layout.recompute", "full" if on else "none", setting, "" if setting else "verl's default")
    draft.put("stack", "torchtitan-eager-2025", None, "PyTorch's FSDP, eager")


def _sharding(settings: Settings, draft: Draft, devices: int) -> None:
    prefix = f"{ACTOR}fsdp_config."
    group = settings.whole(f"{prefix}fsdp_size")
    setting = settings.find(f"{prefix}fsdp_size")
    if group and 0 < group < devices and devices % group == 0:
        draft.put("layout.sharding", "hybrid", setting)
        draft.put("layout.zero_group", group)
    elif settings.flag(f"{prefix}reshard_after_forward", True) is False:
        draft.put("layout.sharding", "zero2", settings.find(f"{prefix}reshard_after_forward"))
    else:
        strategy = settings.find(f"{ACTOR}strategy")
        draft.put("layout.sharding", "fsdp", setting or strategy, "" if setting or strategy else "verl's default")
    draft.put("layout.overlap", ["fsdp"])
    if settings.flag(f"{prefix}optimizer_offload", False):
        draft.put("layout.offload", "optimizer", settings.find(f"{prefix}optimizer_offload"))
    if (
        settings.flag(f"{prefix}param_offload", False)
        and (found := settings.find(f"{prefix}param_offload")) is not None
    ):
        draft.left(found, "parameters stay on the device")


def _rest(settings: Settings, draft: Draft) -> None:
    """What is of rollouts, references and rewards is another job; the rest is as anywhere."""
    for setting in list(settings.rest()):
        if setting.name.startswith(
            ("actor_rollout_ref.rollout", "actor_rollout_ref.ref", "critic", "reward", "algorithm")
        ):
            settings.used.add(setting.name)
            if setting.value is not None:
                draft.left(setting, "of generation, references or rewards: the actor's update alone is priced")
    leave_rest(settings, draft)
