"""Steps of zero-bubble schedules and DualPipe: what they save, what they hold, and what they are planned on."""

from __future__ import annotations

import pytest
from builders import gpt, moe, scenario

from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import TaskType
from clustersim.simulation.step.planned_ratios import planned_ratios
from clustersim.simulation.step.step import play_step, simulate_step
from clustersim.simulation.step.windows import step_windows

MODEL = gpt(layers=16, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096, dropout=False, tied_embeddings=False)


def pipeline(schedule: str, **changes: object) -> Scenario:
    """Eight stages of two layers, tensor 8: one replica runs 32 micro-batches."""
    sizes = {"pipeline": 8, "tensor": 8, "global_batch": 32, "model": MODEL}
    return scenario(schedule=schedule, **(sizes | changes))


def test_less_bubble_takes_less_time_or_more_memory() -> None:
    one, h1, one_p, two_p = (simulate_step(pipeline(name)) for name in ("1f1b", "zb-h1", "zb-1p", "zb-2p"))
    assert one.step_time_s > h1.step_time_s >= one_p.step_time_s > two_p.step_time_s
    assert one.breakdown["bubble"] > one_p.breakdown["bubble"]
    kept = [step.memory.parts["activations"] + step.memory.parts["weight_gradient_inputs"] for step in (one_p, two_p)]
    assert kept[0] < kept[1]
    assert one.breakdown["gemm"] == pytest.approx(h1.breakdown["gemm"])


def test_stages_that_wait_for_none_follow_each_other_by_the_longest_share() -> None:
    step = play_step(pipeline("zb-2p"))
    assert TaskType.GRADIENT_NORM not in {kind.operation for kind in step.program.kinds}
    window = step_windows(step.program, step.timeline)
    assert step.seconds == window.seconds[0] < step.timeline.makespan[0]
    waiting = play_step(pipeline("1f1b"))
    assert waiting.seconds == waiting.timeline.makespan[0]


def test_plans_take_every_stages_own_ratios() -> None:
    """The head makes the last stage's passes longer, and the embedding's stage has no more than its layers."""
    step = play_step(pipeline("zb-1p"))
    ratios = planned_ratios(step.stages, 0.0)
    assert sum(map(sum, ratios[:3])) == pytest.approx(200 * 8, rel=0.01)
    assert len(ratios.forward) == 8
    assert ratios.forward[-1] > ratios.forward[1] == ratios.forward[2]
    assert 1 <= min(ratios.kept_eighths) <= max(ratios.kept_eighths) <= 8
    recomputed = planned_ratios(play_step(pipeline("zb-1p", recompute="full")).stages, 0.0)
    assert recomputed.kept_eighths == (8,) * 8
    assert sum(recomputed.input_gradient) / sum(recomputed.forward) > sum(ratios.input_gradient) / sum(ratios.forward)


def test_dualpipe_holds_every_layer_twice_and_shards_its_optimizer_over_both() -> None:
    one, dual = (simulate_step(pipeline(name, sharding="zero1")) for name in ("1f1b", "dualpipe"))
    assert dual.memory.stages[3].parts["parameters"] == pytest.approx(2 * one.memory.stages[3].parts["parameters"])
    assert dual.memory.stages[3].parts["optimizer"] == pytest.approx(one.memory.stages[3].parts["optimizer"])
    kept = dual.memory.stages[3].parts["activations"]
    assert kept == pytest.approx(9 / 5 * one.memory.stages[3].parts["activations"], rel=0.01)  # p + 1 over p - s


def test_dualpipe_hides_the_experts_exchanges() -> None:
    """Beside each other, forward and backward wait less for exchanges than alone, and compute as long."""
    step = play_step(scenario(model=moe(layers=8), expert=16, pipeline=4, global_batch=512, schedule="dualpipe"))
    passes = step.stages[2].passes
    alone = [passes[operation] for operation in (TaskType.FORWARD, TaskType.BACKWARD)]
    beside = [passes[operation] for operation in (TaskType.FORWARD_BESIDE, TaskType.BACKWARD_BESIDE)]
    waited = [sum(float(part.parts["expert_comm"][0]) for part in both) for both in (alone, beside)]
    assert 0.0 < waited[1] < waited[0]
    for one, other in zip(alone, beside, strict=True):
        assert other.parts["gemm"] == pytest.approx(one.parts["gemm"])
    seconds = {
        kind.operation: sum(parts.values())
        for kind, parts in zip(step.program.kinds, step.parts, strict=True)
        if kind.stage == 2 and kind.chunk == 0
    }
    assert seconds[TaskType.FORWARD_BESIDE] < seconds[TaskType.FORWARD]


def test_the_ends_of_a_v_meet_on_its_first_device() -> None:
    step = play_step(pipeline("zb-v", virtual_stages=2))
    held = step.program.placement.virtual
    assert held[:, 0].tolist() == [0, 15]
    first, last = step.stages[0], step.stages[15]
    assert last.logit_bytes[0] > first.logit_bytes[0]
