"""Where files are: the catalog's folders, the folders of configs, names and aliases; and reading them once.

A user's own catalog (the folder named by the environment variable CLUSTERSIM_CATALOG) stands before the packaged one,
./configs before the shipped ones.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from clustersim.errors import Problem
from clustersim.inputs.files import UnreadableError, read_utf8
from clustersim.inputs.table import MAX_DEPTH, Items, Table
from clustersim.inputs.yaml import MAX_BYTES, read_yaml

CATALOG_VARIABLE = "CLUSTERSIM_CATALOG"
CITATION_KEYS = frozenset({"source", "status", "note"})
ABOUT_THE_FILE = ("about", "aliases", "background", "sources")  # for people; no part of the description
YAML_SUFFIXES = (".yaml", ".yml")

_ALIASES = re.compile(r"^aliases:.*\n?(?:^(?:[ \t]+|- ).*\n?)*", re.MULTILINE)
_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")


def slug(name: str) -> str:
    """A name as files are called: lower case, hyphens."""
    return re.sub(r"[\s_]+", "-", name.strip().lower())


def catalog_folders() -> list[Path]:
    """The user's catalog, if there is one, and the packaged one."""
    own = os.environ.get(CATALOG_VARIABLE)
    return [*([Path(own)] if own else []), _packaged("clustersim.catalog")]


def config_folders() -> list[Path]:
    """./configs, and the configs that were installed with the package (in a source checkout they lie beside it)."""
    package = _packaged("clustersim")
    shipped = package / "configs"
    return [Path("configs"), shipped if shipped.is_dir() else package.parent / "configs"]


def shipped_instead(file: Path) -> Path | None:
    """The shipped file for a path such as configs/scenarios/NAME.yaml that isn't here; None for all other paths."""
    here, shipped = config_folders()
    if file.parts[:1] != here.parts or ".." in file.parts:
        return None
    found = shipped.joinpath(*file.parts[1:])
    try:
        return found if found.is_file() and not file.exists() else None
    except (OSError, ValueError):  # a name too long, a NUL in it: said when the file is read
        return None


@cache
def _packaged(package: str) -> Path:
    return Path(str(files(package)))


def is_packaged(file: str) -> bool:
    """Whether a file is one of the packaged catalog."""
    return file.startswith(f"{_packaged('clustersim.catalog')}{os.sep}")


def entries(folders: Collection[Path], section: str) -> list[dict[str, Path]]:
    """The YAML files of a section by slug, folder by folder."""
    return [_entries(folder / section) for folder in folders]


def _entries(folder: Path) -> dict[str, Path]:
    packaged = folder.parent == _packaged("clustersim.catalog")
    return _packaged_entries(folder) if packaged else _listed(folder)


@cache
def _packaged_entries(folder: Path) -> dict[str, Path]:
    return _listed(folder)


def _listed(folder: Path) -> dict[str, Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return {}
    return {slug(file.stem): file for file in found if file.suffix in YAML_SUFFIXES}


def find(folders: Collection[Path], section: str, name: str, skip: Collection[str] = ()) -> Path | None:
    """The first file of that name, or of that alias, whose real path isn't to be skipped.

    Case doesn't matter, nor `_` against `-`; a bracketed end as in `A100 (80GB)` is left off where that helps.
    """
    shelves = entries(folders, section)
    for wanted in dict.fromkeys((slug(name), slug(_BRACKETS.sub("", name)))):
        named = [shelf[wanted] for shelf in shelves if wanted in shelf]
        for file in named:
            if not same_file(file, skip):
                return file
        for shelf in shelves:
            for file in shelf.values():
                if wanted in file_aliases(file) and not same_file(file, skip):
                    return file
    return None


_HUB_ID = re.compile(r"[\w.-]+/([\w.-]+)")
_HUB_ENDS = re.compile(r"-(hf|base|instruct|chat|it|pt|v\d+(\.\d+)?)$")  # weights that differ, shapes that don't


def hub_model(name: str) -> Path | None:
    """The catalog's file for a Hugging Face id, `meta-llama/Llama-3.1-70B`; None for a path, or where it has none.

    Endings that name other weights of the same shape are left off (`-hf`, `-Instruct`, `-v0.1`).
    """
    match = _HUB_ID.fullmatch(name)
    if match is None or name.startswith(".") or Path(name).exists():
        return None
    wanted = slug(match[1])
    while True:
        for spelled in (wanted, wanted.replace("meta-llama", "llama")):
            found = find(catalog_folders(), "models", spelled)
            if found is not None:
                return found
        shorter = _HUB_ENDS.sub("", wanted)
        if shorter == wanted:
            return None
        wanted = shorter


def same_file(file: Path, others: Collection[str]) -> bool:
    """Whether a file is one of `others`, which are real paths."""
    try:
        return bool(others) and os.path.realpath(file) in others
    except ValueError:  # a NUL in the name
        return False


def known_words(section: str) -> list[str]:
    """Every name and alias of a section of the catalog."""
    files_by_slug = [item for shelf in entries(catalog_folders(), section) for item in shelf.items()]
    return list(dict.fromkeys(word for name, file in files_by_slug for word in (name, *file_aliases(file))))


def file_aliases(file: Path) -> tuple[str, ...]:
    """Other names that an entry states for itself, as slugs."""
    return _aliases(file, _stamp(file))


@lru_cache(maxsize=1024)
def _aliases(file: Path, stamp: tuple[int, int]) -> tuple[str, ...]:
    try:
        match = _ALIASES.search(read_utf8(file, MAX_BYTES))  # the rest of the file needn't be parsed for this
    except UnreadableError:
        return ()
    document = read_yaml(match[0], str(file), []) if match else None
    stated = document.get("aliases") if isinstance(document, Table) else None
    return tuple(slug(alias) for alias in stated if isinstance(alias, str)) if isinstance(stated, list) else ()


def _stamp(file: Path) -> tuple[int, int]:
    """Changes when the file does, so that what was read of it is read again."""
    try:
        found = file.stat()
    except (OSError, ValueError):  # a name too long, a NUL in it: said when the file is read
        return 0, 0
    return found.st_mtime_ns, found.st_size


def read_document(file: Path, problems: list[Problem], *, raw: bool = False) -> Table | None:
    """The mapping that a YAML file holds, without citations unless `raw`; None, and why, where it holds none."""
    document, found = _read(file, _stamp(file), raw)
    problems += found
    return document


@lru_cache(maxsize=512)
def _read(file: Path, stamp: tuple[int, int], raw: bool) -> tuple[Table | None, tuple[Problem, ...]]:
    problems: list[Problem] = []
    text = read_text(file, problems)
    document = None if text is None else read_yaml(text, str(file), problems)
    if isinstance(document, Table):
        return document if raw else bare(document), tuple(problems)
    if not problems:
        what = "is empty" if document is None else "holds no mapping of keys to values"
        problems.append(Problem(f"the file {what}", line=1, file=str(file)))
    return None, tuple(problems)


def read_text(file: Path, problems: list[Problem]) -> str | None:
    """The text of a file, or None and why not."""
    try:
        return read_utf8(file, MAX_BYTES)
    except UnreadableError as error:
        problems.append(Problem(str(error), key=file.name, file=str(file)))
        return None


def read_json(file: Path, problems: list[Problem]) -> dict[str, Any] | None:
    """The object that a JSON file holds, or None and why not."""
    text = read_text(file, problems)
    if text is None:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        problems.append(Problem(f"not valid JSON: {getattr(error, 'msg', error)}", line=line, file=str(file)))
        return None
    if not isinstance(document, dict):
        problems.append(Problem("the file holds no JSON object", line=1, file=str(file)))
        return None
    if is_deep(document):
        problems.append(Problem(f"nested more than {MAX_DEPTH} deep", key=file.name, file=str(file)))
        return None
    return document


def is_deep(document: Any) -> bool:
    """Whether a document is nested deeper than any that is meant."""
    held = [document]
    for _ in range(MAX_DEPTH):
        held = [
            item
            for value in held
            for item in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
            if isinstance(item, dict | list)
        ]
        if not held:
            return False
    return True


def bare(document: Table) -> Table:
    """A document without what is said about the file and about each value's source."""
    plain = uncited(document.without(*ABOUT_THE_FILE))
    return plain if isinstance(plain, Table) else document


def uncited(value: Any) -> Any:
    """Every `{value: ..., source: ..., status: ..., note: ...}` as its plain value."""
    if isinstance(value, Table):
        if "value" in value and CITATION_KEYS & value.keys():
            return uncited(value["value"])
        return Table({key: uncited(item) for key, item in value.items()}, value.origins)
    if isinstance(value, Items):
        return Items([uncited(item) for item in value], value.origins)
    return value
