"""From a name, a path or a mapping to the document that it stands for: scenarios, sweeps and claims as written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clustersim.errors import InputError, Problem
from clustersim.inputs import search_path
from clustersim.inputs.problems import did_you_mean, in_file
from clustersim.inputs.references import is_path
from clustersim.inputs.table import Table, as_table
from clustersim.inputs.units import shown

Source = str | Path | Mapping[str, Any]

IN_A_RESULT = "scenario"  # where `clustersim run --json` keeps what it played
KINDS = {"scenarios": "scenario", "sweeps": "sweep", "claims": "claim", "serving": "serving scenario"}


def load_config(kind: str, source: Source) -> Table:
    """The document of a scenario, sweep or claim as it was written, a mapping that knows its lines.

    `kind` is `scenarios`, `sweeps` or `claims`. `problems.read_as` makes a description of it.
    Raises InputError where there is no such file or it isn't a YAML mapping.
    """
    return labelled_config(kind, source)[1]


def labelled_config(kind: str, source: Source) -> tuple[str, Table]:
    """The same, after what messages call the source."""
    problems: list[Problem] = []
    label, document = find_document(kind, source, problems, raw=True)
    if document is None or problems:
        raise InputError(label, in_file(problems, label))
    return label, document


def config_names(kind: str) -> list[str]:
    """The names of the scenarios, sweeps or claims in ./configs and among the shipped ones."""
    return sorted(
        {file.stem for shelf in search_path.entries(search_path.config_folders(), kind) for file in shelf.values()}
    )


def find_document(kind: str, source: Source, problems: list[Problem], *, raw: bool = False) -> tuple[str, Table | None]:
    """What messages call the source, and its mapping (without citations unless `raw`) if it can be had."""
    if isinstance(source, Mapping):
        label = str(source.get("name") or KINDS[kind])
        try:
            document: Table = as_table(source)
        except ValueError as error:
            problems.append(Problem(str(error), label))
            return label, None
        return label, document if raw else search_path.bare(document)
    file = config_file(kind, source, problems)
    if file is None:
        return str(source), None
    read = search_path.read_document(file, problems, raw=raw)
    if read is not None and kind in ("scenarios", "sweeps") and isinstance(read.get(IN_A_RESULT), Table):
        read = read[IN_A_RESULT]
    return str(file), read


def config_file(kind: str, source: str | Path, problems: list[Problem]) -> Path | None:
    """The file that a path names, or a bare name among the configs.

    A path into ./configs that isn't there is that of a shipped file: commands of the README work where the package is
    installed and no checkout lies around.
    """
    if isinstance(source, Path) or is_path(source):
        path = Path(os.path.expanduser(source))
        return search_path.shipped_instead(path) or path
    file = search_path.find(search_path.config_folders(), kind, source)
    if file is None:
        hint = did_you_mean(source, config_names(kind))
        message = f"no {KINDS[kind]} {shown(source)} in ./configs/{kind} or among the shipped ones{hint}"
        problems.append(Problem(message, key=KINDS[kind]))
    return file
