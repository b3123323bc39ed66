"""Memory against Korthikanti et al. 2022 and against what sharding must do."""

from __future__ import annotations

import pytest
from builders import gpt, scenario, stack

from clustersim.simulation.step import simulate_step


def test_first_stage_of_1f1b_holds_as_many_micro_batches_as_there_are_stages() -> None:
    """Korthikanti et al. 2022, section 4.2.3: p micro-batches of L/p layers, so L layers' activations in all."""
    model = gpt(layers=16, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096)
    one, eight = (
        simulate_step(scenario(model=model, pipeline=p, tensor=8, stack_=stack(fused_attention=False))) for p in (1, 8)
    )
    s, h, a, t = 1024.0, 1024.0, 16.0, 8.0
    layer = s * h * (10 + 24 / t + 5 * a * s / (h * t))
    for step, in_flight in ((one, 1), (eight, 8)):
        embedding_dropout = in_flight * s * h  # s b h p, section 4.3; whole on every rank
        assert step.memory.parts["activations"] == pytest.approx(16 * layer + embedding_dropout)


def test_interleaving_holds_a_little_more() -> None:
    """L (1 + (p - 1) / (p v)) layers' activations on the first stage (section 4.2.3)."""
    model = gpt(layers=16, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096, dropout=False)
    plain = simulate_step(scenario(model=model, pipeline=4, tensor=8))
    woven = simulate_step(scenario(model=model, pipeline=4, tensor=8, virtual_stages=2))
    ratio = woven.memory.parts["activations"] / plain.memory.parts["activations"]
    assert ratio == pytest.approx(1 + 3 / 8)


def test_states_take_eighteen_bytes_a_parameter_without_sharding() -> None:
    step = simulate_step(scenario(sharding="none"))
    states = sum(step.memory.parts[name] for name in ("parameters", "gradients", "optimizer"))
    assert states == pytest.approx(18 / 2 * step.memory.parts["parameters"])


def test_a_layout_that_does_not_fit_is_played_and_says_so() -> None:
    step = simulate_step(scenario(model=gpt(), tensor=1, sharding="none", stack_=stack(buffers=1e9)))
    assert not step.fits
    assert step.memory_bytes > step.memory.usable_bytes
    assert step.memory.parts["buffers"] == 1e9
