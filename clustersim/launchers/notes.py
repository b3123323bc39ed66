"""What an import hands over: a scenario, and for every setting whether it was taken, assumed, or has no counterpart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from clustersim.launchers.settings import Setting
from clustersim.launchers.shell_text import MARK

Status = Literal["taken", "assumed", "no counterpart"]


@dataclass(frozen=True)
class Note:
    """What became of one line of the file; line 0 is no line of it."""

    line: int
    text: str
    status: Status

    def to_dict(self) -> dict[str, Any]:
        """As `import --json` prints it."""
        return {"line": self.line or None, "text": self.text, "status": self.status}


@dataclass(frozen=True)
class Imported:
    """A scenario as a mapping in the form of scenario files, and how it came about."""

    scenario: dict[str, Any]
    notes: tuple[Note, ...]
    launcher: str


@dataclass
class Draft:
    """A scenario in the making."""

    parts: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def put(self, key: str, value: Any, setting: Setting | None = None, why: str = "", line: int = 0) -> None:
        """State a dotted key, taken from a setting or, where there is none, assumed for the reason `why`."""
        *sections, last = key.split(".")
        part = self.parts
        for section in sections:
            part = part.setdefault(section, {})
        part[last] = value
        becomes = f"{key}: {in_words(value)}"
        if setting is not None:
            self.note(setting.line, f"{readable(setting.text)} -> {becomes}" + (f" ({why})" if why else ""), "taken")
        elif why:
            self.note(line, f"{becomes}: {why}", "assumed")

    def note(self, line: int, text: str, status: Status) -> None:
        """Add a note once."""
        note = Note(line, text, status)
        if note not in self.notes:
            self.notes.append(note)

    def left(self, setting: Setting, why: str) -> None:
        """Say of a setting that nothing here stands for it, and why."""
        self.note(setting.line, f"{readable(setting.text)}: {why}", "no counterpart")


def in_words(value: Any) -> str:
    """A value as notes write it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {in_words(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(in_words(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def readable(text: str) -> str:
    """A setting as written, unknown values as their names, cut where it is long."""
    text = MARK.sub(lambda match: match[1] if match[1].startswith("$") else f"${match[1]}", text)
    text = " ".join(text.split())
    return text if len(text) <= 100 else f"{text[:97]}..."
