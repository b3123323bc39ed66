"""Parts of scenarios that were checked before: of mappings that many documents share, so that none is checked twice."""

from __future__ import annotations

from clustersim.inputs.base import Description
from clustersim.inputs.table import Table

MOST_PARTS = 1000  # that are kept: more have come from documents that share little


class KnownParts:
    """The description that each mapping was found to be. Mappings are told apart by identity: they never change."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Table, Description]] = {}  # the mapping is held: its identity stays its own

    def put_into(self, document: Table) -> Table:
        """The document with the descriptions of all its mappings that are known in their places."""
        known = self._known
        if not known:
            return document
        found = {}
        for key, value in document.items():
            if isinstance(value, Table):
                part = known.get(id(value))
                found[key] = self.put_into(value) if part is None else part[1]
        return Table({**document, **found}, document.origins) if found else document

    def keep(self, document: Table, description: Description) -> None:
        """Remember what the mappings of a document that is right are."""
        if len(self._known) > MOST_PARTS:
            self._known.clear()
        for key, value in document.items():
            part = getattr(description, key, None)
            if isinstance(value, Table) and isinstance(part, Description) and id(value) not in self._known:
                self._known[id(value)] = value, part
                self.keep(value, part)
