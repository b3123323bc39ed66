"""Typed access to a config.json that collects every problem instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from clustersim.errors import Problem

Fields = dict[str, object]
Value = TypeVar("Value")


class Config:
    """Reads values of a config.json, or what its configuration class fills in; `problems` holds what is wrong."""

    def __init__(self, content: Mapping[str, object], filled_in: Mapping[str, object]) -> None:
        self._content = content
        self._filled_in = filled_in
        self.problems: list[Problem] = []

    def size(self, key: str, least: int = 1) -> int:
        """A whole number of at least `least`; 1 after a problem, so that reading goes on."""
        value = self.maybe_size(key, least)
        if value is None and all(problem.key != key for problem in self.problems):
            self.refuse(key, "missing: give a whole number")
        return 1 if value is None else value

    def maybe_size(self, key: str, least: int = 1) -> int | None:
        """A whole number, or None where the file or the class says null."""
        value = self._value(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(key, f"{value!r} is not a whole number")
            return None
        if value < least:
            self.refuse(key, f"{value} is less than {least}")
            return None
        return value

    def flag(self, key: str) -> bool:
        """True or false; false where neither the file nor the class says."""
        value = self._value(key) or False
        if not isinstance(value, bool):
            self.refuse(key, f"{value!r} is neither true nor false")
        return value is True

    def rate(self, key: str) -> float:
        """A number from 0 to 1, such as a dropout."""
        value = self._value(key) or 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self.refuse(key, f"{value!r} is not a rate from 0 to 1")
            return 0.0
        return float(value)

    def entries(self, key: str, kind: type[Value], what: str) -> tuple[Value, ...]:
        """A list of one kind of value; empty where the file or the class says null."""
        value = self._value(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(type(entry) is kind for entry in value):
            self.refuse(key, f"{value!r} is not a list of {what}")
            return ()
        return tuple(value)

    def refuse(self, key: str, message: str) -> None:
        """Record a problem with a key."""
        self.problems.append(Problem(message, key))

    def _value(self, key: str) -> object:
        return self._content.get(key, self._filled_in.get(key))


@dataclass(frozen=True)
class Names:
    """How a family spells the sizes that every transformer has."""

    layers: str = "num_hidden_layers"
    hidden: str = "hidden_size"
    heads: str = "num_attention_heads"
    kv_heads: str | None = "num_key_value_heads"
    head_dim: str | None = "head_dim"
    ffn: str = "intermediate_size"
    vocab: str = "vocab_size"


def sizes(config: Config, names: Names, ffn_hidden: int | None = None) -> Fields:
    """The sizes that every transformer has, checked against each other; `ffn_hidden` where the file need not say it."""
    hidden, heads = config.size(names.hidden), config.size(names.heads)
    kv_heads = (config.maybe_size(names.kv_heads) if names.kv_heads else None) or heads
    head_dim = config.maybe_size(names.head_dim) if names.head_dim else None
    fields: Fields = {
        "layers": config.size(names.layers),
        "hidden": hidden,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "ffn_hidden": config.size(names.ffn) if ffn_hidden is None else ffn_hidden,
        "vocab": config.size(names.vocab),
        "tied_embeddings": config.flag("tie_word_embeddings"),
    }
    if not config.problems and heads % kv_heads:
        config.refuse(names.kv_heads or names.heads, f"{kv_heads} does not divide the {heads} heads")
    if not config.problems and head_dim is None and hidden % heads:
        config.refuse(names.heads, f"{heads} does not divide the hidden size {hidden}, and no head size is given")
    return fields
