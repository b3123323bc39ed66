"""What a launcher is told comes back: import(export(x)) equals x in all that the target can say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clustersim.errors import InputError
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.launchers.exporting import TARGETS, export
from clustersim.launchers.importing import import_file

MODELS = (
    "llama-3.1-8b",
    "llama-3.1-70b",
    "gpt3-13b",
    "mixtral-8x7b",
    "deepseek-v3",
    "qwen3-30b-a3b",
    "gemma-3-12b",
    "bloom-7b1",
)
INLINE = {
    "name": "own", "layers": 12, "hidden": 1024, "heads": 16, "kv_heads": 4, "ffn_hidden": 3072, "gated": True,
    "vocab": 50000, "norm": "layer", "bias": True, "dropout": True, "tied_embeddings": True, "position": "rotary",
}  # fmt: skip


def drawn(draw: random.Random) -> Scenario:
    """A scenario that can run, drawn among all that layouts and trainings have."""
    while True:
        try:
            return load_scenario(description(draw))
        except InputError:
            continue


def description(draw: random.Random) -> dict[str, Any]:
    model = draw.choice([*MODELS, INLINE])
    pipeline = draw.choice([1, 1, 2, 4])
    virtual = draw.choice([1, 2, 3]) if pipeline > 1 else 1
    sharding = draw.choice(["none", "zero1", "zero2", "zero3", "fsdp", "hybrid"])
    overlaps = ["grad_reduce", "param_gather", "tensor", "tensor_backward", "fsdp", "shared_expert"]
    micro, nodes = draw.choice([1, 2]), draw.choice([4, 8, 12])
    layout: dict[str, Any] = {
        "tensor": draw.choice([1, 2, 4]),
        "pipeline": pipeline,
        "virtual_stages": virtual,
        "context": draw.choice([1, 1, 2]),
        "context_kind": draw.choice(["ring", "rotation", "all-gather", "ulysses"]),
        "sequence_parallel": draw.random() < 0.5,
        "sharding": sharding,
        "micro_batch": micro,
        "recompute": draw.choice(["none", "selective", "operations", "full", {"layers": 2}, {"layers": 3}]),
        "overlap": draw.sample(overlaps, draw.randint(0, 4)),
        "offload": draw.choice(["none", "none", "optimizer", {"layers": 1}]),
        "rank_order": draw.choice(["tensor-context-expert-data-pipeline", "tensor-context-expert-pipeline-data"]),
    }
    if virtual == 1 and pipeline > 1:
        layout["schedule"] = draw.choice(["1f1b", "1f1b", "gpipe", "zb-h1"])
    if sharding == "hybrid" or draw.random() < 0.2:
        layout["zero_group"] = draw.choice([2, 4, 8])
    if model in ("mixtral-8x7b", "deepseek-v3", "qwen3-30b-a3b"):
        layout |= {
            "expert": draw.choice([1, 2, 4, 8]),
            "dispatcher": draw.choice(["allgather", "alltoall", "deepep", "hybridep"]),
        }
        layout["expert_tensor"] = draw.choice([1, layout["tensor"]])
    if pipeline == 2 and virtual == 1 and model == INLINE:
        layout["stage_layers"] = draw.choice([[6, 6], [7, 5], [5, 7]])
    precision = draw.choice(["bf16", "bf16", "fp16", "fp8", "fp32"])
    training = {
        "sequence_length": draw.choice([2048, 4096]),
        "global_batch": micro * nodes * 8 * draw.choice([1, 2, 4]),
        "tokens": draw.choice([None, 2**33, 10**10]),
        "precision": precision,
        "fp8_recipe": draw.choice(["per-tensor", "blockwise"]) if precision == "fp8" else "per-tensor",
        "grad_reduce_precision": draw.choice(["fp32", "bf16"] if precision != "fp16" else ["fp32", "fp16"]),
        "moment_precision": draw.choice(["fp32", "fp32", "bf16"]),
        "router": draw.choice(["typical", "balanced"]),
    }
    return {
        "model": model, "cluster": {"node": "dgx-h100", "nodes": nodes}, "training": training, "layout": layout,
        "stack": "megatron-core-2025",
    }  # fmt: skip


def figures(scenario: Scenario) -> Iterator[tuple[str, Any]]:
    """Every value that an export may say, by its dotted key."""
    model = scenario.model.model_dump(
        exclude={"name", "published", "notes", "head_dim", "kv_heads", "moe", "attention_pattern"}
    )
    yield from ((f"model.{key}", value) for key, value in model.items())
    yield "model.head_size", (scenario.model.qk_head_size, scenario.model.v_head_size)
    yield "model.kv_heads", None if scenario.model.latent else scenario.model.kv_heads
    yield "model.blocks", [scenario.model.block_kind(layer) for layer in range(scenario.model.layers)]
    if scenario.model.moe is not None:
        moe = scenario.model.moe.model_dump(exclude={"leading_dense", "every", "dense_layers"})
        yield from ((f"model.moe.{key}", value) for key, value in moe.items())
    yield "cluster", scenario.cluster.devices
    yield from (
        (f"training.{key}", value) for key, value in scenario.training.model_dump(exclude={"optimizer"}).items()
    )
    yield from ((f"layout.{key}", value) for key, value in scenario.resolved_layout.model_dump().items())


def differences(before: Scenario, after: Scenario, left: set[str]) -> dict[str, Any]:
    found = dict(figures(after))
    return {
        key: (value, found.get(key))
        for key, value in figures(before)
        if found.get(key) != value and not any(key == each or key.startswith(f"{each}.") for each in left)
    }


def there_and_back(scenario: Scenario, target: str, folder: Path) -> dict[str, Any]:
    exported = export(scenario, target)
    file = folder / f"{target}{exported.suffix}"
    file.write_text(exported.text)
    model = folder / "model.yaml"
    fields = scenario.model.model_dump(exclude={"published", "notes", "vision"}, exclude_none=True, mode="json")
    model.write_text(yaml.safe_dump(fields))
    described = import_file(file, model=str(model) if "model" in exported.left else None).scenario
    if "training.sequence_length" in exported.left:
        described["training"]["sequence_length"] = scenario.training.sequence_length
    return differences(scenario, load_scenario(described), {*exported.left, *exported.idle})


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("seed", "count"), [(1, 25), pytest.param(2, 500, marks=pytest.mark.slow)], ids=["some", "500"]
)
def test_scenarios_come_back_from_what_they_were_exported_to(
    tmp_path: Path, target: str, seed: int, count: int
) -> None:
    draw = random.Random(seed)
    for number in range(count):
        scenario = drawn(draw)
        assert there_and_back(scenario, target, tmp_path) == {}, number


def test_what_cannot_be_said_is_named() -> None:
    scenario = load_scenario(
        "gpt3_175b_a100", ["layout.schedule=zb-h1", "layout.virtual_stages=1", "layout.recompute=operations"]
    )
    left = export(scenario, "megatron").left
    assert {"layout.schedule", "layout.recompute"} <= left.keys()
    assert "layout.tensor" not in left


def test_an_unknown_target_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match="megatron-bridge"):
        export(load_scenario("gpt3_175b_a100"), "slurm")
