"""The search leaves as much memory free as is asked for, and stays exact; conditions may limit memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clustersim.errors import InfeasibleError
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.where import memory_condition
from clustersim.studies.layouts.candidates import USUAL, Space, budget_bytes
from clustersim.studies.layouts.search import search_layouts

GIB = 2.0**30


def scenario(**training: object) -> Scenario:
    return load_scenario(
        {
            "model": "llama-2-7b",
            "cluster": {"accelerator": "h100-sxm-80gb", "devices": 8},
            "training": {"sequence_length": 4096, "global_batch": 64, **training},
            "layout": "search",
            "stack": "megatron-core-2025",
        }
    )


@pytest.mark.parametrize("space", [replace(USUAL, headroom=0.99999), replace(USUAL, most_bytes=40 * GIB)])
def test_what_is_found_keeps_to_the_budget_and_none_that_does_is_faster(space: Space) -> None:
    described = scenario()
    budget = budget_bytes(described, space)
    found = search_layouts(described, top=1, space=space)
    every = search_layouts(described, top=600)
    within = [result for result in every.best if result.step.memory_bytes <= budget]
    assert len(every.best) > len(within) > 0
    assert found.best[0].step.step_time_s == within[0].step.step_time_s


def test_headroom_is_the_probability_to_fit() -> None:
    for asked in (0.5, 0.9, 0.99):
        found = search_layouts(scenario(), top=1, space=replace(USUAL, headroom=asked))
        assert found.best[0].step.memory.fit_probability >= asked - 1e-9


def test_adapters_are_searched_within_their_bounds() -> None:
    lora = {"trainable": {"lora": {"rank": 16}}, "master_weights": False, "moment_precision": "bf16"}
    found, full = (search_layouts(scenario(**more), top=3, metric="memory").best for more in (lora, {}))
    assert found[0].step.memory_bytes < full[0].step.memory_bytes
    held = [result.step.memory_bytes for result in found]
    assert held == sorted(held)


def test_no_headroom_left_says_so() -> None:
    with pytest.raises(InfeasibleError, match="headroom"):
        search_layouts(scenario(), space=replace(USUAL, most_bytes=1 * GIB))


@pytest.mark.parametrize(
    ("written", "limit", "rest"),
    [
        ("memory < 70 GiB", 70 * GIB, None),
        ("tensor <= 4 and memory <= 64 GiB", 64 * GIB, "tensor <= 4"),
        ("tensor <= 4 and pipeline == 1", None, "tensor <= 4 and pipeline == 1"),
    ],
)
def test_conditions_on_memory(written: str, limit: float | None, rest: str | None) -> None:
    assert memory_condition(written) == (limit, rest)


def test_a_limit_that_is_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match="70 sheep"):
        memory_condition("memory < 70 sheep")
