"""Every key by the one name that it has here, whichever word a file, a mapping or an override used.

This comes before merging and checking, so that these know one name alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from clustersim.errors import Problem
from clustersim.inputs.merging import REFERENCES, part_of
from clustersim.inputs.synonyms import SYNONYMS
from clustersim.inputs.table import NOWHERE, KeyPath, Origin, Table, dotted

DEEPEST_KEY = 20


class Renaming:
    """Renames the keys of documents; what can't be is added to `problems`, earlier names to `notes`."""

    def __init__(self, problems: list[Problem], notes: list[str]) -> None:
        self.problems = problems
        self.notes = notes

    def document(self, table: Table, section: str, path: KeyPath = ()) -> Table:
        """The mapping with its keys by their own names, and so the mappings in it; `section` says what it describes."""
        if not _has_synonyms(section):
            return table
        synonyms = SYNONYMS.get(section, {})
        found = Table()
        written: dict[str, str] = {}  # a key's own name -> the word that was used
        for word, value in table.items():
            synonym, origin = synonyms.get(word), table.origin(word)
            if synonym is not None and synonym.gone:
                self.notes.append(f"{dotted((*path, word))}: no figure depends on it any more, and it is left out")
                continue
            name, *inside = [word] if synonym is None else synonym.name.split(".")
            if name in written:
                self._complain(f"the same as {written[name]}, which is given too", (*path, word), origin)
                continue
            written[name] = word
            if synonym is not None and synonym.earlier:
                self._note(word, synonym.name, (*path, word), origin)
            if inside:
                value = nested(inside, value, origin)
            elif isinstance(value, Table):
                value = self.document(value, part_of(section, name), (*path, name))
            found[name] = value
            found.origins[name] = origin
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

    def _note(self, word: str, name: str, path: KeyPath, origin: Origin) -> None:
        place = f" ({origin.file}, line {origin.line})" if origin.line is not None else ""
        self.notes.append(f"{dotted(path)}{place}: {word} is called {name} now")


@cache
def _has_synonyms(section: str) -> bool:
    """Whether any key of a section, or of a part of it, has another word."""
    own = any(known == section or known.startswith(f"{section}.") for known in SYNONYMS)
    return own or any(_has_synonyms(part) for part in REFERENCES.get(section, {}).values())


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
