"""The catalog: what comes with clustersim, and the user's own entries before it.

An entry is a YAML file `<section>/<name>.yaml`. Any value in it may be cited, `{value: 312 TFLOP/s, source: nvidia,
status: read, note: ...}`, where `source` is a sentence or a key of the file's `sources`. `load` gives the described
thing, `document` what the file says, citations included.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, overload

from clustersim.errors import InputError, Problem
from clustersim.inputs import search_path
from clustersim.inputs.base import Description
from clustersim.inputs.hardware import Accelerator, Cluster, Node
from clustersim.inputs.merging import KINDS
from clustersim.inputs.model import Model
from clustersim.inputs.problems import described, did_you_mean, in_file
from clustersim.inputs.references import READ_AS, Resolver, file_of, is_path
from clustersim.inputs.reliability import Reliability
from clustersim.inputs.stack import Stack
from clustersim.inputs.table import Origin, Table, as_plain
from clustersim.inputs.units import shown


def sections() -> tuple[str, ...]:
    """The sections whose entries are described: accelerators, nodes, clusters, models, stacks, failures."""
    return tuple(section for section in KINDS if section != "scenarios")


def names(section: str) -> list[str]:
    """The names of a section's entries, the user's own among them."""
    return sorted({name for shelf in search_path.entries(search_path.catalog_folders(), section) for name in shelf})


def document(section: str, name: str) -> dict[str, Any]:
    """What an entry's file says, with its citations; `name` may be a path, of a model a config.json's.

    Raises InputError for an unknown name or a broken file.
    """
    return dict(as_plain(_document(section, name, raw=True)))


def lineage(section: str, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Names (or paths) and documents of an entry and of what it extends, its own first; citations included."""
    found: list[tuple[str, dict[str, Any]]] = []
    seen: set[str] = set()
    heir: str | None = name
    while heir is not None:
        file = _file(section, heir)
        real = os.path.realpath(file)
        if real in seen:
            break
        seen.add(real)
        content = dict(as_plain(_read(file, raw=True)))
        found.append((heir, content))
        parent = content.get("extends")
        heir = _beside(file, parent) if isinstance(parent, str) else None
    return found


def _beside(file: Path, parent: str) -> str:
    """What an entry extends: a name as it stands, a path relative to the entry's file."""
    return str(file_of(Origin(file=str(file)), parent)) if is_path(parent) else parent


def plain_document(section: str, name: str) -> dict[str, Any]:
    """The same without citations: for prices, records and whatever else isn't a description."""
    return dict(as_plain(_document(section, name, raw=False)))


def _document(section: str, name: str, *, raw: bool) -> Table:
    return _read(_file(section, name), raw=raw)


def _file(section: str, name: str) -> Path:
    """The file that a name or a path means. Raises InputError where the catalog has no such name."""
    if is_path(name):
        return file_of(Origin(), name)
    file = search_path.find(search_path.catalog_folders(), section, name)
    if file is None:
        hint = did_you_mean(search_path.slug(name), search_path.known_words(section))
        raise InputError(name, [Problem(f"no {shown(name)} in the catalog's {section}{hint}", key=section)])
    return file


def _read(file: Path, *, raw: bool) -> Table:
    problems: list[Problem] = []
    if file.name.lower().endswith(".json"):
        content = search_path.read_json(file, problems)
        found = None if content is None else Table(content)
    else:
        found = search_path.read_document(file, problems, raw=raw)
    if found is None or problems:
        raise InputError(str(file), in_file(problems, str(file)))
    return found


@overload
def load(section: Literal["accelerators"], name: str) -> Accelerator: ...
@overload
def load(section: Literal["nodes"], name: str) -> Node: ...
@overload
def load(section: Literal["clusters"], name: str) -> Cluster: ...
@overload
def load(section: Literal["models"], name: str) -> Model: ...
@overload
def load(section: Literal["stacks"], name: str) -> Stack: ...
@overload
def load(section: Literal["failures"], name: str) -> Reliability: ...
@overload
def load(section: str, name: str) -> Description: ...
def load(section: str, name: str) -> Description:
    """An entry of the catalog, its references resolved. Raises InputError for an unknown name or a broken entry."""
    if section not in sections():
        message = f"no section {shown(section)} in the catalog{did_you_mean(section, sections())}"
        raise InputError(name, [Problem(message, key=section)])
    if is_path(name):  # what a path means depends on where one stands, so it isn't kept
        return _load.__wrapped__(section, name, ())
    return _load(section, name, _state_of_own_catalog())


def load_read_as(path: str, kind: str) -> Model:
    """A model from the config.json at a path, read as the type `kind` whatever it says. Raises InputError."""
    found = _described("models", Table({"extends": path, READ_AS: kind}), path)
    assert isinstance(found, Model)
    return found


@lru_cache(maxsize=1024)
def _load(section: str, name: str, state: tuple[Any, ...]) -> Description:
    return _described(section, name, name)


def _described(section: str, reference: Any, label: str) -> Description:
    problems: list[Problem] = []
    resolver = Resolver(problems)
    table = resolver.resolve(section, reference, (), Origin())
    entry = None if table is None else described(KINDS[section], table, problems, known_bad=resolver.bad)
    if entry is None or problems:
        raise InputError(label, in_file(problems, label))
    return entry


def _state_of_own_catalog() -> tuple[Any, ...]:
    """Changes whenever a file of the user's own catalog does, so that what was loaded is loaded again."""
    own, *packaged = search_path.catalog_folders()
    if not packaged:
        return ()
    found = [entry for folder in sections() for entry in _files(os.path.join(own, folder))]
    return (str(own), *found)


def _files(folder: str) -> list[tuple[str, int, int]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.path, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in entries)
    except OSError:
        return []
