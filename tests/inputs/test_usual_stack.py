"""Scenarios that name no software: the usual one on the chip's vendor's chips, noted."""

from __future__ import annotations

import pytest

from clustersim.errors import InputError
from clustersim.inputs.assumptions import USUAL_STACKS
from clustersim.inputs.catalog import load
from clustersim.inputs.load import load_scenario

SCENARIO = {
    "model": "llama-3.1-8b",
    "cluster": "2xdgx-h100",
    "training": {"sequence_length": 4096, "global_batch": 64},
    "layout": {"tensor": 2},
}


@pytest.mark.parametrize(
    ("cluster", "vendor"), [("2xdgx-h100", "nvidia"), ("2xatlas-800t-a2", "huawei"), ("2xmi300x-platform", "amd")]
)
def test_a_scenario_without_software_has_the_usual_one_of_the_chips_vendor(cluster: str, vendor: str) -> None:
    scenario = load_scenario(SCENARIO | {"cluster": cluster})
    assert scenario.stack == load("stacks", USUAL_STACKS[vendor])
    assert any(note.startswith(f"assumed: stack {USUAL_STACKS[vendor]}") for note in scenario.notes)


def test_software_that_is_named_is_not_assumed() -> None:
    scenario = load_scenario(SCENARIO | {"stack": "megatron-lm-2024"})
    assert scenario.stack == load("stacks", "megatron-lm-2024")
    assert not any("assumed: stack" in note for note in scenario.notes)


def test_an_override_names_the_software_that_a_file_leaves_out() -> None:
    assert load_scenario(SCENARIO, ["stack=megatron-lm-2024"]).stack == load("stacks", "megatron-lm-2024")


def test_a_vendor_without_usual_software_still_asks_for_a_stack() -> None:
    chip = {"extends": "h100-sxm-80gb", "vendor": "acme"}
    with pytest.raises(InputError, match="stack: required, but absent"):
        load_scenario(SCENARIO | {"cluster": {"node": {"extends": "dgx-h100", "accelerator": chip}, "nodes": 2}})


@pytest.mark.parametrize(
    ("cluster", "key"),
    [
        ("2xdgx-h1000", "cluster"),
        ({"node": "dgx-h100", "nodes": "two"}, "cluster.nodes"),
        ({"node": "dgx-h1000", "nodes": 2}, "cluster.node"),
        ({"nodes": 2}, "cluster.node"),
        (None, "cluster"),
    ],
)
def test_what_is_wrong_with_the_cluster_is_said_without_a_word_on_software(cluster: object, key: str) -> None:
    with pytest.raises(InputError) as caught:
        load_scenario(SCENARIO | {"cluster": cluster})
    assert [problem.key for problem in caught.value.problems] == [key]
