"""A scenario as the YAML that people keep, and the notes of an import as lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from clustersim.launchers.notes import Note

WIDTH = 110


def scenario_text(scenario: Mapping[str, Any]) -> str:
    """YAML, a part a paragraph, lists and small mappings on one line."""
    return yaml.dump(_plain(scenario), Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True)


def notes_text(notes: Sequence[Note]) -> str:
    """The notes in the order of the file's lines, with a count of each kind at the end."""
    lines = [f"{f'line {note.line}' if note.line else '':<10} {note.status:<15} {note.text}" for note in notes]
    counts = [
        f"{sum(note.status == status for note in notes)} {status}" for status in ("taken", "assumed", "no counterpart")
    ]
    return "\n".join([*lines, ", ".join(counts)])


class _Dumper(yaml.SafeDumper):
    """Lists in brackets, mappings in lines."""


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


_Dumper.add_representer(list, _list)


def _plain(value: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(value))
