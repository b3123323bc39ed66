"""Points side by side against points one by one: the same results, to the last bit."""

from __future__ import annotations

from typing import Any

import builders
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustersim.inputs.model import Model
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.device_tasks import device_tasks, idle_seconds
from clustersim.simulation.inspect.memory_timeline import memory_timeline
from clustersim.simulation.step.side_by_side import side_by_side, structure_of
from clustersim.simulation.step.step import play_step, result_of, simulate_step, simulate_steps

MODELS = {
    "gpt": builders.gpt(layers=8, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096),
    "moe": builders.moe(layers=8),
}


@st.composite
def points(draw: st.DrawFn, model: Model) -> list[Scenario]:
    """Scenarios of one structure: what is a word is drawn once, numbers for every point."""
    pipeline = draw(st.sampled_from([1, 2, 4]))
    chunks = draw(st.sampled_from([1, 2])) if pipeline > 1 else 1
    data = draw(st.sampled_from([1, 4]))
    micro_batches = pipeline * draw(st.integers(1, 3))
    words: dict[str, Any] = {
        "sharding": draw(st.sampled_from(["none", "zero1", "zero2", "zero3", "fsdp", "hybrid"])),
        "overlap": draw(st.sampled_from([frozenset(), frozenset({"grad_reduce", "param_gather", "fsdp", "tensor"})])),
        "recompute": draw(st.sampled_from(["none", "selective", "full"])),
        "context_kind": draw(st.sampled_from(["ring", "all-gather", "ulysses"])),
        "sequence_parallel": True,
        "schedule": "interleaved-1f1b" if chunks > 1 else draw(st.sampled_from(["gpipe", "1f1b", "zb-h1"])),
    }
    blocking, coupling = draw(st.booleans()), draw(st.sampled_from([0, 0, 2, "fluid"]))
    some = []
    for _ in range(draw(st.integers(2, 4))):
        micro_batch, replicas = (
            draw(st.sampled_from([1, 2, 4])),
            data * draw(st.sampled_from([1, 2])) if data > 1 else 1,
        )
        number = st.floats(0.3, 0.9)
        made = builders.scenario(
            nodes=replicas * pipeline // 2 or 1,
            model=model,
            stack_=builders.stack(
                sustained=draw(number),
                overlap_slowdown=draw(number),
                blocking_transfers=blocking,
                kernel_gap=1e-6,
                coupling=coupling,
            ),
            pipeline=pipeline,
            virtual_stages=chunks,
            data=replicas,
            tensor=draw(st.sampled_from([2, 4])),
            micro_batch=micro_batch,
            global_batch=replicas * micro_batch * micro_batches,
            **words,
        )
        chip = builders.accelerator(memory={"capacity": draw(number) * 1e12, "bandwidth": 1e12 * draw(number)})
        node = made.cluster.node.model_copy(update={"accelerator": chip})
        some.append(made.model_copy(update={"cluster": made.cluster.model_copy(update={"node": node})}))
    return some


@settings(max_examples=60)
@given(data=st.data(), model=st.sampled_from(sorted(MODELS)))
def test_points_side_by_side_are_points_one_by_one(data: st.DataObject, model: str) -> None:
    some = data.draw(points(MODELS[model]))
    assert len({structure_of(point) for point in some}) == 1
    together = simulate_steps(some)
    assert [result.to_dict() for result in together] == [simulate_step(point).to_dict() for point in some]


@pytest.mark.parametrize(
    "change",
    [
        {"pipeline": 2},
        {"recompute": "full"},
        {"sharding": "fsdp"},
        {"global_batch": 128},
        {"data": 1, "tensor": 8, "global_batch": 8},
        {"sequence_length": 2048},
        {"model": MODELS["moe"]},
        {"stack_": builders.stack(fused_attention=False)},
    ],
    ids=str,
)
def test_another_structure_is_not_played_beside_it(change: dict[str, Any]) -> None:
    here = builders.scenario(nodes=1)
    assert structure_of(here) == structure_of(builders.scenario(nodes=1))
    assert structure_of(here) != structure_of(builders.scenario(nodes=1, **change))


def test_uneven_replicas_are_played_alone() -> None:
    here = builders.scenario()
    uneven = here.model_copy(update={"cluster": here.cluster.model_copy(update={"jitter": 0.1})})
    assert structure_of(uneven) == structure_of(uneven)
    assert structure_of(uneven) != structure_of(uneven.model_copy())


def test_what_does_not_differ_stays_a_number() -> None:
    here, there = builders.scenario(tensor=2), builders.scenario(tensor=4)
    both = side_by_side([here, there])
    assert np.asarray(both.sizes.tensor).tolist() == [2.0, 4.0]
    assert both.sizes.context == 1.0
    assert both.points == 2
    assert both.scenario.resolved_layout == here.resolved_layout
    assert both.scenario.cluster.node.scale_up.bandwidth == 100e9
    alone = side_by_side([here])
    assert (alone.scenario, alone.sizes.tensor, alone.points) == (here, 2.0, 1)


@pytest.mark.parametrize(
    "layout",
    [{"pipeline": 4, "virtual_stages": 2}, {"pipeline": 4, "schedule": "zb-h1"}, {"offload": "activations"}],
    ids=str,
)
def test_peaks_are_those_of_memory_over_time(layout: dict[str, Any]) -> None:
    """Counted without a timeline, part by part; layers that don't divide make chunks differ."""
    model = builders.gpt(layers=15, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096)
    chunks = layout.get("pipeline", 1) * layout.get("virtual_stages", 1)
    layers = [15 // chunks + (chunk < 15 % chunks) for chunk in range(chunks)]
    step = play_step(builders.scenario(model=model, stage_layers=tuple(layers), recompute="full", **layout))
    for held, peak in zip(memory_timeline(step), result_of(step).memory.stages, strict=True):
        assert list(held.peak_parts) == list(peak.parts)
        assert peak.parts == pytest.approx(held.peak_parts)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize(
    "layout", [{"pipeline": 4}, {"pipeline": 4, "virtual_stages": 2}, {"pipeline": 4, "schedule": "zb-h1"}], ids=str
)
def test_idle_time_is_what_no_interval_covers(blocking: bool, layout: dict[str, Any]) -> None:
    """Against a sort of every interval, with links so slow that messages queue."""
    slow = builders.scenario(stack_=builders.stack(blocking_transfers=blocking, scale_out_efficiency=0.01), **layout)
    played = play_step(slow)
    start, end = played.timeline.start[:, 0], played.timeline.end[:, 0]
    for device in device_tasks(played.program):
        tasks = np.concatenate([device.compute, device.others])
        reached, idle = 0.0, 0.0
        for begin, finish in sorted(zip(start[tasks].tolist(), end[tasks].tolist(), strict=True)):
            idle += max(0.0, begin - reached)
            reached = max(reached, finish)
        assert idle_seconds(device, played.timeline)[0] == pytest.approx(idle, rel=1e-12)


def test_a_played_step_reads_as_it_is_simulated() -> None:
    here = builders.scenario(pipeline=4, virtual_stages=2, data=4, sharding="zero1", overlap=frozenset({"grad_reduce"}))
    assert result_of(play_step(here)).to_dict() == simulate_step(here).to_dict()
