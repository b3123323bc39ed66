"""Whose runs tell of a stack's numbers: its own, those of its family of software, those of all software of the vendor.

A stack's flags come from the stack that it extends; its fitted numbers from these levels, each the next one's prior. A
number is fitted where the stack's file, or the nearest parent's that has it, gives `fit` as its source.
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
    """A stack of the catalog and its levels, widest first."""

    slug: str
    levels: tuple[str, ...]  # of software: all of a vendor's, a family, the stack itself
    fitted: tuple[str, ...]  # numbers that runs tell
    stated: Mapping[str, float]  # numbers that files state otherwise


@lru_cache(maxsize=1)
def members() -> dict[str, Member]:
    """Every packaged stack that isn't a mere release of another."""
    return {slug: _member(slug) for slug in names("stacks") if software_of(slug) == slug}


def _member(slug: str) -> Member:
    stack = load("stacks", slug)
    sources = {name: _source(slug, name) for name in NAMES}
    return Member(
        slug,
        (f"vendor {stack.vendors[0]}", f"family {stack.vendors[0]} {stack.family}", slug),
        tuple(name for name in NAMES if sources[name] == FITTED),
        {name: float(getattr(stack, name)) for name in NAMES if sources[name] != FITTED},
    )


def _source(slug: str, name: str) -> str | None:
    """Where a number comes from: the source that the stack's file, or its nearest parent with the number, gives."""
    own: dict[str, Any] = document("stacks", slug)
    if name in own:
        field = own[name]
        return field.get("source") if isinstance(field, Mapping) else None
    return _source(own["extends"], name) if "extends" in own else None


def software_of(slug: str) -> str:
    """The stack whose numbers a stack runs under: itself, or what a mere release extends."""
    own = document("stacks", slug)
    return software_of(own["extends"]) if "release" in own and "extends" in own else slug


def levels() -> list[str]:
    """All levels of software, wider ones first."""
    found = [member.levels for member in members().values()]
    return list(dict.fromkeys(level for depth in zip(*found, strict=True) for level in depth))
