"""Every remedy fits when it is typed in, and is the nearest of its kind."""

from __future__ import annotations

import pytest
from builders import gpt, scenario, stack

from clustersim.inputs.scenario import Scenario
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.layouts.remedies import KEYS, Remedy, remedies

GIB = 2.0**30


def crowded(spare: float, **layout: object) -> Scenario:
    """A small GPT on chips whose usable memory is what it needs and `spare` GiB more (or less)."""
    here = scenario(model=gpt(layers=16, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096), **layout)
    room = simulate_step(here).memory_bytes + spare * GIB
    chip = here.cluster.accelerator.model_copy(
        update={"memory": here.cluster.accelerator.memory.model_copy(update={"usable": room})}
    )
    node = here.cluster.node.model_copy(update={"accelerator": chip})
    return here.model_copy(update={"cluster": here.cluster.model_copy(update={"node": node})})


def by_key(found: tuple[Remedy, ...]) -> dict[str, Remedy]:
    return {remedy.key: remedy for remedy in found}


def test_every_remedy_fits_and_the_fastest_step_comes_first() -> None:
    short = crowded(-0.05, micro_batch=4, pipeline=2, tensor=2, global_batch=128)
    found = remedies(short)
    usable = short.cluster.accelerator.memory.usable_bytes
    assert {"recompute", "micro_batch", "sequence_parallel", "tensor", "offload"} <= by_key(found).keys()
    assert all(remedy.peak_bytes <= usable for remedy in found)
    assert [remedy.step_time_s for remedy in found] == sorted(remedy.step_time_s for remedy in found)
    assert "data" not in by_key(found)


def test_the_nearest_of_each_kind_is_taken() -> None:
    found = by_key(remedies(crowded(-0.01, micro_batch=4, global_batch=256), ("micro_batch", "recompute", "sharding")))
    assert found["micro_batch"].value == "2"
    assert found["recompute"].setting == "layout.recompute={layers: 1}"
    assert found["sharding"].value == "zero2"
    more = by_key(remedies(crowded(-1.0, micro_batch=4, global_batch=256), ("recompute",)))
    assert int(more["recompute"].value.removeprefix("{layers: ").removesuffix("}")) > 1


def test_unfused_attention_is_recomputed_first() -> None:
    here = crowded(0.2)
    unfused = here.model_copy(update={"stack": stack(fused_attention=False)})
    held = simulate_step(unfused).memory
    assert not held.fits
    assert by_key(remedies(unfused, ("recompute",)))["recompute"].value == "selective"


@pytest.mark.parametrize("key", KEYS)
def test_what_cannot_change_or_never_suffices_is_left_out(key: str) -> None:
    """A tenth of the states' memory: no single change of a dense model on one device brings that."""
    lone = scenario(nodes=1, data=8, recompute="full", offload="optimizer")
    tiny = lone.cluster.accelerator.memory.model_copy(update={"usable": 1e6})
    chip = lone.cluster.accelerator.model_copy(update={"memory": tiny})
    node = lone.cluster.node.model_copy(update={"accelerator": chip})
    starved = lone.model_copy(update={"cluster": lone.cluster.model_copy(update={"node": node})})
    assert remedies(starved, (key,)) == ()
