"""From a file of a launcher to a scenario: which kind it is, and its reader. A kind that isn't known is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustersim.errors import InputError, Problem
from clustersim.inputs.table import Table
from clustersim.launchers import (
    commands,
    deepspeed,
    huggingface,
    megatron_files,
    mindspeed,
    nemo,
    torchtitan,
    verl,
)
from clustersim.launchers.megatron import read_megatron
from clustersim.launchers.notes import Draft, Imported, Note
from clustersim.launchers.settings import Settings
from clustersim.launchers.source import Source, opened
from clustersim.launchers.world import World, world_of

KNOWN = (
    "Megatron-LM and MindSpeed-LLM arguments (a shell script, YAML, or a log with its block of arguments), NeMo and "
    "Megatron-Bridge (YAML, overrides), torchtitan (TOML), DeepSpeed (JSON), Hugging Face TrainingArguments (JSON, or "
    "a command that has them), verl (YAML, overrides)"
)


@dataclass(frozen=True)
class Kind:
    """A kind of file: what it is called, whether a source is one, and what reads it into a draft."""

    name: str
    fits: Callable[[Source], bool]
    read: Callable[[Source, Draft], None]


def import_file(path: str | Path, environment: Mapping[str, str] | None = None, model: str | None = None) -> Imported:
    """The scenario of a launcher's file, with a note for every setting in it.

    `environment`: variables that a script expects from outside; `model`: where the file names none.
    Raises InputError where nothing can be read.
    """
    source = opened(Path(path), environment or {}, model)
    kind = next((kind for kind in kinds() if kind.fits(source)), None)
    if kind is None:
        raise InputError(str(path), [Problem(f"nothing that is known here. Known: {KNOWN}", source.path.name)])
    draft = Draft()
    draft.parts["name"] = source.path.stem
    try:
        kind.read(source, draft)
    except RecursionError:
        raise InputError(str(path), [Problem("nested beyond any that is meant", source.path.name)]) from None
    if source.script is not None:
        for line, text in source.script.remarks:
            draft.note(line, text, "assumed")
    notes = sorted(draft.notes, key=lambda note: note.line)
    return Imported(_ordered(draft.parts), tuple(notes), kind.name)


def kinds() -> tuple[Kind, ...]:
    """Every kind of file that is known, the most particular first."""
    return (
        Kind("DeepSpeed", deepspeed.is_deepspeed, deepspeed.read_deepspeed),
        Kind("TrainingArguments", huggingface.is_arguments, huggingface.read_arguments),
        Kind("torchtitan", torchtitan.is_torchtitan, torchtitan.read_torchtitan),
        Kind("verl", verl.is_verl, verl.read_verl),
        Kind("MindSpeed-LLM", mindspeed.is_mindspeed, mindspeed.read_mindspeed),
        Kind("megatron log", lambda source: megatron_files.is_log(source.text), _read_log),
        Kind("megatron", _is_megatron_script, _read_script),
        Kind("Trainer", huggingface.is_command, huggingface.read_command),
        Kind("NeMo", nemo.is_nemo, nemo.read_nemo),
        Kind("megatron yaml", _is_megatron_yaml, _read_yaml),
    )


def _read_log(source: Source, draft: Draft) -> None:
    settings = Settings(megatron_files.logged(source.text))
    world = world_of(settings, {}, Settings(()))
    read_megatron(settings, world, draft, source=str(source.path), hint=source.hint, model=source.model)


def _is_megatron_script(source: Source) -> bool:
    return source.script is not None and bool(commands.launches(source.script, commands.MEGATRON_WORDS))


def _read_script(source: Source, draft: Draft) -> None:
    assert source.script is not None
    launch = commands.chosen(source.script, commands.MEGATRON_WORDS, draft)
    directives = commands.slurm_directives(source.text, source.script)
    world = world_of(launch.settings, source.script.variables, directives)
    read_megatron(launch.settings, world, draft, source=str(source.path), hint=source.hint, model=source.model)


def _is_megatron_yaml(source: Source) -> bool:
    if source.table is None:
        return False
    if isinstance(source.table.get("MODEL_ARGS"), Table):
        return True
    names = {setting.name for setting in megatron_files.from_yaml(source.table)}
    return {"num_layers", "hidden_size"} <= names and bool(names & {"tensor_model_parallel_size", "micro_batch_size"})


def _read_yaml(source: Source, draft: Draft) -> None:
    assert source.table is not None
    settings = Settings(megatron_files.from_yaml(source.table))
    world = world_of(settings, dict(source.environment), Settings(()))
    read_megatron(settings, world, draft, source=str(source.path), hint=source.hint, model=source.model)


def _ordered(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a scenario in the order that people write them."""
    order = ("name", "model", "cluster", "training", "layout", "stack")
    return {key: parts[key] for key in order if key in parts}


__all__ = ["Imported", "Note", "World", "import_file"]
