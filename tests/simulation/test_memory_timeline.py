"""Memory over time: what passes take they give back, and the peaks are those of the schedules' own counts."""

from __future__ import annotations

import numpy as np
import pytest
from builders import gpt, scenario, stack

from clustersim.inputs.scenario import Scenario
from clustersim.schedules import in_flight
from clustersim.simulation.inspect.memory_timeline import memory_timeline
from clustersim.simulation.memory.holdings import memory_parts, sharding_of
from clustersim.simulation.step.step import play_step, result_of
from clustersim.workload.sizes import sizes_of

LAYOUTS = [
    {"pipeline": 4, "schedule": "gpipe"},
    {"pipeline": 4, "schedule": "1f1b"},
    {"pipeline": 4, "virtual_stages": 2},
    {"pipeline": 4, "virtual_stages": 4, "recompute": "full"},
    {"pipeline": 1, "recompute": "full"},
]

APART = [{"pipeline": 4, "schedule": schedule} for schedule in ("zb-h1", "zb-1p", "zb-2p", "dualpipe")]


def plain_gpt(**layout: object) -> Scenario:
    """Sixteen equal layers, nothing kept by the embedding."""
    model = gpt(layers=16, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096, dropout=False)
    return scenario(model=model, tensor=2, stack_=stack(buffers=1e9, fragmentation=0.05), **layout)


@pytest.mark.parametrize("layout", LAYOUTS + APART)
def test_what_passes_take_they_give_back(layout: dict[str, object]) -> None:
    """Also where gradients of weights come later, and where the model is held twice; the peaks are the report's."""
    step = play_step(plain_gpt(**layout))
    report = result_of(step).memory
    for held, peak in zip(memory_timeline(step), report.stages, strict=True):
        assert held.bytes.max() == pytest.approx(peak.peak_bytes)
        assert (np.diff(held.times_s) >= 0.0).all()
        assert held.bytes.min() >= held.bytes[0] * (1 - 1e-12)
        assert held.bytes[-1] == pytest.approx(held.bytes[0])
        assert held.bytes == pytest.approx(sum(held.parts.values()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_peaks_are_the_reports_and_the_schedules(layout: dict[str, object]) -> None:
    """Where chunks are equal, the played peak is what one chunk keeps, times the chunk passes in flight."""
    step = play_step(plain_gpt(**layout))
    report, plan = result_of(step).memory, step.scenario.resolved_layout
    sizes = (plan.pipeline, step.program.micro_batches, plan.virtual_stages)
    flying = in_flight(plan.schedule, *sizes)
    for held, peak in zip(memory_timeline(step), report.stages, strict=True):
        assert held.bytes.max() == pytest.approx(peak.peak_bytes)
        chunks = step.stages[held.stage :: plan.pipeline]
        sharding = sharding_of(step.scenario, sizes_of(step.scenario.resolved_layout), step.program.micro_batches)
        counted = memory_parts(chunks, float(flying[held.stage]), sharding, step.scenario.stack)
        assert peak.parts["activations"] == pytest.approx(float(counted["activations"][0]))
        assert peak.parts["parameters"] == pytest.approx(float(counted["parameters"][0]))
    assert report.peak_bytes == max(peak.peak_bytes for peak in report.stages)


def test_logits_of_gpipe_pile_up_on_the_last_stage() -> None:
    """Every micro-batch runs forward before any backward; in 1F1B each one's logits go before the next one's come."""
    gpipe, alternating = (
        result_of(play_step(plain_gpt(pipeline=4, schedule=schedule))).memory for schedule in ("gpipe", "1f1b")
    )
    micro_batches = 64 // (8 * 8 // (2 * 4))
    logits = [report.stages[-1].parts["logits"] for report in (gpipe, alternating)]
    assert logits[0] == pytest.approx(micro_batches * logits[1])
    assert gpipe.stages[0].parts["logits"] == 0.0
