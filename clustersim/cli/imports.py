"""Launchers' files on the command line: variables that they expect, and the cluster that they don't name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from clustersim.launchers.importing import Imported, import_file


def imported_scenario(
    file: Path, defined: Sequence[str] = (), cluster: str | None = None, model: str | None = None
) -> Imported:
    """The scenario of a launcher's file. Raises InputError where nothing can be read."""
    environment = {}
    for text in defined:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"expected NAME=VALUE; got {text}", param_hint="--define")
        environment[name] = value
    found = import_file(file, environment, model)
    if cluster is not None:
        found.scenario["cluster"] = cluster
        found.scenario["layout"].pop("data", None)  # takes what is left
    return found
