"""What a launch script comes to: the commands that it would start, and what it says on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clustersim.launchers.shell_text import Word


@dataclass(frozen=True)
class Command:
    """A command as it would be started: its words, and the variables that stand before it."""

    words: tuple[Word, ...]
    environment: Mapping[str, str]


@dataclass
class Script:
    """What a script would start, and what it says on the way."""

    commands: list[Command] = field(default_factory=list)
    files: dict[str, tuple[str, int]] = field(default_factory=dict)  # those that it writes itself
    variables: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, list[tuple[str, int]]] = field(default_factory=dict)  # entries, with their lines
    remarks: list[tuple[int, str]] = field(default_factory=list)  # branches that can't be decided, and the like
    sourced: list[str] = field(default_factory=list)
