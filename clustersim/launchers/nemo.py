"""NeMo 1's YAML and Megatron-Bridge's, with Hydra's overrides: Megatron's settings under other names.

Source: NVIDIA/NeMo v1.23.0 examples/nlp/language_modeling/conf/megatron_gpt_config.yaml; NVIDIA-NeMo/Megatron-Bridge
@067f987d src/megatron/bridge/{training,recipes}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from clustersim.launchers import commands
from clustersim.launchers.flattened import flattened, within
from clustersim.launchers.megatron import read_megatron
from clustersim.launchers.notes import Draft
from clustersim.launchers.settings import Setting, Settings
from clustersim.launchers.source import Source
from clustersim.launchers.world import World, world_of

_PARTS = ("tensor_model_parallel_size", "pipeline_model_parallel_size", "micro_batch_size", "global_batch_size")
WORDS = frozenset(
    [f"model.{name}" for name in (*_PARTS, "seq_length", "num_layers")] + [f"train.{name}" for name in _PARTS[2:]]
)
GATED = ("swiglu", "fast-swiglu", "geglu", "reglu", "fast-geglu")
RENAMED = {
    "encoder_seq_length": "seq_length",
    "num_moe_experts": "num_experts",
    "activations_checkpoint_granularity": "recompute_granularity",
    "activations_checkpoint_method": "recompute_method",
    "activations_checkpoint_num_layers": "recompute_num_layers",
    "ub_tp_comm_overlap": "tp_comm_overlap",
    "max_steps": "train_iters",
    "cp_comm_type": "cp_comm_type",
}
# Recipes of mixed precision by name -> fp8 format and recipe. Source: Bridge, training/mixed_precision.py.
MIXED = (
    ("mxfp8|fp8_mx", "mxfp8"), ("current_scaling|fp8_cs", "tensorwise"), ("subchannel|fp8_sc|blockwise", "blockwise"),
    ("fp8", "delayed"),
)  # fmt: skip


def is_nemo(source: Source) -> bool:
    """Whether a YAML file or the overrides of a script have NeMo's or Bridge's sections."""
    if source.script is not None:
        return bool(commands.launches(source.script, WORDS, 2))
    table = source.table
    if table is None or not isinstance(table.get("model"), dict):
        return False
    return bool({"tensor_model_parallel_size", "micro_batch_size", "seq_length"} & table["model"].keys())


def read_nemo(source: Source, draft: Draft) -> None:
    """State the scenario. Raises InputError where no model is known."""
    outside = World()
    if source.script is not None:
        settings = commands.chosen(source.script, WORDS, draft).settings
        directives = commands.slurm_directives(source.text, source.script)
        outside = world_of(settings, source.script.variables, directives)
    else:
        assert source.table is not None
        settings = Settings(flattened(source.table))
    bridge = any(
        name.startswith(("train.", "ddp.", "mixed_precision", "comm_overlap", "dataset.")) for name in settings.by_name
    )
    model = within(settings, "model.")
    _resolve(model)
    given = [*_model(model, bridge), *(_bridge(settings) if bridge else _nemo1(settings, model))]
    named = model.find("hf_model_id", "hf_path", "pretrained_model_name_or_path", "restore_from_path")
    if named is None:
        named = settings.find("recipe", "hf_model_id", "hf_path")
    nodes, each = settings.whole("trainer.num_nodes"), settings.whole("trainer.devices")
    world = World(nodes, each, None, settings.line("trainer.num_nodes"), "trainer.num_nodes x devices")
    if nodes is None or each is None:
        world = outside if outside.devices is not None else _counted(source)
    settings.find("trainer.num_nodes", "trainer.devices", "name")
    rest = [setting for setting in settings.rest() if setting.value is not None]
    read_megatron(
        Settings([*rest, *given]),
        world,
        draft,
        source=str(source.path),
        hint=source.hint,
        stack="megatron-bridge-2025" if bridge else "nemo-2024",
        named=named,
        model=source.model,
    )


def _counted(source: Source) -> World:
    """Devices that a recipe's name states, `.._64gpu_..`."""
    match = re.search(r"(\d{1,6})[-_]?gpus?\b|(?<=_)(\d{1,6})gpu_", source.path.name.lower())
    if match is not None:
        return World(total=int(match[1] or match[2]), source="the file's name")
    comment = re.search(r"^#.*?\b(\d{1,7}) GPUs\b", source.text, re.MULTILINE)
    return World() if comment is None else World(total=int(comment[1]), source="a comment")


def _resolve(model: Settings) -> None:
    """`${.key}` and `${multiply:4, ${.key}}`, which NeMo's own files use; others stay unknown."""
    for name, setting in list(model.by_name.items()):
        if isinstance(setting.value, str) and "${" in setting.value:
            value = re.sub(r"\$\{\.(\w+)\}", lambda match: _plain(model, match[1]), setting.value)
            product = re.fullmatch(r"\$\{multiply:\s*(\d+),\s*(\d+)\s*\}", value)
            kept: Any = (
                int(product[1][:9]) * int(product[2][:12]) if product else (value if "${" not in value else None)
            )
            model.by_name[name] = Setting(name, kept, setting.line, setting.text)


def _plain(model: Settings, name: str) -> str:
    setting = model.by_name.get(name)
    return "?" if setting is None else str(setting.value)


def _model(model: Settings, bridge: bool) -> Iterator[Setting]:
    """The model's keys by the names that Megatron's command line has."""
    for name, setting in model.by_name.items():
        last, text, line, value = name.split(".")[-1], setting.text, setting.line, setting.value
        if name == "gated_linear_unit":
            yield Setting("swiglu", value, line, text)
        elif name == "activation_func" and model.given("gated_linear_unit"):
            continue
        elif name == "activation" or name == "activation_func":
            yield Setting("swiglu", str(value).lower() in GATED, line, text)
        elif name == "bias":
            yield Setting("add_bias_linear", value, line, text)
        elif name == "share_embeddings_and_output_weights":
            yield Setting("untie_embeddings_and_output_weights", value is False, line, text)
        elif name == "num_query_groups" and value is not None:
            yield Setting("group_query_attention", True, line, text)
            yield Setting(name, value, line, text)
        elif name == "optim.name":
            fused = "distributed" in str(value)
            yield Setting("use_megatron_fsdp" if fused else "use_distributed_optimizer", fused, line, text)
            if fused:  # Apex's shards gradients too
                yield Setting("data_parallel_sharding_strategy", "optim_grads", line, text)
        elif name in ("optim.overlap_grad_sync", "optim.overlap_param_sync"):
            yield Setting("overlap_grad_reduce" if "grad" in name else "overlap_param_gather", value, line, text)
        elif name in ("fp8_hybrid", "fp8_e4m3") or (name == "fp8" and value is not True):
            continue
        elif name == "fp8":
            yield Setting("fp8_format", "hybrid", line, text)
        elif name in ("tokenizer.type", "tokenizer.model", "tokenizer.vocab_file", "tokenizer.merge_file"):
            yield Setting(
                name.replace(".", "_").replace("tokenizer_vocab", "vocab").replace("tokenizer_merge", "merge"),
                value,
                line,
                text,
            )
        elif name not in ("hf_model_id", "hf_path"):
            yield Setting(RENAMED.get(last, last) if "." not in name or bridge else name, value, line, text)
    if not bridge and not model.given("share_embeddings_and_output_weights"):
        yield Setting(
            "untie_embeddings_and_output_weights", False, 0, "share_embeddings_and_output_weights: true (default)"
        )


def _nemo1(settings: Settings, model: Settings) -> Iterator[Setting]:
    precision = settings.find("trainer.precision")
    word = str(precision.value).lower() if precision is not None else "32"
    line, text = (precision.line, precision.text) if precision is not None else (0, "trainer.precision: 32 (default)")
    yield Setting("bf16", word.startswith("bf16"), line, text)
    yield Setting("fp16", word.startswith("16"), line, text)
    steps = settings.find("trainer.max_steps")
    if steps is not None:
        yield Setting("train_iters", steps.value, steps.line, steps.text)


def _bridge(settings: Settings) -> Iterator[Setting]:
    for prefix in ("train.", "ddp.", "comm_overlap.", "dataset.", "optimizer."):
        inner = within(settings, prefix)
        for name, setting in inner.by_name.items():
            if name == "grad_reduce_in_fp32":
                yield Setting("grad_reduce_in_bf16", setting.value is False, setting.line, setting.text)
                yield Setting("accumulate_allreduce_grads_in_fp32", setting.value, setting.line, setting.text)
            elif name in ("sequence_length",):
                yield Setting("seq_length", setting.value, setting.line, setting.text)
            else:
                yield Setting(name, setting.value, setting.line, setting.text)
    yield from _mixed(settings)
    for name in ("use_distributed_optimizer", "overlap_grad_reduce", "overlap_param_gather"):
        if not {f"ddp.{name}", f"comm_overlap.{name}"} & settings.by_name.keys():
            yield Setting(name, True, 0, f"ddp.{name}: true (Bridge's default)")


def _mixed(settings: Settings) -> Iterator[Setting]:
    mixed = settings.find("mixed_precision", "mixed_precision.name")
    word = str(mixed.value).lower() if mixed is not None else "bf16_mixed"
    line, text = (mixed.line, mixed.text) if mixed is not None else (0, "mixed_precision: bf16_mixed (default)")
    yield Setting("fp16" if word.startswith(("fp16", "16")) else "bf16", True, line, text)
    if "nvfp4" in word:
        yield Setting("fp4_format", "e2m1", line, text)
        return
    recipe = next((recipe for pattern, recipe in MIXED if re.search(pattern, word)), None)
    if recipe is not None:
        yield Setting("fp8_format", "hybrid", line, text)
        yield Setting("fp8_recipe", recipe, line, text)
    inside = settings.find("mixed_precision.grad_reduce_in_fp32")
    if inside is not None and inside.value is False:
        yield Setting("grad_reduce_in_bf16", True, inside.line, inside.text)
