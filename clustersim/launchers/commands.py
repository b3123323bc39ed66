"""Which of a script's commands trains, and the settings that it is given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clustersim.launchers.notes import Draft
from clustersim.launchers.script import Command, Script
from clustersim.launchers.settings import Setting, Settings, flags_of, overrides_of
from clustersim.launchers.shell_text import Word

MEGATRON_WORDS = frozenset(
    {"num_layers", "encoder_num_layers", "tensor_model_parallel_size", "micro_batch_size", "seq_length", "hidden_size"}
)
LAUNCHERS = ("torchrun", "accelerate", "deepspeed", "srun", "mpirun", "swift", "llamafactory-cli", "python")
DIRECTIVE = re.compile(r"^\s*#SBATCH\s+(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Launch:
    """A command that trains, with its settings."""

    words: tuple[Word, ...]
    settings: Settings


def launches(script: Script, known: frozenset[str], least: int = 2) -> list[Launch]:
    """The commands that are given at least so many of the known settings, those that differ."""
    found = []
    seen = set()
    for command in script.commands:
        launch = Launch(
            command.words, Settings([*_before(command), *flags_of(command.words), *overrides_of(command.words)])
        )
        if len(known & launch.settings.by_name.keys()) >= least:
            words = tuple(word.text for word in command.words)
            if words not in seen:
                found.append(launch)
            seen.add(words)
    return found or _unlaunched(script, known, least)


def _before(command: Command) -> Iterator[Setting]:
    """Variables that stand before a command and say how many processes there are."""
    names = {"NNODES": "nnodes", "NPROC_PER_NODE": "nproc_per_node"}
    for name, value in command.environment.items():
        if name in names:
            yield Setting(names[name], value, command.words[0].line, f"{name}={value}")


def _unlaunched(script: Script, known: frozenset[str], least: int) -> list[Launch]:
    """The flags that the variables of a file hold which starts nothing itself (another script sources it)."""
    words = []
    for value in script.variables.values():
        if "--" in value:
            words += [Word(text, 0) for text in value.split()]
    for entries in script.arrays.values():
        words += [Word(text, line) for entry, line in entries for text in entry.split()]
    settings = Settings(flags_of(words))
    return [Launch(tuple(words), settings)] if len(known & settings.by_name.keys()) >= least else []


def chosen(script: Script, known: frozenset[str], draft: Draft) -> Launch:
    """The first launch; that there are others is noted."""
    found = launches(script, known)
    if len(found) > 1:
        lines = ", ".join(str(_line(launch.words)) for launch in found)
        draft.note(_line(found[0].words), f"{len(found)} launches (lines {lines}): the first is read", "assumed")
    return found[0]


def _line(words: Sequence[Word]) -> int:
    return words[0].line if words else 0


def slurm_directives(text: str, script: Script) -> Settings:
    """What #SBATCH lines ask for, of the script and of those that it writes."""
    found: list[Setting] = []
    texts = [(text, 1), *script.files.values()]
    for content, first in texts:
        for match in DIRECTIVE.finditer(content):
            line = first + content.count("\n", 0, match.start())
            written = re.split(r"\s#", match[1])[0].split()
            words = [Word(part, line) for part in written]
            found += [_directive(setting) for setting in flags_of(words)]
    return Settings(found)


def _directive(setting: Setting) -> Setting:
    return Setting(setting.name, setting.value, setting.line, f"#SBATCH {setting.text}")
