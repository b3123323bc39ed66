"""Every chip of the catalog plays a step at every precision that it has."""

from __future__ import annotations

import pytest

from clustersim.inputs.catalog import load, names
from clustersim.inputs.load import load_scenario
from clustersim.simulation.step.step import simulate_step


@pytest.mark.parametrize("chip", names("accelerators"))
def test_a_step_plays_at_every_precision(chip: str) -> None:
    accelerator = load("accelerators", chip)
    node = accelerator.node or "dgx-h100"  # a borrowed one, where the network of its own is not in print
    devices = load("nodes", node).devices
    for precision in accelerator.peak:
        step = simulate_step(
            load_scenario(
                {
                    "model": "llama-3.1-8b",
                    "cluster": {"node": {"extends": node, "accelerator": chip}, "nodes": 1},
                    "training": {"sequence_length": 2048, "global_batch": 2 * devices, "precision": precision},
                    "layout": {"micro_batch": 1},
                    "stack": "megatron-core-2025",
                }
            )
        )
        assert 0.0 < step.mfu < accelerator.peak[precision] / accelerator.base_peak
