"""Every key by the one name that it has here, whichever word a file, a mapping or an override used.

This comes before merging and checking, so that these know one name alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from clustersim.errors import Problem
from clustersim.inputs.megatron_keys import INSTEAD, instead
from clustersim.inputs.merging import REFERENCES, kind_of, part_of
from clustersim.inputs.synonyms import SYNONYMS
from clustersim.inputs.table import NOWHERE, KeyPath, Origin, Table, dotted

DEEPEST_KEY = 20
# The parts of a scenario whose keys people put into one another.
PARTS = {"training": "scenarios.training", "layout": "scenarios.layout", "": "scenarios"}


class KeyNote(str):
    """A note on a key that stood under another word: what a user can mend in their files."""

    __slots__ = ()


class Renaming:
    """Renames the keys of documents; what can't be is added to `problems`, earlier names to `notes`."""

    def __init__(self, problems: list[Problem], notes: list[str]) -> None:
        self.problems = problems
        self.notes = notes

    def document(self, table: Table, section: str, path: KeyPath = ()) -> Table:
        """The mapping with its keys by their own names, and so the mappings in it; `section` says what it describes."""
        if not _has_other_words(section):
            return table
        synonyms = SYNONYMS.get(section, {})
        found = Table()
        written: dict[str, str] = {}  # a key's own name -> the word that was used
        for word, value in table.items():
            synonym, origin = synonyms.get(word), table.origin(word)
            if synonym is not None and synonym.of == "gone":
                self._note(synonym.note(word), (*path, word), origin)
                continue
            answer = "" if synonym is not None else instead(section, word, value) or _elsewhere(section, word)
            if answer:
                self._complain(answer, (*path, word), origin)
                continue
            name, *inside = [word] if synonym is None else synonym.name.split(".")
            if name in written:
                self._complain(f"the same as {written[name]}, which is given too", (*path, word), origin)
                continue
            written[name] = word
            if synonym is not None:
                self._note(synonym.note(word), (*path, word), origin)
            if inside:
                value = nested(inside, value, origin)
            elif isinstance(value, Table):
                value = self.document(value, part_of(section, name), (*path, name))
            found[name] = value
            found.origins[name] = origin
        return found

    def dotted_keys(self, table: Table, section: str, path: KeyPath = ()) -> Table:
        """A mapping of dotted keys of a `section` to whatever is said of them, its keys by their own names."""
        found = Table()
        for key, value in table.items():
            own, origin = own_key(key.split("."), section), table.origin(key)
            if own in found:
                self._complain(f"the same as {own}, which is given too", (*path, key), origin)
                continue
            if own != key:
                self._note(f"{key} is {own} here", (*path, key), origin)
            found[own] = value
            found.origins[own] = origin
        return found

    def overrides(self, pairs: list[tuple[str, Any]], section: str) -> list[Table]:
        """The mappings that dotted keys and their values stand for, to be laid over a `section` one after the other.

        The same key may come twice, and the later counts; not so under two words, for one of them may be a mistake.
        """
        used: dict[str, str] = {}
        found = []
        for key, value in pairs:
            parts = key.split(".")
            if not all(parts) or len(parts) > DEEPEST_KEY:
                self._complain("not a dotted key such as layout.pipeline", (key or '""',), Origin())
                continue
            table = self.document(nested(parts, value), section)
            own = own_key(parts, section)
            if used.setdefault(own, key) != key:
                self._complain(f"the same as {used[own]}, which is given too", (key,), Origin())
            found.append(table)
        return found

    def _complain(self, message: str, path: KeyPath, origin: Origin) -> None:
        self.problems.append(Problem(message, dotted(path), origin.line, origin.file))

    def _note(self, text: str, path: KeyPath, origin: Origin) -> None:
        place = f" ({origin.file}, line {origin.line})" if origin.line is not None else ""
        self.notes += [KeyNote(f"{dotted(path)}{place}: {text}")] if text else []


@cache
def _has_other_words(section: str) -> bool:
    """Whether any key of a section, or of a part of it, has another word."""
    own = any(known == section or known.startswith(f"{section}.") for known in (*SYNONYMS, *INSTEAD))
    return own or any(_has_other_words(part) for part in REFERENCES.get(section, {}).values())


def _elsewhere(section: str, word: str) -> str:
    """Where a word stands that a part of a scenario doesn't know and another part does."""
    if section not in PARTS.values() or word in ("extends", *_fields(section)):
        return ""
    for key, part in PARTS.items():
        synonym = SYNONYMS.get(part, {}).get(word)
        if part != section and (synonym is not None or word in _fields(part)):
            name = word if synonym is None else synonym.name
            return f"stands {f'under {key}: {key}.{name}' if key else f'by itself: {name}'}"
    return ""


@cache
def _fields(section: str) -> frozenset[str]:
    kind = kind_of(section)
    return frozenset(() if kind is None else kind.model_fields)


def own_key(words: Sequence[str], section: str) -> str:
    """The dotted key, by its own name, that words lead to: `layout.tensor` for layout and tp."""
    names = []
    for word in words:
        synonym = SYNONYMS.get(section, {}).get(word)
        names.append(word if synonym is None else synonym.name)
        section = part_of(section, names[-1])
    return ".".join(names)


def nested(keys: Sequence[str], value: Any, origin: Origin = NOWHERE) -> Table:
    """`{"layout": {"pipeline": 8}}` for layout, pipeline and 8."""
    inner = nested(keys[1:], value, origin) if len(keys) > 1 else value
    return Table({keys[0]: inner}, {keys[0]: origin})
