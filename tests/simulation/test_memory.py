"""Memory against Korthikanti et al. 2022 and against what sharding must do."""

from __future__ import annotations

import pytest
from builders import gpt, scenario, stack

from clustersim.simulation.memory.peaks import states_of
from clustersim.simulation.step.step import simulate_step, step_program
from clustersim.workload.parameters import total_parameters


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
        assert step.memory.parts["activations"] == pytest.approx(16 * layer)
        assert step.memory.parts["embedding"] == pytest.approx(embedding_dropout)


def test_interleaving_holds_a_little_more() -> None:
    """L (1 + (p - 1) / (p v)) layers' activations on the first stage (section 4.2.3)."""
    plain = simulate_step(scenario(pipeline=4, tensor=8))
    woven = simulate_step(scenario(pipeline=4, tensor=8, virtual_stages=2))
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


def test_fully_sharded_devices_hold_whole_layers_while_they_compute() -> None:
    """16 bytes a parameter in shards (fp32 masters), and two layers and the ends whole: Zhao et al. 2023."""
    step = simulate_step(scenario(sharding="fsdp", grad_reduce_precision="bf16"))
    held = step.memory.parts
    assert held["parameters"] == 0.0
    assert held["gradients"] + held["optimizer"] == pytest.approx(16 / 64 * whole_parameters())
    layers = 2 * (12 * 1024**2 + 13 * 1024)
    ends = 51200 * 1024 + 2048 * 1024 + 2 * 1024
    assert held["gathered_parameters"] == pytest.approx(2.0 * (layers + ends))
    assert held["gradient_buffers"] == pytest.approx(2.0 * (layers + ends))


def whole_parameters() -> float:
    """Of the small GPT of these tests."""
    return total_parameters(gpt(layers=16, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096))


def test_graph_mode_keeps_no_whole_gradients_in_a_step_of_one_micro_batch() -> None:
    at_once = stack(gradients_reduced_at_once=True)
    one, two = (simulate_step(scenario(global_batch=batch, stack_=at_once)).memory.parts for batch in (64, 128))
    assert two["gradients"] == pytest.approx(4.0 * whole_parameters())
    assert one["gradients"] == pytest.approx(two["gradients"] / 64)
    assert one["gradient_buffers"] > 0.0 == two["gradient_buffers"]


@pytest.mark.parametrize("virtual_stages", [1, 2, 4])
def test_chunks_that_hold_the_same_are_counted_together(virtual_stages: int) -> None:
    """Of each chunk apart, states grew as the square of the chunks a device."""
    program = step_program(scenario(pipeline=4, virtual_stages=virtual_stages), 16)
    stages = 4 * virtual_stages
    contents = (0, *[1] * (stages - 2), 2)
    states = states_of(program, contents)
    assert states.alive.shape == (3, 4, states.bounds[-1], 1)
    assert len(states.bounds) == 5
    first, second = states.alive[..., : states.bounds[1], 0], states.alive[..., states.bounds[3] :, 0]
    assert first[:, 0].sum(axis=0).max() > second[:, 0].sum(axis=0).max(), "the first device holds most"
    assert not second[0].any(), "the last one has no chunk of the first one's contents"
    assert not first[2].any()
    apart = states_of(program, tuple(range(stages)))
    most = [each.alive[:, 0, : each.bounds[1], 0].sum(axis=0).max() for each in (states, apart)]
    assert most[0] == most[1], "together and apart, as many are alive"
