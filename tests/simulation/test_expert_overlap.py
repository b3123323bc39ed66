"""Experts' traffic behind another micro-batch: in steady 1F1B passes alone, for one micro-batch more in memory."""

from __future__ import annotations

from typing import Any

import builders
import numpy as np
import pytest

from clustersim.errors import InputError
from clustersim.inputs.layout import Layout
from clustersim.inputs.resolve import resolve_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import TaskType
from clustersim.simulation.results import StepResult
from clustersim.simulation.step.step import play_step, simulate_step

HIDDEN = frozenset({"expert"})
BESIDE = (TaskType.FORWARD_BESIDE, TaskType.BACKWARD_BESIDE)
INTERLEAVED = {"pipeline": 4, "virtual_stages": 2, "data": 8}


def scenario(micro_batches: int, overlap: frozenset[str], **layout: Any) -> Scenario:
    """Experts over a node, whose traffic takes long."""
    layout = {"expert": 8, "data": 32, "sharding": "none"} | layout
    return builders.scenario(
        nodes=4,
        model=builders.moe(layers=8),
        overlap=overlap,
        global_batch=micro_batches * layout["data"],
        stack_=builders.stack(dispatch="pairwise"),
        **layout,
    )


def pair(micro_batches: int, **layout: Any) -> tuple[StepResult, StepResult]:
    """Without overlap, and with it."""
    bare, hidden = (simulate_step(scenario(micro_batches, overlap, **layout)) for overlap in (frozenset(), HIDDEN))
    return bare, hidden


@pytest.mark.parametrize(
    "layout", [{}, {"sharding": "fsdp", "overlap_fsdp": True}, INTERLEAVED | {"virtual_stages": 1}]
)
def test_a_single_micro_batch_gains_nothing(layout: dict[str, Any]) -> None:
    more = frozenset({"fsdp"}) if layout.pop("overlap_fsdp", False) else frozenset()
    bare, hidden = (simulate_step(scenario(1, overlap | more, **layout)) for overlap in (frozenset[str](), HIDDEN))
    assert hidden.step_time_s == bare.step_time_s
    assert hidden.breakdown == bare.breakdown
    assert hidden.memory_bytes == bare.memory_bytes


def test_without_a_pipeline_all_but_one_pass_each_way_run_beside_another() -> None:
    """F0, then m - 1 pairs, then the last B: the gain is m - 1 times that of one pair."""
    gains = {}
    for micro_batches in (2, 3, 9):
        bare, hidden = pair(micro_batches)
        gains[micro_batches] = bare.step_time_s - hidden.step_time_s
        assert hidden.breakdown["expert_comm"] < bare.breakdown["expert_comm"]
    assert gains[2] > 0.0
    assert gains[3] == pytest.approx(2 * gains[2])
    assert gains[9] == pytest.approx(8 * gains[2])


@pytest.mark.parametrize(("micro_batches", "in_flight"), [(1, 1), (2, 2), (5, 2)])
def test_without_a_pipeline_two_micro_batches_are_alive(micro_batches: int, in_flight: int) -> None:
    bare, hidden = pair(micro_batches)
    kept = [step.memory.parts["activations"] for step in (bare, hidden)]
    assert kept[1] == pytest.approx(in_flight * kept[0])


@pytest.mark.parametrize("micro_batches", [4, 8, 16])
def test_interleaving_warms_up_with_one_more_pass_and_drains_bare(micro_batches: int) -> None:
    """Stage s of p with v chunks: 2 (p - s - 1) + (v - 1) p + 1 bare forward passes, as many bare backward ones."""
    step = play_step(scenario(micro_batches, HIDDEN, **INTERLEAVED))
    kinds = np.array([kind.operation for kind in step.program.kinds])[step.program.graph.kind]
    for stage in range(4):
        run = kinds[np.isin(step.program.graph.stream, step.program.compute_streams[stage])]
        passes = [operation for operation in run if operation.value.split()[0] in ("forward", "backward")]
        bare = min(2 * (3 - stage) + 4 + 1, 2 * micro_batches)
        paired = 2 * micro_batches - bare
        assert passes == [TaskType.FORWARD] * bare + [*BESIDE] * paired + [TaskType.BACKWARD] * bare


def test_interleaving_keeps_one_more_chunk_of_a_micro_batch_on_every_stage() -> None:
    bare, hidden = pair(16, **INTERLEAVED)
    for stage, (before, after) in enumerate(zip(bare.memory.stages, hidden.memory.stages, strict=True)):
        in_flight = 2 * (3 - stage) + 4 + 1
        ratio = after.parts["activations"] / before.parts["activations"]
        assert ratio == pytest.approx((in_flight + 1) / in_flight, rel=0.05)  # chunks aren't quite equal
    assert hidden.step_time_s < bare.step_time_s
    assert hidden.breakdown["expert_comm"] < bare.breakdown["expert_comm"]


@pytest.mark.parametrize("layout", [{}, INTERLEAVED, {"pipeline": 4, "data": 8, "schedule": "dualpipe"}])
def test_engines_agree_and_parts_sum(layout: dict[str, Any]) -> None:
    here = scenario(8, HIDDEN, **layout)
    array, reference = (simulate_step(here, engine=name) for name in ("array", "reference"))
    assert array.step_time_s == reference.step_time_s
    assert sum(array.breakdown.values()) == pytest.approx(array.step_time_s, rel=1e-9)


def test_dualpipe_has_its_pairs_whether_or_not_the_key_says_so() -> None:
    layout = {"pipeline": 4, "data": 8, "schedule": "dualpipe"}
    bare, hidden = pair(8, **layout)
    assert bare.step_time_s == hidden.step_time_s


def resolved(overlap: frozenset[str] | None, usual: frozenset[str] = frozenset(), **layout: Any) -> Scenario:
    """A layout as a user writes it, on software that overlaps `usual` by default."""
    here = scenario(8, frozenset())
    software = builders.stack(defaults={"overlap": usual})
    return resolve_scenario(
        here.model_copy(update={"stack": software}), Layout.model_validate(layout | {"overlap": overlap})
    )


@pytest.mark.parametrize(
    ("layout", "schedule"),
    [
        ({"pipeline": 4}, "1f1b"),
        ({"schedule": "gpipe"}, "gpipe"),
        ({"pipeline": 4, "schedule": "gpipe"}, "gpipe"),
        ({"pipeline": 4, "schedule": "zb-h1"}, "zb-h1"),
        ({"pipeline": 4, "virtual_stages": 2, "schedule": "zb-v"}, "zb-v"),
    ],
)
def test_a_schedule_without_pairs_is_refused_or_left_bare(layout: dict[str, Any], schedule: str) -> None:
    with pytest.raises(
        InputError, match=f"expert: {schedule} runs no forward pass beside a backward one.*Accepted: "
    ) as caught:
        resolved(HIDDEN, **layout)
    assert [problem.key for problem in caught.value.problems] == ["layout.overlap"]
    left = resolved(None, HIDDEN | {"grad_reduce"}, **layout)
    assert left.resolved_layout.overlap == {"grad_reduce"}
    assert any("experts' traffic is bare" in note for note in left.notes)


@pytest.mark.parametrize(
    "layout",
    [{}, {"schedule": "1f1b"}, {"pipeline": 4, "virtual_stages": 2}, {"pipeline": 2, "schedule": "dualpipe"}],
)
def test_a_schedule_with_pairs_is_not(layout: dict[str, Any]) -> None:
    for here in (resolved(HIDDEN, **layout), resolved(None, HIDDEN, **layout)):
        assert here.resolved_layout.overlap == HIDDEN
        assert not any("bare" in note for note in here.notes)


def test_a_model_without_experts_has_nothing_to_hide() -> None:
    dense = scenario(8, frozenset()).model_copy(update={"model": builders.gpt(layers=8)})
    with pytest.raises(InputError, match="expert: gpt has no experts"):
        resolve_scenario(dense, Layout(overlap=HIDDEN))


@pytest.mark.parametrize(
    "layout", [{"tensor": 2, "data": 16}, {"tensor": 2, "pipeline": 2, "virtual_stages": 2, "data": 8}]
)
def test_hiding_tensor_traffic_too_never_slows_a_step(layout: dict[str, Any]) -> None:
    """Pieces of products are no turns: a device goes on with its own while the experts' tokens of the other travel."""
    layout = {"sequence_parallel": True} | layout
    both, experts, none = (
        simulate_step(scenario(8, frozenset(overlap), **layout)).step_time_s
        for overlap in (("expert", "tensor"), ("expert",), ())
    )
    assert both <= experts < none
