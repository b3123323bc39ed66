"""What devices idle: the bubble of the order of passes, and waiting for slower stages; and what they wait to send."""

from __future__ import annotations

from typing import Any

import builders
import numpy as np
import pytest

from clustersim.inputs.model import Model
from clustersim.schedules.program import TaskType
from clustersim.schedules.traits import Traits
from clustersim.simulation.results import BREAKDOWN_PARTS, StepResult
from clustersim.simulation.step import even_stages
from clustersim.simulation.step.step import play_step, simulate_step

# Embedding and head of next to nothing, so that stages of as many layers are equal.
EVEN = builders.gpt(layers=16, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096, vocab=1, position="none")
HEAVY = EVEN.model_copy(update={"vocab": 100_000})
SCHEDULES: list[dict[str, Any]] = [
    {"pipeline": 4},
    {"pipeline": 4, "schedule": "gpipe"},
    {"pipeline": 4, "virtual_stages": 2},
    {"pipeline": 4, "schedule": "zb-h1"},
    {"pipeline": 4, "schedule": "zb-1p"},
    {"pipeline": 4, "schedule": "zb-2p"},
    {"pipeline": 4, "schedule": "zb-v", "virtual_stages": 2},
    {"pipeline": 4, "schedule": "dualpipe"},
]
NAMES = [str(layout.get("schedule", layout.get("virtual_stages", "1f1b"))) for layout in SCHEDULES]


def step(model: Model = EVEN, blocking: bool = False, **layout: Any) -> StepResult:
    """16 micro-batches of one replica."""
    values = {"tensor": 2, "data": 1, "sharding": "none", "global_batch": 16} | layout
    return simulate_step(builders.scenario(model=model, stack_=builders.stack(blocking_transfers=blocking), **values))


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("layout", SCHEDULES, ids=NAMES)
def test_equal_stages_wait_for_none(layout: dict[str, Any], blocking: bool) -> None:
    parts = step(blocking=blocking, **layout).breakdown
    copies = layout.get("schedule") == "dualpipe"  # a stage's reduction waits for the other that holds its layers
    assert parts["stage_wait"] < (0.02 if copies else 0.01) * sum(parts.values())


@pytest.mark.parametrize(("layout", "over"), [({"pipeline": 4}, 1), ({"pipeline": 4, "virtual_stages": 2}, 2)])
def test_the_bubble_is_that_of_the_closed_form(layout: dict[str, Any], over: int) -> None:
    """(p - 1) (f + b) / v beside m (f + b)."""
    parts = step(**layout).breakdown
    passes = sum(parts[part] for part in ("gemm", "attention", "memory_bound", "tensor_comm"))
    assert parts["bubble"] == pytest.approx(passes * 3 / 16 / over, rel=1e-6)


@pytest.mark.parametrize("layout", SCHEDULES, ids=NAMES)
def test_a_better_split_waits_less_and_has_no_larger_bubble(layout: dict[str, Any]) -> None:
    """Layers moved away from the slowest stage make the step faster: all of that is stages that wait less."""
    chunks = layout["pipeline"] * layout.get("virtual_stages", 1)
    even = (16 // chunks,) * chunks
    worse = (even[0] + 1, *even[1:-2], even[-2] - 1, even[-1])
    split, uneven = (step(stage_layers=layers, **layout) for layers in (even, worse))
    assert split.step_time_s < uneven.step_time_s
    assert split.breakdown["stage_wait"] < uneven.breakdown["stage_wait"]
    assert split.breakdown["bubble"] <= uneven.breakdown["bubble"] * (1 + 1e-6)
    gained = uneven.step_time_s - split.step_time_s
    wait = uneven.breakdown["stage_wait"] - split.breakdown["stage_wait"]
    assert wait == pytest.approx(gained, rel=0.35 if "zb" in str(layout) else 0.1)


def test_a_heavy_head_makes_all_other_stages_wait() -> None:
    """The last of 4 stages takes (1 + x) times as long: the others idle x of their share in every micro-batch."""
    heavy = play_step(builders.scenario(model=HEAVY, pipeline=4, data=1, sharding="none", global_batch=64))
    each = [float(stage.forward.seconds[0] + stage.backward.seconds[0]) for stage in heavy.stages]
    parts = step(HEAVY, pipeline=4, tensor=1, global_batch=64).breakdown
    assert parts["stage_wait"] == pytest.approx(64 * (max(each) - np.mean(each)), rel=0.05)
    assert parts["bubble"] == pytest.approx(3 * np.mean(each), rel=1e-6)


@pytest.mark.parametrize("layout", SCHEDULES, ids=NAMES)
def test_parts_are_those_of_the_mean_device(layout: dict[str, Any]) -> None:
    result = step(HEAVY, **layout)
    parts = result.breakdown
    assert set(parts) == set(BREAKDOWN_PARTS)
    assert sum(parts.values()) == pytest.approx(result.step_time_s, rel=1e-12)
    computed = sum(parts[part] for part in ("gemm", "attention", "memory_bound", "recompute", "optimizer", "other"))
    assert result.busy_compute == pytest.approx(computed / result.step_time_s)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("layout", SCHEDULES[:3], ids=NAMES[:3])
def test_a_replay_with_equal_stages_finds_the_closed_form(
    layout: dict[str, Any], blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = step(HEAVY, blocking=blocking, **layout).breakdown
    monkeypatch.setattr(even_stages, "traits_of", lambda name: Traits(exact_bubble=False))
    replayed = step(HEAVY, blocking=blocking, **layout).breakdown
    assert replayed["bubble"] == pytest.approx(closed["bubble"], rel=0.005)
    assert sum(replayed.values()) == pytest.approx(sum(closed.values()))


@pytest.mark.parametrize("waits_for_norm", [True, False])
@pytest.mark.parametrize("pipeline", [1, 4])
def test_gradients_that_are_reduced_at_the_end_are_communication(pipeline: int, waits_for_norm: bool) -> None:
    """Whether the optimizer waits for its own reduction, or for the norm of all that waits for it."""
    software = builders.stack(synchronous_optimizer=waits_for_norm)
    layout: dict[str, Any] = {"pipeline": pipeline, "data": 4, "sharding": "none", "global_batch": 64}
    here = builders.scenario(model=EVEN, stack_=software, **layout)
    played, result = play_step(here), simulate_step(here)
    reductions = [
        sum(parts.values())
        for kind, parts in zip(played.program.kinds, played.parts, strict=True)
        if kind.operation is TaskType.REDUCE_GRADIENTS
    ]
    assert len(reductions) == pipeline
    assert min(reductions) > 0.001
    assert result.breakdown["data_comm"] == pytest.approx(np.mean(reductions), rel=0.03)
    assert result.breakdown["stage_wait"] < 0.01 * result.step_time_s
