"""Layers that were priced before are not priced again, and are those that pricing anew gives."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.segment import layer_prices, stages
from clustersim.simulation.step.side_by_side import side_by_side
from clustersim.simulation.step.step import price_stages, simulate_step, step_machine

CHANGES: list[dict[str, Any]] = [
    {},
    {"layout.micro_batch": 2},
    {"layout.data": "auto", "cluster.nodes": 16},
    {"layout.tensor": 4, "layout.data": "auto"},
    {"cluster.node.scale_up.bandwidth": "100 GB/s"},
    {"cluster.node.accelerator.memory.bandwidth": "1 TB/s"},
    {"stack.kernel_gap": "5 us"},
    {"stack": "megatron-lm-2024"},
    {"layout.recompute": "none"},
    {"layout.recompute": {"layers": 1}},
    {"training.sequence_length": 4096},
    {"layout.pipeline": 4, "layout.data": "auto", "layout.virtual_stages": 2},
    {"layout.schedule": "zb-h1", "layout.virtual_stages": 1},
    {},
]
OF_ANY = {"stack.kernel_gap", "cluster.node.accelerator.memory.bandwidth", "layout.micro_batch"}


def _forget() -> None:
    layer_prices._priced_before.cache_clear()
    stages._assembled_before.cache_clear()


@pytest.mark.parametrize("file", ["gpt3_175b_a100", "deepseek_v3_h800_2048"])
def test_steps_are_the_same_with_and_without_what_was_priced_before(file: str) -> None:
    scenarios = [
        load_scenario(file, changes) for changes in CHANGES if file.startswith("gpt3") or set(changes) < OF_ANY
    ]
    _forget()
    warm = [simulate_step(scenario, intervals=False) for scenario in scenarios]
    cold = []
    for scenario in scenarios:
        _forget()
        cold.append(simulate_step(scenario, intervals=False))
    assert [step.to_dict() for step in warm] == [step.to_dict() for step in cold]
    assert len({step.step_time_s for step in warm}) >= len(scenarios) - 2


def _priced(scenario: Scenario) -> list[stages.Stage]:
    columns = side_by_side([scenario])
    return price_stages(columns, step_machine(columns))


def test_more_replicas_and_other_stages_take_the_layers_that_were_priced() -> None:
    _forget()
    base = load_scenario("gpt3_175b_a100")
    first, again = _priced(base), _priced(base)
    assert all(one is other for one, other in zip(first, again, strict=True))
    layout = base.resolved_layout
    uneven = layout.model_copy(update={"stage_layers": (3, *layout.stage_layers[1:-1], 5)})
    other = _priced(base.model_copy(update={"layout": uneven}))
    assert other[1].units[0].piece is first[1].units[0].piece
    assert other[0].units[1].times == 3
