"""Typed access to a config.json that collects every problem instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from clustersim.errors import Problem
from clustersim.inputs.mixers import MOST_SIZE
from clustersim.inputs.model import MOST_LAYERS, MOST_MODULES
from clustersim.inputs.units import shown

Fields = dict[str, object]
Value = TypeVar("Value")


class Config:
    """Reads values of a config.json, or what its configuration class fills in.

    `problems` holds what is wrong, `filled` which keys came from the class, `notes` what a reader should know, `seen`
    the keys that were looked at.
    """

    def __init__(self, content: Mapping[str, object], filled_in: Mapping[str, object]) -> None:
        self._content = content
        self._filled_in = filled_in
        self.problems: list[Problem] = []
        self.filled: dict[str, object] = {}
        self.notes: list[str] = []
        self.seen: set[str] = set()

    def size(self, key: str, least: int = 1, most: int = MOST_SIZE) -> int:
        """A whole number from `least` to `most`; 1 after a problem, so that reading goes on."""
        value = self.maybe_size(key, least, most)
        if value is None and all(problem.key != key for problem in self.problems):
            self.refuse(key, "missing: give a whole number")
        return 1 if value is None else value

    def maybe_size(self, key: str, least: int = 1, most: int = MOST_SIZE) -> int | None:
        """A whole number, or None where the file or the class says null."""
        value = self.value(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(key, f"{shown(value)} is not a whole number")
            return None
        if value < least:
            self.refuse(key, f"{shown(value)} is less than {least}")
            return None
        if value > most:
            self.refuse(key, f"{shown(value)} is more than any model has: at most {most:,} is read")
            return None
        return value

    def same_size(self, key: str, least: int = 1) -> int:
        """A whole number that may be given layer by layer, as long as all layers have the same."""
        value = self.value(key)
        if isinstance(value, list) and value and all(each == value[0] for each in value):
            self._content = {**self._content, key: value[0]}
        elif isinstance(value, list):
            self.refuse(key, f"{shown(value)}: sizes that differ from layer to layer are not read for this type")
            return least
        return self.size(key, least)

    def flag(self, key: str) -> bool:
        """True or false; false where neither the file nor the class says."""
        value = self.value(key) or False
        if not isinstance(value, bool):
            self.refuse(key, f"{shown(value)} is neither true nor false")
        return value is True

    def rate(self, key: str) -> float:
        """A number from 0 to 1, such as a dropout."""
        return self.number(key, 0.0, 1.0, "a rate from 0 to 1")

    def number(self, key: str, least: float, most: float, what: str) -> float:
        """A number within bounds; the least of them where there is none, and after a problem."""
        value = self.value(key) or least
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.refuse(key, f"{shown(value)} is not {what}")
            return least
        return float(value)

    def word(self, key: str, known: Mapping[str, Value]) -> Value:
        """What `known` has for the word of a key; for the first one after a problem."""
        value = self.value(key)
        if isinstance(value, str) and value in known:
            return known[value]
        self.refuse(key, f"{shown(value)} is not known. Known: {', '.join(known)}")
        return next(iter(known.values()))

    def entries(self, key: str, kind: type[Value], what: str, count: int | None = None) -> tuple[Value, ...]:
        """A list of one kind of value, `count` of them if given; empty where the file or the class says null."""
        value = self.value(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(type(entry) is kind for entry in value):
            self.refuse(key, f"{shown(value)} is not a list of {what}")
            return ()
        if count is not None and len(value) != count:
            self.refuse(key, f"has {len(value):,} entries, and there are {count:,} layers")
            return ()
        return tuple(value)

    def section(self, key: str) -> dict[str, object]:
        """A mapping in the file; an empty one where there is none."""
        value = self.value(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.refuse(key, f"{shown(value)} is not a mapping")
            return {}
        return value

    def first(self, *keys: str) -> str:
        """Of several spellings of a key the one that the file uses; the first where it uses none."""
        self.seen.update(keys)
        return next((key for key in keys if key in self._content), keys[0])

    def has(self, key: str) -> bool:
        """Whether the file itself states a key, and not as null."""
        self.seen.add(key)
        return self._content.get(key) is not None

    def stated(self, key: str) -> object:
        """What the file itself states, without looking: the key counts as unread."""
        return self._content.get(key)

    def stated_keys(self) -> set[str]:
        """The keys of the file."""
        return set(self._content)

    def note(self, text: str) -> None:
        """Record what a reader should know."""
        self.notes.append(text)

    def refuse(self, key: str, message: str) -> None:
        """Record a problem with a key."""
        self.problems.append(Problem(message, key))

    def value(self, key: str) -> object:
        """What the file states, as it stands there, or what the class fills in."""
        self.seen.add(key)
        if key in self._content:
            return self._content[key]
        value = self._filled_in.get(key)
        if value is not None:
            self.filled[key] = value
        return value


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


def layers_of(config: Config, key: str = Names.layers) -> int:
    """The number of layers."""
    return config.size(key, most=MOST_LAYERS)


def modules_of(config: Config, key: str = "num_nextn_predict_layers") -> int:
    """The number of multi-token-prediction modules; none where the file and the class are silent."""
    return config.maybe_size(key, least=0, most=MOST_MODULES) or 0


def sizes(config: Config, names: Names, ffn_hidden: int | None = None, kv_heads: int | None = None) -> Fields:
    """The sizes that every transformer has, checked against each other; `ffn_hidden`, `kv_heads`: where derived."""
    hidden, heads = config.size(names.hidden), config.size(names.heads)
    if kv_heads is None:
        kv_heads = (config.maybe_size(names.kv_heads) if names.kv_heads else None) or heads
    head_dim = config.maybe_size(names.head_dim) if names.head_dim else None
    fields: Fields = {
        "layers": layers_of(config, names.layers),
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
