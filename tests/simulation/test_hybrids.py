"""What linear attention in three layers of four gains, by the cited rates; and intervals where none is published."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.costs.scans import UNPUBLISHED_SPREAD, chunked_scan_time
from clustersim.inputs.catalog import load
from clustersim.inputs.load import load_scenario
from clustersim.inputs.model import Model
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.intervals import layout_kinds, model_error
from clustersim.simulation.results import StepResult
from clustersim.simulation.step.step import simulate_step
from clustersim.workload.layers.gated_delta import gated_delta_scan
from clustersim.workload.operations import Scan


def qwen(length: int, context: int, *, attends: bool = False, chip: str = "h100-sxm-80gb", **model: Any) -> Scenario:
    """Qwen3.5 27B on 256 devices, 4 M tokens a step; with attention in every layer where asked for."""
    pattern = {"attention_pattern": ["full"]} if attends else {}
    return load_scenario(
        {
            "model": {"extends": "qwen3.5-27b"} | pattern | model,
            "cluster": {"accelerator": chip, "devices": 256},
            "training": {"sequence_length": length, "global_batch": 2**22 // length},
            "layout": {"tensor": 2, "context": context, "pipeline": 4, "micro_batch": 1, "recompute": "none"},
            "stack": "megatron-core-2025",
        }
    )


def both(length: int, context: int = 1) -> tuple[StepResult, StepResult]:
    """The hybrid, and the same model attending everywhere."""
    return (
        simulate_step(qwen(length, context), intervals=False),
        simulate_step(qwen(length, context, attends=True), intervals=False),
    )


@pytest.mark.parametrize("length", [1024, 2048, 4096])
def test_a_hybrid_gains_nothing_on_short_sequences(length: int) -> None:
    hybrid, attends = both(length)
    assert hybrid.step_time_s > attends.step_time_s


def test_a_hybrid_gains_half_again_at_128_k_tokens() -> None:
    """Its attention is a quarter of the other's, and the scans of three quarters of the layers."""
    hybrid, attends = both(131072, 8)
    gain = attends.step_time_s / hybrid.step_time_s
    assert gain == pytest.approx(1.5, rel=0.05)
    delta = load("models", "qwen3.5-27b").gated_delta
    assert delta is not None
    work, chip = gated_delta_scan(delta), load("accelerators", "h100-sxm-80gb")
    tokens = 2**22 / 256 * 2 * 4 * work.heads / 2  # of a stage's rank: every device sees its layers' part of the step
    per_layer = sum(
        float(chunked_scan_time(Scan("", work.kind, tokens * flops, 0.0, work.heads / 16, back), chip, "triton"))
        for flops, back in ((work.forward_flops, False), (work.backward_flops, True))
    )
    scans = 12 * per_layer  # 48 of 64 layers, over four stages
    expected = attends.breakdown["attention"] / 4 + scans
    assert hybrid.breakdown["attention"] == pytest.approx(
        expected, rel=0.05
    )  # a module for multi-token prediction apart


def test_the_gain_grows_with_the_sequence() -> None:
    gains = [attends.step_time_s / hybrid.step_time_s for hybrid, attends in map(both, (4096, 8192, 16384))]
    assert gains == sorted(gains)
    assert gains[0] < 1.0 < gains[-1]


def test_unpublished_rates_widen_the_interval_by_their_share_of_the_step() -> None:
    known, unknown = qwen(4096, 1), qwen(4096, 1, chip="a100-sxm-80gb")
    plain = qwen(4096, 1, attends=True, chip="a100-sxm-80gb")
    assert "linear attention" in layout_kinds(known)
    assert "linear attention" not in layout_kinds(plain)
    assert "no rate of" not in model_error(known).evidence
    assert "no rate of gated-delta kernels is published for NVIDIA A100" in model_error(unknown).evidence
    assert model_error(plain).spread < model_error(unknown).spread < model_error(plain).spread + UNPUBLISHED_SPREAD


@pytest.mark.parametrize("name", ["qwen3-next-80b-a3b", "kimi-linear-48b-a3b", "nemotron-h-8b", "falcon-h1-34b"])
def test_serving_a_hybrid_keeps_states_beside_keys_and_values(name: str) -> None:
    from clustersim.simulation.serving.memory import kinds_of
    from clustersim.workload.layers.registry import layers_of

    model: Model = load("models", name)
    layers = [
        (times, layer) for kind, times in kinds_of(model, 0, model.layers).items() for layer in layers_of(model, kind)
    ]

    def kept(length: float) -> float:
        return sum(times * (2.0 * layer.kept_elements(model, 1.0, length)) for times, layer in layers)

    states = sum(times * layer.state_bytes(model, 1.0) for times, layer in layers)
    assert states > 0.0
    assert kept(2e5) == 2.0 * kept(1e5)
    attention = sum(
        times for kind, times in kinds_of(model, 0, model.layers).items() if kind.mixer in ("full", "beside-mamba2")
    )
    width = kept(1.0) / attention / 2.0
    latent = model.latent
    expected = latent.kv_lora_rank + latent.qk_rope_head_dim if latent else 2 * model.kv_heads * model.head_size
    assert width == expected
