"""What a launcher was given, by its own names: a value, the line that it stands on, and whether somebody used it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clustersim.launchers.shell_text import Word, unknown_in

TRUE, FALSE = ("true", "yes", "on"), ("false", "no", "off")
_NUMBER = re.compile(r"-?[\d_.]+([eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d[\d_]{0,30}")


@dataclass(frozen=True)
class Setting:
    """One thing that a launcher was given; `value`: text, a list of texts, True for a bare flag, or as YAML has it."""

    name: str
    value: Any
    line: int
    text: str

    @property
    def unknown(self) -> str:
        """What of it isn't known before a run."""
        values = self.value if isinstance(self.value, list) else [self.value]
        return ", ".join(
            dict.fromkeys(unknown_in(value) for value in values if isinstance(value, str) and unknown_in(value))
        )


class Settings:
    """Settings by name, the last of equals. What is read is remembered: the rest has no counterpart."""

    def __init__(self, settings: Iterable[Setting]) -> None:
        self.by_name: dict[str, Setting] = {}
        self.used: set[str] = set()
        for setting in settings:
            self.by_name.pop(setting.name, None)
            self.by_name[setting.name] = setting

    def find(self, *names: str) -> Setting | None:
        """The first of these that is given and isn't None; all of them count as read."""
        found = None
        for name in names:
            setting = self.by_name.get(name)
            if setting is None:
                continue
            self.used.add(name)
            if found is None and setting.value is not None:
                found = setting
        return found

    def value(self, *names: str) -> Any:
        """Its value; None where it isn't given, or isn't known before a run."""
        setting = self.find(*names)
        return None if setting is None or setting.unknown else setting.value

    def text(self, *names: str) -> str | None:
        """Its value as text."""
        value = self.value(*names)
        if isinstance(value, list):
            value = value[0] if value else None
        return None if value is None or isinstance(value, Mapping) else str(value)

    def whole(self, *names: str) -> int | None:
        """Its value as a whole number."""
        return whole(self.text(*names))

    def real(self, *names: str) -> float | None:
        """Its value as a number."""
        text = self.text(*names)
        try:
            return None if text is None else float(text[:60].replace("_", ""))
        except ValueError:
            return None

    def flag(self, name: str, default: bool | None = None) -> bool | None:
        """Whether a switch is on: given bare, or as true."""
        setting = self.find(name)
        if setting is None:
            return default
        return truth(setting.value, default)

    def line(self, *names: str) -> int:
        """Where the first of these stands; 0 where none does."""
        return next((self.by_name[name].line for name in names if name in self.by_name), 0)

    def given(self, *names: str) -> bool:
        """Whether any of these is given."""
        return any(self.by_name[name].value is not None for name in names if name in self.by_name)

    def rest(self) -> Iterator[Setting]:
        """What nobody has read."""
        return (setting for name, setting in self.by_name.items() if name not in self.used)


def whole(text: Any) -> int | None:
    """A whole number written as people do: 1024, 1_024, 1e6; None for anything else."""
    if isinstance(text, bool) or text is None:
        return None
    text = str(text).strip()
    if _WHOLE.fullmatch(text):
        return int(text.replace("_", ""))
    try:
        value = float(text[:40])
    except ValueError:
        return None
    return int(value) if abs(value) < 1e18 and value == int(value) else None


def truth(value: Any, default: bool | None = None) -> bool | None:
    """A switch's value: a bare flag is on."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        value = value[0] if value else ""
    text = str(value).lower()
    if text in TRUE or text == "1":
        return True
    return False if text in FALSE or text == "0" else (True if default is None else default)


def flags_of(words: Iterable[Word]) -> Iterator[Setting]:
    """The flags of a command line: `--x v`, `--x=v`, `--x`; names with underscores."""
    name, line, values = "", 0, list[str]()
    for word in words:
        text = word.text
        if (text.startswith("--") and len(text) > 2) or _is_short(text):
            if name:
                yield _flag(name, values, line)
            name, equals, value = text.partition("=")
            values, line = [value] if equals else [], word.line
        elif name:
            values.append(text)
    if name:
        yield _flag(name, values, line)


def overrides_of(words: Iterable[Word]) -> Iterator[Setting]:
    """Hydra's overrides of a command line, `a.b=c`, `+a.b=c`, `++a.b=c`; `~a.b` takes one away."""
    for word in words:
        match = re.fullmatch(r"(\+{0,2})([A-Za-z_][\w.@/-]*)=(.*)", word.text, re.DOTALL)
        if match and not word.text.startswith("-"):
            yield Setting(match[2], scalar(match[3]), word.line, word.text)


def scalar(text: str) -> Any:
    """A value of an override or a file as YAML means it, as far as it is a plain one."""
    bare = text.strip().strip("'\"")
    if bare in ("null", "Null", "NULL", "None", "~", ""):
        return None
    if bare in ("true", "True"):
        return True
    if bare in ("false", "False"):
        return False
    return bare


def _is_short(text: str) -> bool:
    """`-tp`, but no negative number."""
    return text.startswith("-") and len(text) > 1 and not _NUMBER.fullmatch(text) and text[1:2].isalpha()


def _flag(name: str, values: list[str], line: int) -> Setting:
    plain = name.lstrip("-").replace("-", "_")
    text = " ".join([name, *values])
    known = [value for value in values if not (unknown_in(value) and len(values) > 1)]
    value: Any = True if not values else (values[0] if len(known) <= 1 and len(values) == 1 else known or values)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return Setting(plain, None if value == "None" else value, line, text)
