"""Other words for keys: short forms, and what a key was called in an earlier release. One table, by section of a file.

A section is one of the catalog's, `scenarios` or `serving`, or a part of one: `scenarios.layout`, `stacks.defaults`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    earlier: bool = True  # a name of an earlier release: accepted, and noted
    gone: bool = False  # what earlier releases had and nothing has taken over: left out, and noted


SYNONYMS: dict[str, dict[str, Synonym]] = {
    "scenarios.layout": {short: Synonym(name, earlier=False) for short, name in SHORT_NAMES.items()},
    "scenarios.training": {"expert_imbalance": Synonym("router.imbalance")},
    "stacks": {
        "sums_everywhere": Synonym("all_reduce_gradients"),
        "flat_gradients": Synonym("copied_gradients"),
        "biases_apart": Synonym("unfused_bias"),
        "weighs_inside_experts": Synonym("weights_in_experts"),
        "early_stop": Synonym("checkpoint_early_stop"),
    },
    "stacks.residual": {"shortfall": Synonym("shortfall", gone=True)},
}


def with_synonyms(section: str) -> Callable[[dict[str, Any]], None]:
    """What adds a section's other words to the JSON schema of its description; earlier names are deprecated."""

    def add(schema: dict[str, Any]) -> None:
        fields = schema["properties"]
        for word, synonym in SYNONYMS[section].items():
            if synonym.gone:
                fields[word] = {"description": "not used any more", "deprecated": True}
                continue
            about: dict[str, Any] = {"description": f"short for {synonym.name}"}
            if synonym.earlier:
                about = {"description": f"earlier name of {synonym.name}", "deprecated": True}
            fields[word] = fields.get(synonym.name, {}) | about

    return add
