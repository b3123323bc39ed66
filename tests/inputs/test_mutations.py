"""Whatever is done to a scenario file, reading it gives a scenario or a message that names a key or a line."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_catalog import ENTRIES, write_entry

from clustersim.errors import InputError
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario

MUTANTS = 800

WHOLE: dict[str, Any] = {
    "name": "whole",
    "model": {"extends": "tiny-moe", "window": 128, "attention_pattern": ["full", "sliding"]},
    "cluster": {
        "node": {
            "name": "inline box",
            "accelerator": {"extends": "acme-two", "power": "500 W", "peak": {"bf16": "90 TFLOP/s"}},
            "devices": 8,
            "scale_up_domain": 16,
            "scale_up": {"kind": "full-mesh", "bandwidth": "100 GB/s", "link_bandwidth": "14 GB/s", "latency": "5 us"},
            "scale_out": {
                "extends": None,
                "kind": "tree",
                "bandwidth": "200 Gb/s",
                "latency": "10 us",
                "efficiency": "90 %",
            },
        },
        "devices": 128,
        "price": "$2/h",
        "availability": "95 %",
        "power_usage_effectiveness": 1.3,
    },
    "training": {
        "sequence_length": 2048,
        "global_batch": 128,
        "tokens": "1.5T",
        "precision": "bf16",
        "document_length": 1000,
    },
    "layout": {
        "tp": 4,
        "pipeline": 4,
        "virtual_stages": 2,
        "data": "auto",
        "expert": 4,
        "micro_batch": 2,
        "recompute": {"layers": 1},
        "schedule": "interleaved-1f1b",
        "overlap": ["grad_reduce"],
        "stage_layers": [4, 4, 4, 4],
        "where": "tensor * pipeline <= 64",
    },
    "stack": {"extends": "acme-soft-2024", "defaults": {"sharding": "zero2"}, "buffers": "2 GiB"},
    "seed": 3,
    "notes": ["a note"],
}
del WHOLE["cluster"]["node"]["scale_out"]["extends"]

ODD_VALUES: list[Any] = [
    None,
    True,
    [],
    {},
    [[]],
    [1, "two", None],
    {"a": {"b": []}},
    {"extends": "tiny"},
    {"extends": "acme-box"},
    {"extends": ["x"]},
    {"value": 3, "source": "s"},
    {"value": [], "note": 1},
    0,
    -1,
    1,
    3,
    7,
    2**70,
    10**399,
    0.5,
    -1.5,
    1e300,
    float("inf"),
    float("nan"),
    "",
    " ",
    "x",
    "auto",
    "search",
    "none",
    "tiny",
    "acme-box",
    "80 GiB",
    "25 GB/s",
    "9 parsecs",
    "-3 us",
    "1e999 W",
    "110 %",
    "é☃\u2028",
    "a\0b",
    "../..",
    "/dev/null.yaml",
    "scenario.yaml",
    "~/x.json",
    "https://example.org/model.yaml",
    "x" * 3000,
    "tensor ** 99",
    "(" * 100,
]
ODD_LINES = [
    "tensor: 4",
    "  - 1",
    "\tx: 1",
    "? [a]",
    "---",
    "...",
    "%YAML 1.1",
    "!!python/object/apply:os.system [ls]",
    "a: &a [*a]",
    "<<: *b",
    "*x",
    "'",
    '"\\x00"',
    "{{{{",
    "]",
    "x: |",
    "@",
    "\x07",
    ": :",
    "~: ~",
    "extends: scenario.yaml",
    "model: tiny",
    "- " * 60 + "x",
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every entry of a document."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in entries for place in ((*path, key), *places(item, (*path, key)))]


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def holder(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def drop(document: Any, path: tuple[Any, ...], draw: random.Random) -> None:
    del holder(document, path)[path[-1]]


def rename(document: Any, path: tuple[Any, ...], draw: random.Random) -> None:
    parent, key = holder(document, path), path[-1]
    if isinstance(parent, dict):
        letters = list(key)
        letters[draw.randrange(len(letters))] = draw.choice("abx_-. 1\0")
        parent[draw.choice(["".join(letters), key.upper(), "", "tensor", "extends", 5, None, key + "s"])] = parent.pop(
            key
        )


def retype(document: Any, path: tuple[Any, ...], draw: random.Random) -> None:
    holder(document, path)[path[-1]] = copied(draw.choice(ODD_VALUES))


def wrap(document: Any, path: tuple[Any, ...], draw: random.Random) -> None:
    parent, key = holder(document, path), path[-1]
    parent[key] = draw.choice([[parent[key]], {"value": parent[key]}, {key: parent[key]}, [parent[key]] * 3])


def garble(document: Any, path: tuple[Any, ...], draw: random.Random) -> None:
    parent, key = holder(document, path), path[-1]
    value = parent[key]
    if isinstance(value, str):
        cut = draw.randrange(len(value) + 1)
        parent[key] = draw.choice(
            [value[:cut] + draw.choice("%-/ 5GbiX") + value[cut:], value[:cut], value[::-1], value + "/s"]
        )
    elif isinstance(value, (int, float)):
        parent[key] = draw.choice([-value, value + 1, value * 1.5, str(value), f"{value} GB", value * 10**9])


def swap(document: Any, path: tuple[Any, ...], draw: random.Random) -> None:
    """Put a value where another stands."""
    other = draw.choice(places(document))
    holder(document, path)[path[-1]] = copied(holder(document, other)[other[-1]])


CHANGES: list[Callable[[Any, tuple[Any, ...], random.Random], None]] = [drop, rename, retype, wrap, garble, swap]


def mutated(draw: random.Random) -> str:
    """The text of a scenario file with a few things wrong."""
    document = copied(WHOLE)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        path = draw.choice(places(document))
        draw.choice(CHANGES)(document, path, draw)
    text = yaml.safe_dump(
        document, allow_unicode=True, sort_keys=False, default_flow_style=draw.choice([None, True, False])
    )
    if draw.random() < 0.35:
        lines = text.splitlines()
        for _ in range(draw.choice([1, 2])):
            place = draw.randrange(len(lines))
            line = lines[place]
            lines[place : place + draw.choice([0, 1])] = draw.choice(
                [[draw.choice(ODD_LINES)], [line, line], [f"  {line}"], [line.lstrip()], [line[: len(line) // 2]], []]
            )
        text = "\n".join(lines)
    return text


def complaint(file: Path) -> InputError | None:
    """What reading the file raised; any other exception fails the test."""
    try:
        assert isinstance(load_scenario(file), Scenario)
    except InputError as error:
        return error
    return None


def names_something(error: InputError) -> bool:
    return bool(error.problems) and all(problem.key or problem.line for problem in error.problems)


def test_the_unchanged_file_is_right(catalog: Path) -> None:
    Path("scenario.yaml").write_text(yaml.safe_dump(WHOLE))
    scenario = load_scenario("scenario.yaml")
    assert (scenario.resolved_layout.data, scenario.model.moe is not None, scenario.cluster.nodes) == (8, True, 16)


@pytest.mark.parametrize("seed", range(4))
def test_mutants_give_a_scenario_or_a_message(catalog: Path, seed: int) -> None:
    draw = random.Random(seed)
    refused = 0
    for number in range(MUTANTS // 4):
        text = mutated(draw)
        file = Path(f"scenario-{number}.yaml")
        file.write_text(text, encoding="utf-8")
        error = complaint(file)
        if error is not None:
            refused += 1
            assert names_something(error), (str(error), text)
            assert "pydantic" not in str(error), text
    assert refused > MUTANTS // 8, "most mutants must be wrong, or the test tests nothing"


def test_mutated_catalog_entries_give_a_message_too(catalog: Path) -> None:
    draw = random.Random(5)
    base = yaml.safe_dump(
        WHOLE | {"model": "tiny-moe", "cluster": {"accelerator": "acme-two", "nodes": 16}, "stack": "acme-soft-2025"}
    )
    Path("scenario.yaml").write_text(base)
    load_scenario("scenario.yaml")
    for _ in range(200):
        name = draw.choice(sorted(ENTRIES))
        entry = yaml.safe_load(ENTRIES[name])
        draw.choice(CHANGES)(entry, draw.choice(places(entry)), draw)
        write_entry(catalog, name, yaml.safe_dump(entry, allow_unicode=True))
        error = complaint(Path("scenario.yaml"))
        assert error is None or names_something(error), str(error)
        write_entry(catalog, name, ENTRIES[name])
