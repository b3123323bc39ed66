"""What the name of a model's folder claims: `Qwen3-30B-A3B` has 30 billion parameters, of which a token meets 3."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOTAL = re.compile(r"(?<![0-9a-z.])(\d{1,5}(?:\.\d{1,3})?)(b|m|t)(?![a-z0-9])", re.IGNORECASE)
_ACTIVE = re.compile(r"(?<![0-9a-z.])a(\d{1,5}(?:\.\d{1,3})?)(b|m)(?![a-z0-9])", re.IGNORECASE)


class Claimed(NamedTuple):
    """Parameters that a name claims, as it writes them; None where it claims none."""

    parameters: str | None
    active_parameters: str | None


def claimed_by(name: str) -> Claimed:
    """The claims in a name; `8x7B` claims none, for its product is no model's total."""
    total, active = _TOTAL.search(name), _ACTIVE.search(name)
    return Claimed(_written(total), _written(active))


def _written(match: re.Match[str] | None) -> str | None:
    return f"{match[1]}{match[2].upper()}" if match else None
