"""Other words for keys: short forms, earlier names, and Megatron's words. One table, by section of a file.

A section is one of the catalog's, `scenarios` or `serving`, or a part of one: `scenarios.layout`, `stacks.defaults`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from clustersim.inputs import megatron_keys

SHORT_NAMES = {
    "tp": "tensor",
    "pp": "pipeline",
    "vpp": "virtual_stages",
    "dp": "data",
    "cp": "context",
    "ep": "expert",
    "etp": "expert_tensor",
}


@dataclass(frozen=True)
class Synonym:
    """What a key means under another word."""

    name: str  # the key, as it is called here; dotted where the value stands in a mapping of its own
    of: Literal["earlier", "short", "Megatron", "gone"] = "earlier"  # gone: left out, for nothing has taken it over

    def note(self, word: str) -> str:
        """What is said to somebody who used the word."""
        return {
            "earlier": f"{word} is called {self.name} now",
            "short": "",
            "Megatron": f"{word} is {self.name} here",
            "gone": "no figure depends on it any more, and it is left out",
        }[self.of]


_OWN: dict[str, dict[str, Synonym]] = {
    "scenarios.layout": {short: Synonym(name, "short") for short, name in SHORT_NAMES.items()},
    "scenarios.training": {"expert_imbalance": Synonym("router.imbalance")},
    "stacks": {
        "sums_everywhere": Synonym("all_reduce_gradients"),
        "flat_gradients": Synonym("copied_gradients"),
        "biases_apart": Synonym("unfused_bias"),
        "weighs_inside_experts": Synonym("weights_in_experts"),
        "early_stop": Synonym("checkpoint_early_stop"),
    },
    "stacks.residual": {"shortfall": Synonym("shortfall", "gone")},
}
SYNONYMS: dict[str, dict[str, Synonym]] = {
    section: {word: Synonym(name, "Megatron") for word, name in megatron_keys.SAME.get(section, {}).items()}
    | _OWN.get(section, {})
    for section in (*_OWN, *megatron_keys.SAME)
}


def with_synonyms(section: str) -> Callable[[dict[str, Any]], None]:
    """What adds a section's other words to the JSON schema of its description; earlier names are deprecated."""

    def add(schema: dict[str, Any]) -> None:
        fields = schema["properties"]
        for word, synonym in _OWN[section].items():
            if synonym.of == "gone":
                fields[word] = {"description": "not used any more", "deprecated": True}
                continue
            about: dict[str, Any] = {"description": f"short for {synonym.name}"}
            if synonym.of == "earlier":
                about = {"description": f"earlier name of {synonym.name}", "deprecated": True}
            fields[word] = fields.get(synonym.name, {}) | about

    return add
