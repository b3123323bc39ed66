"""What every description has in common: strict, frozen, nothing unknown; and references from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationInfo, field_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from clustersim.inputs.units import shown

# What is computed with: products and quotients of a few such numbers stay far inside of floats.
LEAST_NUMBER, MOST_NUMBER = 1e-30, 1e30
MOST_WHOLE = 10**15
MOST_SEED = 2**64
SEED = "seed"


class Description(BaseModel):
    """A part of a scenario as a user describes it.

    Values are SI floats once read (bytes, seconds, FLOP/s, bytes/s, watts); files give them as strings with units.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="after")
    @classmethod
    def _is_computed_with(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse numbers that no cluster, model or run has, and that overflow what is computed from them."""
        if type(value) is float:
            check_number(value)
        elif isinstance(value, dict):
            for number in value.values():
                if type(number) is float:
                    check_number(number)
        elif type(value) is int and abs(value) > MOST_WHOLE and not (info.field_name == SEED and value <= MOST_SEED):
            raise refusal(f"{shown(value)} is more than {MOST_WHOLE:,}, the largest whole number that is computed with")
        return value


def check_number(value: float) -> None:
    """Raise a refusal for a number too large, or too near to zero, to be computed with."""
    if abs(value) > MOST_NUMBER:
        raise refusal(f"{value:g} is more than {MOST_NUMBER:g}, the largest number that is computed with")
    if 0.0 < abs(value) < LEAST_NUMBER:
        raise refusal(f"{value:g} is less than {LEAST_NUMBER:g}, the smallest number above 0 that is computed with")


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


@dataclass(frozen=True)
class Follows:
    """Marks a field whose value goes with others of its description: what becomes of it where an entry that extends
    another states these, and not it.

    `keys` are dotted where they lie in a part of the description. A mapping that follows a key of its own (`peak` that
    follows `peak.bf16`) does so entry by entry; of several such keys the first that the mapping has leads.
    """

    keys: tuple[str, ...]
    how: Literal["in proportion", "unset", "kept"]  # kept: as the other entry has it, and that is said
    then: str = ""  # what an unset value comes to

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The field's own schema, with what it follows."""
        own = handler(schema)
        said = {"keys": list(self.keys), "how": self.how} | ({"then": self.then} if self.then else {})
        return {**own, "x-follows": [said, *own.get("x-follows", [])]}


def follows_of(kind: type[Description]) -> dict[str, tuple[Follows, ...]]:
    """The fields of a description that follow others of it, and how."""
    found = {
        name: tuple(marker for marker in field.metadata if isinstance(marker, Follows))
        for name, field in kind.model_fields.items()
    }
    return {name: markers for name, markers in found.items() if markers}


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
