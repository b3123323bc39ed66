"""What every description has in common: strict, frozen, nothing unknown."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Description(BaseModel):
    """A part of a scenario as a user describes it.

    Values are SI floats once read (bytes, seconds, FLOP/s, bytes/s, watts); files give them as strings with units.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", validate_default=False)
