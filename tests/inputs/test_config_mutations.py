"""Whatever is done to a config.json, reading it gives a model or errors that name a key, and in next to no time."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from clustersim.errors import InputError
from clustersim.inputs.huggingface import READERS, model_from_config
from clustersim.inputs.model import Model, layer_kinds

DATA = Path(__file__).parents[1] / "data"
FILES = sorted(DATA.glob("hf*/*/config.json"))
MUTANTS = 25  # of each file
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    10**9,
    10**30,
    10**399,
    0.5,
    1e300,
    float("inf"),
    float("nan"),
    "",
    "x",
    "auto",
    "4096",
    "é\u202e\x1b[2J",
    [],
    [1],
    [[]],
    [0] * 5000,
    ["full_attention"] * 61,
    {},
    {"a": {"b": []}},
]


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every key of every mapping and every position of every list, with what holds it."""
    entries = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for key, value in entries:
        yield node, key
        yield from places(value)


def mutant(config: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    for _ in range(rng.choice([1, 1, 2, 4])):
        holder, key = rng.choice(list(places(changed)))
        act = rng.random()
        if act < 0.2:
            del holder[key]
        elif act < 0.3 and isinstance(holder[key], int):
            holder[key] += rng.choice([-1, 1, 7])
        elif act < 0.4 and isinstance(holder, dict):
            holder["model_type"] = rng.choice([*READERS, "gemma3", "llava", "nobody"])
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD))
        if not list(places(changed)):
            return config
    return changed


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.parent.name}/{file.parent.name}")
def test_mutants_are_read_or_refused_by_key(file: Path) -> None:
    config = json.loads(file.read_text(encoding="utf-8"))
    rng = random.Random(file.parent.name)
    for _ in range(MUTANTS):
        said = what_is_said(mutant(config, rng), str(file))
        assert all(key and len(message) < 5000 for key, message in said)


def what_is_said(config: dict[str, Any], source: str) -> list[tuple[object, str]]:
    """Keys and messages of everything that is wrong; nothing of what could be read, layer by layer."""
    try:
        fields = model_from_config(config, source)
    except InputError as error:
        return [(problem.key, problem.message) for problem in error.problems]
    try:
        layer_kinds(Model.model_validate(fields))
    except ValidationError as error:
        return [(found["loc"], found["msg"]) for found in error.errors()]  # said with its key by the loader
    return []
