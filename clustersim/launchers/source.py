"""A file to import, read whole, with what it is made of: a script's commands, or a table."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clustersim.errors import InputError, Problem
from clustersim.inputs import search_path
from clustersim.inputs.files import UnreadableError, read_utf8
from clustersim.inputs.table import Table, as_table
from clustersim.inputs.yaml import read_yaml
from clustersim.launchers.megatron_files import is_log
from clustersim.launchers.script import Script
from clustersim.launchers.shell import interpret
from clustersim.launchers.shell_words import ShellError

MOST_BYTES = 2_000_000
SCRIPTS = (".sh", ".bash", ".sbatch", ".slurm", ".zsh", ".job", ".cmd", "")


@dataclass
class Source:
    """A file to import, and what may be known beside it."""

    path: Path
    text: str
    environment: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None  # where the file doesn't say
    script: Script | None = None
    table: Table | None = None

    @property
    def hint(self) -> str:
        """Where the chip may be named: the names of the file and its folder, and what the file says."""
        return f"{self.path.parent.name} {self.path.name} {self.text[:200_000]}"

    def line_of(self, word: str) -> int:
        """The first line that holds a word; 0 where none does."""
        at = self.text.find(word)
        return 0 if at < 0 else self.text.count("\n", 0, at) + 1


def opened(path: Path, environment: Mapping[str, str], model: str | None = None) -> Source:
    """A file, read and taken apart by its form. Raises InputError where it can't be."""
    try:
        text = read_utf8(path, MOST_BYTES)
    except UnreadableError as error:
        raise InputError(str(path), [Problem(str(error), path.name)]) from None
    source = Source(path, text, environment, model)
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        problems: list[Problem] = []
        table = read_yaml(text, str(path), problems)
        if problems:
            raise InputError(str(path), problems)
        source.table = table if isinstance(table, Table) else None
    elif suffix == ".json":
        found = json_table(text, str(path))
        source.table = found
    elif suffix == ".toml":
        source.table = _toml(source)
    elif (suffix in SCRIPTS or text.startswith("#!")) and not is_log(text):
        try:
            source.script = interpret(text, path.parent, path.name, environment)
        except (ShellError, RecursionError) as error:
            raise InputError(str(path), [Problem(str(error), path.name)]) from None
    return source


def json_table(text: str, label: str) -> Table:
    """A JSON object as a table. Raises InputError where it is none."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise InputError(label, [Problem(f"not valid JSON: {getattr(error, 'msg', error)}", line=line)]) from None
    return _table(document, label, "JSON")


def _toml(source: Source) -> Table:
    label = str(source.path)
    try:
        document: Any = tomllib.loads(source.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(label, [Problem(f"not valid TOML: {error}", source.path.name)]) from None
    return _table(document, label, "TOML")


def _table(document: Any, label: str, form: str) -> Table:
    if not isinstance(document, dict):
        raise InputError(label, [Problem(f"the file holds no {form} object", line=1)])
    if search_path.is_deep(document):
        raise InputError(label, [Problem("nested too deep")])
    table = as_table(document)
    assert isinstance(table, Table)
    return table
