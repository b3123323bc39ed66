"""From pydantic's errors to sentences that a person who wrote a file understands."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clustersim.errors import InputError, Problem
from clustersim.inputs.base import Reference
from clustersim.inputs.table import KeyPath, dotted, locate
from clustersim.inputs.units import shown

Described = TypeVar("Described", bound=BaseModel)

WORDS_LISTED = 24
LONGEST_WORD = 100
EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} items",
    "string_too_short": "at least {min_length} characters",
}


def nearest(word: str, known: Collection[str], count: int = 3) -> list[str]:
    """The known words that look like `word`, nearest first."""
    return difflib.get_close_matches(word.lower(), known, n=count, cutoff=0.6) if len(word) <= LONGEST_WORD else []


def did_you_mean(word: str, known: Collection[str]) -> str:
    """The end of a sentence: the nearest known words, or all of them if they are few."""
    close = nearest(word, known)
    if close:
        return f". Did you mean {', '.join(close)}?"
    return f". Known: {', '.join(known)}" if 0 < len(known) <= WORDS_LISTED else ""


def read_as(kind: type[Described], table: Mapping[str, Any], source: str) -> Described:
    """A description from a mapping. Raises InputError with every problem in it."""
    problems: list[Problem] = []
    found = described(kind, table, problems)
    if found is None:
        raise InputError(source, in_file(problems, source))
    return found


def described(
    kind: type[Described],
    table: Mapping[str, Any],
    problems: list[Problem],
    *,
    known_bad: Collection[KeyPath] = (),
    extra_keys: Collection[str] = (),
) -> Described | None:
    """A description from a mapping, or None with everything that is wrong with it added to `problems`.

    Nothing is said about the paths that are `known_bad` already. `extra_keys` are known to an earlier step.
    """
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        problems += _translate(error, kind, table, known_bad, extra_keys)
        return None


def in_file(problems: Sequence[Problem], source: str) -> list[Problem]:
    """The problems of `source` in the order of its lines, then those of other files; each is said once."""
    own = {replace(problem, file="" if problem.file == source else problem.file): None for problem in problems}
    return sorted(own, key=lambda problem: (problem.file, problem.line or 0))


def _translate(
    error: ValidationError,
    kind: type[BaseModel],
    table: Mapping[str, Any],
    known_bad: Collection[KeyPath],
    extra_keys: Collection[str],
) -> Iterator[Problem]:
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        by_path.setdefault(_real_path(detail, table), []).append(detail)
    around = {path[:end] for path in by_path for end in range(len(path))}
    for path, details in by_path.items():
        told = any(path[: len(bad)] == bad for bad in known_bad)
        if told or (path in around and _is_union_noise(details)):
            continue
        origin = locate(table, path)
        message = _sentence(kind, path, details, extra_keys if len(path) == 1 else ())
        yield Problem(message, dotted(path), origin.line, origin.file)


def _is_union_noise(details: Sequence[ErrorDetails]) -> bool:
    """Whether these say only that a mapping isn't the other thing that might have stood here."""
    return all(detail["type"] in ("literal_error", *EXPECTED) for detail in details)


def _real_path(detail: ErrorDetails, table: Any) -> KeyPath:
    """Where the error is in the document: its location without the names that pydantic gives to members of unions."""
    path: list[str | int] = []
    here = table
    for step in detail["loc"]:
        inside_table = isinstance(here, Mapping) and step in here
        inside_list = isinstance(here, (list, tuple)) and isinstance(step, int) and step < len(here)
        if inside_table or inside_list:
            here = here[step]
            path.append(step)
    if detail["type"] == "missing":
        path.append(detail["loc"][-1])
    return tuple(path)


def _sentence(
    kind: type[BaseModel], path: KeyPath, details: Sequence[ErrorDetails], extra_keys: Collection[str]
) -> str:
    first = details[0]
    if first["type"] == "missing":
        key = str(path[-1])
        fields = [owner.model_fields[key] for owner in _owners(kind, path) if key in owner.model_fields]
        about = next((f": {field.description}" for field in fields if field.description), "")
        return f"required, but absent{about}"
    if first["type"] == "extra_forbidden":
        known = [name for owner in _owners(kind, path) for name in owner.model_fields]
        known += [*extra_keys, *_keys_of_references(kind, path)]
        return f"unknown key{did_you_mean(str(path[-1]), list(dict.fromkeys(known)))}"
    if first["loc"][-1] == "[key]":
        words = _literals(first)
        return f"unknown key{did_you_mean(str(path[-1]), words)}"
    custom = [detail["msg"] for detail in details if detail["type"] not in ("literal_error", *EXPECTED)]
    if custom:
        return custom[0]
    value = first["input"]
    wanted = list(dict.fromkeys(_expectation(detail) for detail in details))
    hint = ""
    if isinstance(value, str):
        close = nearest(value, [word for detail in details for word in _literals(detail)])
        hint = f". Did you mean {', '.join(close)}?" if close else ""
    return f"expected {', or '.join(wanted)}; got {shown(value)}{hint}"


def _literals(detail: ErrorDetails) -> list[str]:
    """The words that a literal accepts."""
    expected = str(detail.get("ctx", {}).get("expected", ""))
    return expected.replace("'", "").replace(" or ", ", ").split(", ") if expected else []


def _expectation(detail: ErrorDetails) -> str:
    words = _literals(detail)
    if words:
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    limits = {
        name: f"{limit:,g}" if limit < 1e6 else f"{limit:,}"
        for name, limit in detail.get("ctx", {}).items()
        if isinstance(limit, (int, float))
    }
    return EXPECTED[detail["type"]].format(**limits)


def _owners(kind: type[BaseModel], path: KeyPath) -> list[type[BaseModel]]:
    """The descriptions that may own the last key of `path`."""
    owners = [kind]
    for step in path[:-1]:
        if isinstance(step, str):
            fields = [owner.model_fields[step] for owner in owners if step in owner.model_fields]
            owners = [found for field in fields for found in _descriptions(field.annotation)]
    return owners


def _keys_of_references(kind: type[BaseModel], path: KeyPath) -> list[str]:
    """Keys that a mapping may have beside its own, because it stands where a reference may."""
    if len(path) < 2:
        return []
    fields = [owner.model_fields[str(path[-2])] for owner in _owners(kind, path[:-1]) if path[-2] in owner.model_fields]
    markers = [marker for field in fields for marker in field.metadata if isinstance(marker, Reference)]
    return [key for marker in markers for key in (*marker.keys, "extends")]


def _descriptions(annotation: Any) -> list[type[BaseModel]]:
    """Every description named in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _descriptions(part)]
