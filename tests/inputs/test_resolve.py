from __future__ import annotations

import time
from typing import Any

import pytest
from builders import cluster, gpt, moe, scenario, stack
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clustersim.errors import InputError
from clustersim.inputs.layout import Layout, PartialRecompute, ResolvedLayout
from clustersim.inputs.model import Model
from clustersim.inputs.resolve import notes_of, resolve_layout, resolve_training, spread_layers, stage_layers_of
from clustersim.inputs.training import Loads, Training

TRAINING = Training(sequence_length=2048, global_batch=3072)
DEFAULTS = {
    "sharding": "zero2",
    "recompute": "selective",
    "schedule": "gpipe",
    "overlap": ["grad_reduce"],
    "grad_reduce_precision": "bf16",
}


def resolved(layout: dict[str, Any], model: Model | None = None, nodes: int = 128, **defaults: Any) -> ResolvedLayout:
    software = stack(defaults=DEFAULTS | defaults)
    return resolve_layout(Layout.model_validate(layout), model or gpt(), cluster(nodes), TRAINING, software)


def test_nothing_is_left_open() -> None:
    plan = resolved({"tensor": 8, "pipeline": 16})
    assert ResolvedLayout.model_validate(plan.model_dump()) == plan
    assert (plan.data, plan.expert_tensor, plan.sequence_parallel) == (8, 8, True)
    assert (plan.sharding, plan.recompute, plan.schedule) == ("zero2", "selective", "gpipe")
    assert plan.overlap == frozenset({"grad_reduce"})
    assert plan.stage_layers == (6,) * 16


def test_what_is_given_stays() -> None:
    given_layout = {
        "tensor": 8,
        "sequence_parallel": False,
        "sharding": "none",
        "recompute": {"layers": 2},
        "schedule": "1f1b",
        "overlap": [],
        "expert_tensor": 1,
        "rank_order": "data-tensor-context-expert-pipeline",
    }
    plan = resolved(given_layout)
    assert (plan.sequence_parallel, plan.sharding, plan.schedule) == (False, "none", "1f1b")
    assert plan.recompute == PartialRecompute(layers=2)
    assert (plan.overlap, plan.expert_tensor) == (frozenset(), 1)
    assert plan.rank_order.startswith("data")


def test_software_that_selects_by_operations_means_that_by_selective() -> None:
    for given_layout in ({}, {"recompute": "selective"}):
        assert resolved({"tensor": 8, **given_layout}, recompute="operations").recompute == "operations"
    assert resolved({"tensor": 8, "recompute": "none"}, recompute="operations").recompute == "none"
    assert resolved({"tensor": 8, "recompute": "selective"}, recompute="full").recompute == "selective"


def test_sequence_parallelism_needs_tensor_ranks() -> None:
    assert resolved({"tensor": 1, "sequence_parallel": True}).sequence_parallel is False
    assert resolved({"tensor": 2}).sequence_parallel is True
    assert resolved({"tensor": 2}, sequence_parallel=False).sequence_parallel is False


def test_schedule_by_virtual_stages() -> None:
    assert resolved({"pipeline": 2, "virtual_stages": 2}, nodes=8).schedule == "interleaved-1f1b"
    assert resolved({"pipeline": 2}, schedule="interleaved-1f1b").schedule == "1f1b"
    assert resolved({"pipeline": 2, "virtual_stages": 2}, nodes=8, schedule="zb-v").schedule == "zb-v"
    assert resolved({"pipeline": 2}, schedule="zb-v").schedule == "1f1b"


def test_experts_own_tensor_size() -> None:
    assert resolved({"tensor": 2}, moe()).expert_tensor == 2
    assert resolved({"tensor": 2, "expert": 8}, moe()).expert_tensor == 1
    assert resolved({"tensor": 2, "expert": 8, "expert_tensor": 2}, moe()).expert_tensor == 2


def test_tokens_reach_experts_as_the_stack_does_it_unless_the_layout_says() -> None:
    def dispatcher(dispatch: str, **layout: Any) -> str:
        given_layout = Layout.model_validate({"expert": 8} | layout)
        return resolve_layout(given_layout, moe(), cluster(8), TRAINING, stack(dispatch=dispatch)).dispatcher

    assert [dispatcher(how) for how in ("pairwise", "two-stage", "all-gather")] == ["alltoall", "deepep", "allgather"]
    assert dispatcher("pairwise", dispatcher="hybridep") == "hybridep"
    with pytest.raises(ValidationError, match="'allgather', 'alltoall', 'deepep', 'hybridep' or 'sequential'"):
        Layout.model_validate({"dispatcher": "carrier pigeon"})


def test_what_cannot_run_is_refused() -> None:
    with pytest.raises(InputError, match="layout: 3 problems"):
        resolved({"tensor": 7, "virtual_stages": 3})
    with pytest.raises(InputError, match="the cluster has 1,024"):
        resolved({"data": 3})


def test_training_takes_the_stacks_gradient_precision() -> None:
    assert resolve_training(TRAINING, stack(defaults=DEFAULTS)).grad_reduce_precision == "bf16"
    own = TRAINING.model_copy(update={"grad_reduce_precision": "fp32"})
    assert resolve_training(own, stack(defaults=DEFAULTS)) is own


@pytest.mark.parametrize(
    ("layers", "stages", "spread"),
    [
        (8, 4, (2, 2, 2, 2)),
        (7, 4, (2, 2, 2, 1)),  # the head's stage has one fewer
        (6, 4, (1, 2, 2, 1)),  # then the embedding's
        (5, 4, (1, 2, 1, 1)),
        (126, 128, (0, *(1,) * 126, 0)),  # Llama 3 405B: embedding and head fill a virtual stage each
        (61, 16, (3, *(4,) * 13, 3, 3)),
    ],
)
def test_layers_spread_over_stages(layers: int, stages: int, spread: tuple[int, ...]) -> None:
    assert spread_layers(layers, stages) == spread


@given(st.integers(1, 300), st.integers(1, 64), st.integers(1, 6))
def test_spreading_is_even_over_stages_and_devices(layers: int, pipeline: int, chunks: int) -> None:
    spread = spread_layers(layers, pipeline * chunks)
    assert sum(spread) == layers
    assert max(spread) - min(spread) <= 1
    devices = [sum(spread[stage::pipeline]) for stage in range(pipeline)]
    assert max(devices) - min(devices) <= 1
    assert spread[-1] == min(spread)
    if layers % (pipeline * chunks) < pipeline * chunks - 1:
        assert spread[0] == min(spread)


def test_given_stage_layers_split_over_chunks() -> None:
    # Qi et al. 2024, arXiv 2401.10241: 22 layers on 8 stages of 3 chunks; embedding and head have a chunk each.
    layout = Layout(pipeline=8, virtual_stages=3, stage_layers=(2, 3, 3, 3, 3, 3, 3, 2))
    assert stage_layers_of(layout, 22) == (0, *(1,) * 22, 0)
    layout = Layout(pipeline=2, virtual_stages=2, stage_layers=(5, 3))
    assert stage_layers_of(layout, 8) == (2, 2, 3, 1)
    every = Layout(pipeline=2, virtual_stages=2, stage_layers=(1, 2, 3, 2))
    assert stage_layers_of(every, 8) == (1, 2, 3, 2)


def test_layers_of_a_v_go_there_and_back() -> None:
    """Stage s of p holds virtual stages s and 2p - 1 - s."""
    layout = Layout(pipeline=3, virtual_stages=2, schedule="zb-v", stage_layers=(3, 4, 6))
    assert stage_layers_of(layout, 13) == (1, 2, 3, 3, 2, 2)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.integers(1, 5))
def test_each_device_keeps_its_layers(given_layers: list[int], chunks: int) -> None:
    layout = Layout(pipeline=len(given_layers), virtual_stages=chunks, stage_layers=tuple(given_layers))
    split = stage_layers_of(layout, sum(given_layers))
    assert [sum(split[stage :: len(given_layers)]) for stage in range(len(given_layers))] == given_layers


def test_resolving_is_cheap_enough_for_a_search() -> None:
    layout, model, machines, software = Layout(tensor=8, pipeline=16), gpt(), cluster(128), stack()
    started = time.process_time()
    for _ in range(1000):
        resolve_layout(layout, model, machines, TRAINING, software)
    assert time.process_time() - started < 0.5  # 20 us each when nothing else runs


def test_stacks_without_folding_cut_experts_by_the_tensor_group() -> None:
    layout = {"tensor": 4, "expert": 2}
    assert resolved(layout, moe()).expert_tensor == 1
    assert resolved(layout, moe(), expert_tensor="tensor").expert_tensor == 4
    assert resolved(layout | {"expert_tensor": 1}, moe(), expert_tensor="tensor").expert_tensor == 1
    with pytest.raises(InputError, match="does not divide tensor x context x data"):
        resolved({"tensor": 8, "expert": 16}, moe(), nodes=4, expert_tensor="tensor")


def test_how_experts_are_loaded_is_said_where_nobody_measured_it() -> None:
    def notes(model: Model, **training: float) -> tuple[str, ...]:
        trained = TRAINING.model_copy(update=training)
        return notes_of(scenario(model=model).model_copy(update={"training": trained}))

    assert any("evenly loaded" in note for note in notes(moe(), router="balanced"))
    assert any("evenly loaded" in note for note in notes(moe(), router=Loads(imbalance=0.0)))
    assert any("typical router, a spread of 27 % of the mean" in note for note in notes(moe()))
    assert not notes(gpt())
    assert not notes(gpt(), router="balanced")
    assert not notes(moe(), router=Loads(imbalance=0.2))
    assert not notes(moe(), router="balanced", capacity_factor=1.0)
