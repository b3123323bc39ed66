"""What divides what. Builders: a 96-layer model with 96 heads, nodes of 8 with bf16, fp16 and fp8."""

from __future__ import annotations

from typing import Any

import pytest
from builders import cluster, gpt, moe
from hypothesis import given
from hypothesis import strategies as st

from clustersim.inputs.checks import divisors_near, layout_problems, precision_problems
from clustersim.inputs.layout import Layout
from clustersim.inputs.model import Model
from clustersim.inputs.training import Training


def training(**changes: Any) -> Training:
    return Training.model_validate({"sequence_length": 2048, "global_batch": 1536} | changes)


def found(layout: dict[str, Any], model: Model | None = None, nodes: int = 128, **changes: Any) -> dict[str, str]:
    problems = layout_problems(Layout.model_validate(layout), model or gpt(), cluster(nodes), training(**changes))
    return {problem.key: problem.message for problem in problems}


@pytest.mark.parametrize(
    "layout",
    [
        {"tensor": 8, "pipeline": 16, "data": 8},
        {"tensor": 8, "pipeline": 16, "virtual_stages": 2},
        {"tensor": 8, "pipeline": 16, "virtual_stages": 2, "schedule": "interleaved-1f1b"},
        {"tensor": 8, "pipeline": 16, "context": 8, "data": "auto"},
        {"tensor": 8, "pipeline": 2, "stage_layers": (40, 56)},
        {"tensor": 8, "pipeline": 2, "virtual_stages": 2, "stage_layers": (20, 28, 20, 28)},
        {"tensor": 8, "pipeline": 64},
        {"tensor": 8, "pipeline": 16, "context": 2, "zero_group": 8},
        {"tensor": 8, "pipeline": 16, "context": 2, "zero_group": 2},
        {"tensor": 8, "pipeline": 16, "virtual_stages": 2, "schedule": "zb-v"},
        {"tensor": 8, "pipeline": 16, "schedule": "dualpipe"},
        {"tensor": 8, "pipeline": 16, "where": "tensor * pipeline <= 128 and devices == 1024 and data == 8"},
    ],
)
def test_a_right_layout_has_no_problems(layout: dict[str, Any]) -> None:
    assert found(layout) == {}


@pytest.mark.parametrize(
    ("layout", "key", "message"),
    [
        ({"tensor": 64}, "layout.tensor", "64 does not divide the 96 attention heads. Divisors near it: 48, 96"),
        ({"tensor": 128}, "layout.tensor", "The nearest divisor: 96"),
        (
            {"pipeline": 64, "virtual_stages": 2},
            "layout.pipeline",
            "pipeline 64 x virtual_stages 2 = 128 virtual stages, but the model has 96 layers",
        ),
        (
            {"pipeline": 2, "virtual_stages": 10**9, "stage_layers": (48, 48)},
            "layout.pipeline",
            "2000000000 virtual stages, but the model has 96 layers",
        ),
        ({"virtual_stages": 2}, "layout.virtual_stages", "2 virtual stages need a pipeline of 2 or more"),
        (
            {"pipeline": 2, "virtual_stages": 2, "schedule": "1f1b"},
            "layout.schedule",
            "1f1b runs one virtual stage a device, not 2. With 2: interleaved-1f1b, zb-v",
        ),
        (
            {"pipeline": 2, "schedule": "interleaved-1f1b"},
            "layout.schedule",
            "interleaved-1f1b runs 2 or more virtual stages a device, not 1. With 1: gpipe, 1f1b, zb-h1",
        ),
        (
            {"pipeline": 2, "schedule": "zb-v"},
            "layout.schedule",
            "zb-v runs 2 virtual stages a device, not 1. With 1: gpipe, 1f1b, zb-h1",
        ),
        (
            {"pipeline": 1, "schedule": "dualpipe"},
            "layout.pipeline",
            "1 stages are no multiple of 2, as dualpipe pairs stages from both ends. Near it: 2",
        ),
        (
            {"tensor": 4, "pipeline": 64, "schedule": "dualpipe", "micro_batch": 4},
            "training.global_batch",
            "96 micro-batches a replica are no multiple of 2 from 128 on, as dualpipe needs to fill the pipeline from "
            "both ends. global_batch near it: 2,048",
        ),
        (
            {"pipeline": 4, "stage_layers": (48, 48)},
            "layout.stage_layers",
            "has 2 entries, but the pipeline has 4 stages",
        ),
        (
            {"pipeline": 2, "virtual_stages": 2, "stage_layers": (96,)},
            "layout.stage_layers",
            "has 1 entries, but the pipeline has 2 or 4 stages",
        ),
        (
            {"pipeline": 2, "stage_layers": (40, 50)},
            "layout.stage_layers",
            "adds up to 90, but the model has 96 layers",
        ),
        (
            {"tensor": 8, "pipeline": 12},
            "layout.pipeline",
            "tensor 8 x pipeline 12 x context 1 = 96 does not divide the 1,024 devices. Divisors near it: 64, 128",
        ),
        ({"tensor": 48}, "layout.tensor", "Divisors near it: 32, 64"),
        (
            {"tensor": 8, "pipeline": 16, "data": 4},
            "layout.data",
            "4 replicas of 128 devices make 512, but the cluster has 1,024. data: 8 (or auto) fills it",
        ),
        ({"context": 3}, "layout.context", "3 does not divide the sequence of 2,048 tokens. Divisors near it: 2, 4"),
        (
            {"tensor": 8, "context": 8, "context_kind": "ulysses"},
            "layout.context",
            "with ulysses, tensor 8 x context 8 must divide the 96 attention heads",
        ),
        (
            {"tensor": 8, "context": 4, "context_kind": "all-gather", "overlap": ["context"]},
            "layout.overlap",
            "context: with all-gather keys and values come before the kernel, which hides nothing. "
            "Accepted with: context_kind ring",
        ),
        (
            {"tensor": 8, "overlap": ["tensor", "tensor_fused"]},
            "layout.overlap",
            "tensor and tensor_fused: products are cut in four for user buffers, or in two for fused kernels. "
            "Accepted: one of them",
        ),
        ({"overlap": ["expert", "shared_expert"]}, "layout.overlap", "Accepted: one of them"),
        ({"expert": 8}, "layout.expert", "gpt has no experts: leave it out"),
        ({"expert_tensor": 2}, "layout.expert_tensor", "gpt has no experts: leave it out"),
        (
            {"tensor": 8, "pipeline": 16, "micro_batch": 5},
            "training.global_batch",
            "1,536 sequences are no multiple of data 8 x micro_batch 5 = 40. Near it: 1,520, 1,560",
        ),
        (
            {"tensor": 8, "pipeline": 16, "virtual_stages": 2, "micro_batch": 8},
            "training.global_batch",
            "24 micro-batches a replica are no multiple of 16, as interleaving needs. global_batch near it: "
            "1,024, 2,048",
        ),
        ({"dispatcher": "sequential"}, "layout.dispatcher", "Use one of allgather, alltoall, deepep, hybridep"),
        (
            {"tensor": 8, "pipeline": 16, "zero_group": 3},
            "layout.zero_group",
            "3 does not divide data x context = 8. Divisors near it: 2, 4",
        ),
        (
            {"tensor": 8, "pipeline": 16, "zero_group": 4, "sharding": "none"},
            "layout.zero_group",
            "nothing is sharded: leave it out, or give another layout.sharding",
        ),
        ({"where": "tensor > 1"}, "layout.where", "this layout does not meet tensor > 1"),
    ],
)
def test_a_wrong_layout_gets_the_remedy(layout: dict[str, Any], key: str, message: str) -> None:
    assert message in found(layout)[key]


def test_key_value_heads() -> None:
    model = gpt(kv_heads=8)
    problems = layout_problems(Layout(tensor=12), model, None, None)
    assert [str(problem) for problem in problems] == [
        "layout.tensor: 12 is neither a divisor nor a multiple of the 8 key-value heads. The nearest divisor: 8"
    ]
    assert layout_problems(Layout(tensor=4), model, None, None) == []
    assert layout_problems(Layout(tensor=32), model, None, None) == []


def test_experts() -> None:
    model = moe()
    assert found({"expert": 16}, model, nodes=8) == {}
    assert found({"tensor": 8, "expert": 8, "expert_tensor": 8}, model, nodes=8) == {}
    problems = layout_problems(Layout(expert=5), model, None, None)
    assert [str(problem) for problem in problems] == [
        "layout.expert: 5 does not divide the 16 experts. Divisors near it: 4, 8"
    ]
    assert found({"pipeline": 4, "expert": 16}, model, nodes=4)["layout.expert"] == (
        "expert 16 x expert_tensor 1 = 16 does not divide tensor x context x data = 8. The nearest divisor: 8"
    )


def test_every_problem_at_once() -> None:
    layout = {"tensor": 7, "pipeline": 5, "virtual_stages": 30, "expert": 2, "context": 3, "schedule": "gpipe"}
    assert set(found(layout)) == {
        "layout.tensor",
        "layout.pipeline",
        "layout.expert",
        "layout.context",
        "layout.schedule",
    }


def test_what_is_not_known_is_not_judged() -> None:
    layout = Layout(tensor=7, pipeline=1000, context=3)
    assert layout_problems(layout, None, None, None) == []
    assert [problem.key for problem in layout_problems(layout, gpt(), None, None)] == [
        "layout.tensor",
        "layout.pipeline",
    ]


def test_precision_must_exist_on_the_chip() -> None:
    assert precision_problems(cluster(), training(precision="fp8")) == []
    (problem,) = precision_problems(cluster(), training(precision="nvfp4"))
    assert str(problem) == "training.precision: test chip has no nvfp4. It has bf16, fp16, fp8"


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_suggested_divisors_divide(size: int, total: int) -> None:
    suggested = [int(word) for word in divisors_near(size, total).split(": ")[1].split(", ")]
    assert all(total % divisor == 0 for divisor in suggested)


def test_no_long_search_for_divisors() -> None:
    assert divisors_near(7, 10**18 + 9) == ""
