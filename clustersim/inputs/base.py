"""What every description has in common: strict, frozen, nothing unknown; and references from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError


class Description(BaseModel):
    """A part of a scenario as a user describes it.

    Values are SI floats once read (bytes, seconds, FLOP/s, bytes/s, watts); files give them as strings with units.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Reference:
    """Marks a field that a file may fill with a catalog name, a path, or a mapping that `extends` one of these."""

    section: str
    keys: tuple[str, ...] = ()  # accepted in the mapping beside the description's own fields

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The description itself, a string, or a mapping of what differs."""
        name = {"type": "string", "description": f"a name in catalog/{self.section}, or a path"}
        keys: dict[str, Any] = dict.fromkeys(self.keys, True)
        differs = {
            "type": "object",
            "description": "what differs from the entry that it extends",
            "properties": {"extends": name, **keys},
            "anyOf": [{"required": [key]} for key in ("extends", *self.keys)],
        }
        return {"anyOf": [name, handler(schema), differs]}


def references_of(kind: type[Description]) -> dict[str, str]:
    """The fields of a description that are references, and the catalog section that each refers to."""
    return {
        name: marker.section
        for name, field in kind.model_fields.items()
        for marker in field.metadata
        if isinstance(marker, Reference)
    }


def refusal(message: str) -> PydanticCustomError:
    """What a validator raises: the message as it will stand in a Problem."""
    return PydanticCustomError("refused", "{message}", {"message": message})
