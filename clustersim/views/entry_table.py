"""Every value of a catalog entry, with its source, its status and its note, and from whom it is inherited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clustersim.inputs import catalog
from clustersim.inputs.base import Description
from clustersim.inputs.companions import following
from clustersim.inputs.model import Model
from clustersim.inputs.search_path import CITATION_KEYS
from clustersim.views.entry_units import with_unit
from clustersim.views.model_table import counts_document, counts_view
from clustersim.views.show_table import DESCRIBED, KEY_FIGURES, check_section

DOUBTFUL = ("assumed", "inferred", "recalled", "rumour", "missing", "nominal")  # statuses that a reader should notice
TITLES = ("id", "device", "model")  # what items of a list are called by


@dataclass(frozen=True)
class Value:
    """One value that an entry states."""

    key: str
    value: str
    status: str = ""
    source: str = ""  # the citation written out
    note: str = ""
    entry: str = ""  # whose file states it


def entry_document(section: str, name: str, read_as: str | None = None) -> dict[str, Any]:
    """What an entry's file says, citations included, and what it comes to with everything it refers to.

    A model's document begins with its parameters; `read_as`: the type that a config.json is read as.
    """
    section = check_section(section)
    document = catalog.document(section, name)
    if section not in DESCRIBED:
        return document
    entry = _entry(section, name, read_as)
    resolved = {"resolved": entry.model_dump(mode="json"), "follows": [rule.to_dict() for rule in following(entry)]}
    if isinstance(entry, Model):
        counts = counts_document(entry)
        return counts | {key: value for key, value in document.items() if key not in counts} | resolved
    return document | resolved


def entry_values(section: str, name: str) -> list[Value]:
    """Every value of an entry in the order of its file, then what it inherits along `extends`."""
    values: dict[str, Value] = {}
    for heir, document in catalog.lineage(section, name):
        sources = document.pop("sources", {})
        for about in ("about", "aliases"):
            document.pop(about, None)
        for value in _cited(document, sources if isinstance(sources, Mapping) else {}, heir, ""):
            values.setdefault(value.key, value)
    return list(values.values())


def entry_view(section: str, name: str, read_as: str | None = None) -> RenderableType:
    """An entry explained: what it is, its key figures, and every value with where it comes from."""
    section = check_section(section)
    document = catalog.document(section, name)
    values = entry_values(section, name)
    parts: list[RenderableType] = [Text(str(document.get("about", name)), style="bold")]
    if document.get("aliases"):
        parts.append(Text(f"also called {', '.join(map(str, document['aliases']))}"))
    if section in DESCRIBED:
        entry = _entry(section, name, read_as)
        figures = KEY_FIGURES[section](entry)
        parts.append(Text(" · ".join(f"{what}: {figure}" for what, figure in figures.items() if figure != "-")))
        parts += counts_view(entry) if isinstance(entry, Model) else []
    numbers = {source: number for number, source in enumerate(dict.fromkeys(v.source for v in values if v.source), 1)}
    told = [replace(value, value=with_unit(section, value.key, value.value)) for value in values]
    parts.append(_table(told, numbers, name))
    parts += [Text(f"[{number}] {source}") for source, number in numbers.items()]
    rules = list(following(_entry(section, name, read_as))) if section in DESCRIBED else []
    if rules:
        parts.append(Text("\nin an entry that extends this one, unless it states the value", style="bold"))
    parts += [Text(f"  {rule}") for rule in rules]
    return Group(*parts)


def _entry(section: str, name: str, read_as: str | None) -> Description:
    return catalog.load(section, name) if read_as is None else catalog.load_read_as(name, read_as)


def _table(values: list[Value], numbers: Mapping[str, int], name: str) -> Table:
    inherited = any(value.entry != name for value in values)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("key", overflow="fold")
    table.add_column("value", overflow="fold", max_width=44)
    table.add_column("status", no_wrap=True)
    table.add_column("source", no_wrap=True)
    if inherited:
        table.add_column("inherited from", no_wrap=True)
    table.add_column("note", ratio=1)
    for value in values:
        status = Text(value.status, style="yellow" if value.status in DOUBTFUL else "")
        source = f"[{numbers[value.source]}]" if value.source else ""
        whose = ["" if value.entry == name else PurePath(value.entry).name] if inherited else []
        table.add_row(value.key, value.value, status, source, *whose, value.note)
    return table


def _cited(document: Mapping[str, Any], sources: Mapping[str, Any], entry: str, prefix: str) -> Iterator[Value]:
    """Values by dotted key, items of a list by what they are called."""
    for key, value in document.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and "value" in value and CITATION_KEYS & set(value):
            cited = str(value.get("source", ""))
            words = {name: str(value.get(name, "")) for name in ("status", "note")}
            yield Value(path, _plain(value["value"]), source=str(sources.get(cited, cited)), entry=entry, **words)
        elif isinstance(value, Mapping):
            yield from _cited(value, sources, entry, f"{path}.")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value):
                title = next((str(item[word]) for word in TITLES if word in item), f"{path}[{number}]")
                rest = {word: held for word, held in item.items() if str(held) != title}
                yield from _cited(rest, sources, entry, f"{title}.")
        else:
            yield Value(path, _plain(value), entry=entry)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return "-" if value is None else str(value)
