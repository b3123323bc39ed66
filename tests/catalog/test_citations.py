"""Every number in the catalog says where it comes from."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

CATALOG = Path(str(files("clustersim.catalog")))
FILES = sorted(CATALOG.glob("*/*.yaml"))
STATUSES = {"read", "computed", "inferred", "recalled", "assumed", "rumour", "missing", "nominal"}
WORDS = {
    "about",
    "aliases",
    "name",
    "note",
    "notes",
    "technology",
    "sources",
    "where",
    "when",
    "kinds",
}  # prose, not data
QUANTITY = re.compile(r"[\d.]+ ?(%|[kMGTP]?i?[Bb](/s)?|[MGTP]FLOP/s|[mun]?s|[kM]?W|USD(/[hd])?|[BMT])")
SOURCE_KEY = re.compile(r"[a-z0-9-]+")


def document(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def is_citation(node: object) -> bool:
    return isinstance(node, dict) and "value" in node


def citations(node: object, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every citation below a node, with the way to it."""
    if isinstance(node, dict) and is_citation(node):
        yield where, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from citations(value, f"{where}.{key}")
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from citations(value, f"{where}[{position}]")


def uncited(node: object, where: str = "") -> Iterator[str]:
    """Numbers and quantities that stand outside a citation; a row of a table may have one for all of it."""
    if is_citation(node) or is_cited_row(node, where):
        return
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in WORDS:
                yield from uncited(value, f"{where}.{key}")
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from uncited(value, f"{where}[{position}]")
    elif is_number(node):
        yield where


def is_number(node: object) -> bool:
    if isinstance(node, str):
        return QUANTITY.fullmatch(node) is not None
    return isinstance(node, int | float) and not isinstance(node, bool)


def is_cited_row(node: object, where: str) -> bool:
    return isinstance(node, dict) and where.endswith("]") and any(map(is_citation, node.values()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_number_is_cited(path: Path) -> None:
    content = document(path)
    sources = content.get("sources", {})
    assert list(uncited(content)) == []
    used = set()
    for where, citation in citations(content):
        assert set(citation) <= {"value", "source", "status", "note"}, where
        source = citation.get("source")
        assert isinstance(source, str), where
        if SOURCE_KEY.fullmatch(source):
            assert source in sources, f"{where}: {source} is not among the sources"
            used.add(source)
        else:
            assert len(source.split()) > 2, f"{where}: a source is a key or a sentence"
        assert citation.get("status", "read") in STATUSES, where
    assert set(sources) == used, "every source is used"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_says_what_it_is(path: Path) -> None:
    about = document(path)["about"]
    assert about.endswith((".", ".)"))
    assert re.fullmatch(r"[a-z0-9.-]+", path.stem), "lower case with hyphens"


def test_the_check_itself_finds_what_is_uncited() -> None:
    content = {
        "name": "3 GB",
        "a": 1,
        "b": {"c": "3 GB/s"},
        "d": [{"value": 2, "source": "x"}, 5],
        "e": True,
        "f": "1f1b",
        "rows": [{"devices": 8, "flops": {"value": 1, "source": "x"}}, {"devices": 8}],
    }
    assert list(uncited(content)) == [".a", ".b.c", ".d[1]", ".rows[1].devices"]


def test_measurements_cite_their_sources() -> None:
    listed = document(CATALOG / "measured" / "sources.yaml")
    tables = (("measured_runs.csv", "source", 602), ("measured_runs_2.csv", "source", 602))
    for name, column, rows in (*tables, ("kernels.csv", "source_key", 2820), ("memory_runs.csv", "source", 239)):
        with (CATALOG / "measured" / name).open(encoding="utf-8", newline="") as file:
            found = [row[column] for row in csv.DictReader(file)]
        assert len(found) == rows
        assert set(found) <= set(listed[name])


# Numbers and tools of somebody's own index, which lead no reader to a source.
NOBODYS = re.compile(
    r"stored text|text ids?\b|read_file|\b(?:id|ids|no|nr|doc|document|chunk)\.? ?#?\d{5,}", re.IGNORECASE
)
WRITTEN = [
    path
    for folder in (CATALOG, CATALOG.parents[1] / "configs", CATALOG.parents[1] / "docs")
    for path in sorted(folder.rglob("*"))
    if path.suffix in (".yaml", ".csv", ".json", ".md")
]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_sources_lead_somewhere(path: Path) -> None:
    """A paper, a repository, a path: no numbers of a private index."""
    assert NOBODYS.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("stored text ids 455, 456", True),
        ("public repo (id 71475095499)", True),
        ("configuration class (read_file id 38958240318)", True),
        ("log on Ascend910B2C, id 6846982091", True),
        ("github NVIDIA/nccl-tests issue 290", False),
        ("arXiv 2412.19437, section 3.3.2", False),
        ("database.md @078586871", False),
        ("201326592 B in the ini", False),
    ],
)
def test_what_leads_nowhere(text: str, found: bool) -> None:
    assert bool(NOBODYS.search(text)) is found
