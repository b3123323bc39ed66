"""Which stack inherits from which, and which of a packaged stack's numbers are fitted to measured runs.

A number is fitted where the stack's file gives `fit` as its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from clustersim.inputs.catalog import document, load, names
from clustersim.studies.calibration.parameters import NAMES

FITTED = "fit"


@dataclass(frozen=True)
class Member:
    """A stack of the catalog."""

    slug: str
    parent: str | None
    fitted: tuple[str, ...]  # fields fitted to rows
    stated: Mapping[str, float]  # fields that its own file states otherwise


@lru_cache(maxsize=1)
def family() -> dict[str, Member]:
    """Every packaged stack, parents before children."""
    members = {slug: _member(slug) for slug in names("stacks")}
    return {slug: members[slug] for slug in sorted(members, key=lambda slug: len(_line(slug, members)))}


def _member(slug: str) -> Member:
    own, stack = document("stacks", slug), load("stacks", slug)
    fitted = tuple(name for name in NAMES if _source(own.get(name)) == FITTED)
    stated = {name: float(getattr(stack, name)) for name in NAMES if name in own and name not in fitted}
    return Member(slug, own.get("extends"), fitted, stated)


def _source(field: Any) -> str | None:
    return field.get("source") if isinstance(field, Mapping) else None


def _line(slug: str, members: Mapping[str, Member]) -> list[str]:
    parent = members[slug].parent
    return [slug] if parent is None else [slug, *_line(parent, members)]


def family_of(slug: str) -> str:
    """The stack whose numbers a stack runs under: itself, or what a mere release extends."""
    own = document("stacks", slug)
    return family_of(own["extends"]) if "release" in own and "extends" in own else slug


def children(slug: str) -> list[str]:
    """Stacks that extend this one."""
    return [other.slug for other in family().values() if other.parent == slug]
