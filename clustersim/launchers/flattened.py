"""Nested tables as settings with dotted names, each with its line where that is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from clustersim.inputs.table import Table
from clustersim.launchers.settings import Setting, Settings, scalar

DEEPEST = 12


def flattened(table: Mapping[str, Any], text: str = "", prefix: str = "", depth: int = 0) -> Iterator[Setting]:
    """Every value of a nested table by its dotted name; `text` is searched for lines where the table has none."""
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and depth < DEEPEST:
            yield from flattened(value, text, f"{name}.", depth + 1)
            continue
        line = (table.origin(key).line or 0) if isinstance(table, Table) else 0
        kept: Any = scalar(value) if isinstance(value, str) else value
        if isinstance(value, list):
            kept = [str(item) for item in value]
        elif kept is not None and not isinstance(kept, (bool, str)):
            kept = str(kept)
        yield Setting(name, kept, line or _line(text, str(key)), f"{name}: {value}")


def _line(text: str, key: str) -> int:
    """The first line on which a key stands as one."""
    match = re.search(rf"^\s*['\"]?{re.escape(key)}['\"]?\s*[=:]", text, re.MULTILINE) if text else None
    return 0 if match is None else text.count("\n", 0, match.end()) + 1


def within(settings: Settings, *prefixes: str) -> Settings:
    """The settings below some prefixes, by the rest of their names; earlier prefixes win."""
    found: dict[str, Setting] = {}
    for prefix in reversed(prefixes):
        for name, setting in settings.by_name.items():
            if name.startswith(prefix):
                settings.used.add(name)
                short = name[len(prefix) :]
                found.pop(short, None)
                found[short] = Setting(short, setting.value, setting.line, setting.text)
    return Settings(found.values())
