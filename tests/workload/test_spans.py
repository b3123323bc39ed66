"""How many keys a query meets, against counts one by one."""

from __future__ import annotations

import numpy as np
import pytest
from builders import gpt, shape
from serving_scenarios import serving

from clustersim.inputs.catalog import load
from clustersim.inputs.model import BlockKind, Model
from clustersim.inputs.serving import Traffic
from clustersim.inputs.training import Training
from clustersim.simulation.serving.passes import pass_times
from clustersim.workload.flops import model_flops_per_token
from clustersim.workload.layers.serving_batch import Batch, ServingPhase
from clustersim.workload.layers.spans import causal_keys, mean_keys, reach
from clustersim.workload.operations import Attention
from clustersim.workload.serving import forward_pass, layer_elements


@pytest.mark.parametrize("span", [256, 1024, 1025, 2048, 32768])
def test_a_query_in_the_steady_part_sees_the_whole_window(span: int) -> None:
    seen = np.minimum(np.arange(span) + 0.5, 1024).mean()  # a token sees itself and half of what a block hides
    assert causal_keys(1024, float(span)) == pytest.approx(seen, rel=1e-6)
    assert causal_keys(None, float(span)) == span / 2


def test_a_window_of_1024_in_32768_tokens() -> None:
    assert causal_keys(1024, 32768.0) == pytest.approx(1024 * (1 - 1024 / 65536))
    assert reach(1024, 32768.0) == 1024.0  # what the full convention counts


@pytest.mark.parametrize(
    ("mean", "spread"), [(3000.0, 0.0), (3000.0, 500.0), (1200.0, 800.0), (900.0, 900.0), (300.0, 200.0)]
)
def test_positions_of_any_range(mean: float, spread: float) -> None:
    positions = np.linspace(mean - spread, mean + spread, 20001)
    assert mean_keys(1024, mean, spread) == pytest.approx(np.minimum(positions, 1024).mean(), rel=1e-4)
    assert mean_keys(None, mean, spread) == mean


@pytest.mark.parametrize("name", ["gpt-oss-120b", "mistral-7b"])
def test_causal_flops_of_windows_of_real_models(name: str) -> None:
    model = load("models", name)
    assert isinstance(model, Model)
    length = 32768
    training = Training(sequence_length=length, global_batch=1)
    most = {"full": length, "sliding": model.window or length}
    reaches = [most[model.block_kind(layer).mixer] for layer in range(model.layers)]
    keys = sum(np.minimum(np.arange(length) + 0.5, each).mean() for each in reaches)
    counted = model_flops_per_token(model, training, "causal") - model_flops_per_token(model, training, "6N")
    assert counted == pytest.approx(12 * keys * model.heads * model.head_size, rel=1e-4)


def test_packed_documents_are_half_and_windows_stay_windows_in_them() -> None:
    def causal(window: int, document: int) -> float:
        model = gpt(window=window, attention_pattern=("sliding",))
        training = Training(sequence_length=8192, global_batch=1, document_length=document)
        return model_flops_per_token(model, training, "causal") - model_flops_per_token(model, training, "6N")

    assert causal(4096, 1024) == pytest.approx(12 * 96 * 12288 * 1024 / 2)
    assert causal(256, 1024) == pytest.approx(12 * 96 * 12288 * 256 * (1 - 256 / 2048))


@pytest.mark.parametrize(("hits", "window"), [(0.0, 256), (0.0, 1500), (0.5, 256), (0.5, 1500), (0.5, 8192)])
def test_prompts_meet_a_window_at_their_own_positions(hits: float, window: int) -> None:
    """Prompts of 2,000 tokens all: what is computed is their last part."""
    traffic = Traffic(prompt=2000.0, output=100.0, variation=0.0, cache_hits=hits)
    model = gpt(window=window, attention_pattern=("sliding",))
    batch = Batch("prefill", 64.0, traffic.prompt_span, 0.0, 64.0, spread=traffic.prompt_spread)
    here = shape(micro_batch=64.0, sequence=1.0, span=1.0)
    elements = layer_elements(model, BlockKind("sliding", "dense"), here, batch)
    (kernel,) = (one for one in forward_pass(elements, frozenset()).operations if isinstance(one, Attention))
    seen = np.minimum(np.arange(2000 * hits, 2000) + 0.5, window).mean()
    assert kernel.flops == pytest.approx(2 * 64 * 12288 * 2 * seen, rel=1e-3)


def test_answers_meet_a_window_at_their_own_positions() -> None:
    traffic = Traffic(prompt=1000.0, output=500.0, variation=0.0)
    assert (traffic.answer_span, traffic.answer_spread) == (1250, 250)
    assert Traffic(prompt=1000.0, output=500.0, cache_length=700.0).answer_spread == 0.0
    seen = np.minimum(np.arange(1000, 1500) + 0.5, 1100).mean()
    assert mean_keys(1100, traffic.answer_span, traffic.answer_spread) == pytest.approx(seen)


def test_a_served_model_with_windows_attends_to_less() -> None:
    sizes = {"layers": 8, "hidden": 1024, "heads": 16, "kv_heads": 16, "ffn_hidden": 4096}
    windowed = gpt(**sizes, window=200, attention_pattern=("sliding",))
    batch = np.array([64.0])
    phases: tuple[ServingPhase, ...] = ("prefill", "decode")
    for phase in phases:
        full, near = (pass_times(serving(model), phase, batch).parts["attention"] for model in (gpt(**sizes), windowed))
        assert near[0] < full[0]
