"""MindSpeed-LLM's scripts: Megatron's arguments, and its own.

Source: Ascend/MindSpeed @028de58c mindspeed/features_manager, Ascend/MindSpeed-LLM @c77308a1 features_manager.
"""

from __future__ import annotations

import re
from dataclasses import replace

from clustersim.launchers import commands
from clustersim.launchers.megatron import ASCEND, read_megatron
from clustersim.launchers.notes import Draft
from clustersim.launchers.settings import Settings, whole
from clustersim.launchers.source import Source
from clustersim.launchers.world import world_of

WORDS = re.compile(
    r"NPUS_PER_NODE|mindspeed|HCCL_|ASCEND_|_NPU_|--use-mc2|--noop-layers|--reuse-fp32-param", re.IGNORECASE
)
OLD = ("use_mc2", "n_group", "moe_intermediate_size", "multi_head_latent_attention", "qk_nope_head_dim")


def is_mindspeed(source: Source) -> bool:
    """Whether a script trains with Megatron's words on Ascend."""
    if source.script is None or WORDS.search(source.text) is None:
        return False
    return bool(commands.launches(source.script, commands.MEGATRON_WORDS))


def read_mindspeed(source: Source, draft: Draft) -> None:
    """State the scenario of a script. Raises InputError where it names no model."""
    assert source.script is not None
    launch = commands.chosen(source.script, commands.MEGATRON_WORDS, draft)
    settings = launch.settings
    noops = _noop_layers(settings)
    schedule = _schedule(settings, draft)
    _listed_layers(settings)
    if settings.flag("swap_attention", False) and settings.given("recompute_num_layers"):
        setting = settings.find("recompute_num_layers")
        if setting is not None and not settings.given("recompute_granularity"):
            draft.left(
                setting, "with --swap-attention it recomputes the FFNs of so many layers alone, which has no field"
            )
    variables = source.script.variables
    world = world_of(settings, variables, commands.slurm_directives(source.text, source.script))
    age = "mindspeed-llm-2024" if any(settings.given(name) for name in OLD) else "mindspeed-llm-2025"
    read_megatron(
        settings,
        world,
        draft,
        source=str(source.path),
        hint=source.hint,
        stack=age,
        usual=ASCEND,
        noop_layers=noops,
        schedule=schedule,
    )


def _noop_layers(settings: Settings) -> list[int]:
    """Numbers, from 0, of the layers of --num-layers that do nothing."""
    text = settings.text("noop_layers") or ""
    layers = settings.whole("num_layers") or 0
    found = {number for part in text.split(",") if (number := whole(part)) is not None}
    return sorted(number for number in found if 0 <= number < layers)


def _schedule(settings: Settings, draft: Draft) -> str | None:
    """zb-v in place of DualPipe-V, whose two chunks a device and shape it has."""
    setting = settings.find("schedules_method")
    if setting is None or str(setting.value).lower() != "dualpipev":
        return None
    draft.left(
        setting, "the nearest schedule, zb-v with 2 chunks a device, is priced; nothing hides experts' traffic in it"
    )
    return "zb-v"


def _listed_layers(settings: Settings) -> None:
    """Layers of every stage as a list become a layout string, which Megatron's reader knows."""
    setting = settings.find("num_layer_list", "pipeline_num_transformer_layers")
    numbers = [] if setting is None else [int(each) for each in re.findall(r"\d{1,5}", str(setting.value))]
    if setting is None or not numbers:
        return
    if setting.name == "pipeline_num_transformer_layers":  # [[stage 0: chunk 0, chunk 1], [stage 1: ...]]
        rows = [re.findall(r"\d{1,5}", row) for row in re.findall(r"\[([\d,\s]+)\]", str(setting.value))]
        if rows and len({len(row) for row in rows}) == 1:
            numbers = [int(row[chunk]) for chunk in range(len(rows[0])) for row in rows]
    stages = "|".join("t" * min(number, 1000) for number in numbers)
    name = "pipeline_model_parallel_layout"
    settings.by_name[name] = replace(setting, name=name, value=stages)
