"""How the router of a measured run loaded its experts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clustersim.errors import InputError
from clustersim.inputs.load import load_scenario
from clustersim.studies.measured.router import imbalance_of
from clustersim.studies.measured.runs import MeasuredRun, measured_run

ROW = {
    "id": "one",
    "accelerator": "h100-sxm-80gb",
    "stack": "megatron-core-2025",
    "model": "Mixtral-8x7B",
    "n_experts": "8",
    "seq_len": "2048",
    "global_batch_seqs": "64",
    "n_devices": "64",
    "ep": "8",
}


def run(**cells: str) -> MeasuredRun:
    return measured_run(ROW | cells)


def imbalance(**cells: str) -> float:
    return load_scenario(run(**cells).mapping).training.expert_imbalance


def test_a_balance_loss_is_the_spread_of_loads_whose_probabilities_follow_them() -> None:
    loads = np.random.default_rng(7).gamma(2.0, size=64)
    shares = loads / loads.sum()
    loss = 64 * float(np.sum(shares * shares))
    assert imbalance_of(loss) == pytest.approx(loads.std() / loads.mean())
    assert (imbalance_of(1.0), imbalance_of(0.98)) == (0.0, 0.0)
    assert imbalance_of(1.95) == pytest.approx(math.sqrt(0.95))


def test_a_logged_loss_wins_over_words_and_stack() -> None:
    assert imbalance(balance_loss="1.25") == pytest.approx(0.5)
    assert imbalance(balance_loss="1.25", notes="force-balanced routing") == pytest.approx(0.5)
    assert imbalance(balance_loss="1") == 0.0


@pytest.mark.parametrize(
    ("notes", "router"),
    [
        ("MoE: force-balanced routing, dropless", "balanced"),
        ("capacity-factor-1 token dropping (balanced)", "balanced"),
        ("experts padded to capacity 1.0 (balanced)", "balanced"),
        ("real router, not force-balanced", "typical"),
        ("well balanced stages", "typical"),
        ("", "typical"),
    ],
)
def test_the_sources_words_say_that_experts_were_loaded_evenly(notes: str, router: str) -> None:
    made = run(notes=notes)
    assert made.mapping["training"]["router"] == router
    assert any("isn't stated: typical" in note for note in made.notes) == (router == "typical")


def test_the_stack_says_how_its_benchmarks_are_run() -> None:
    assert run(stack="megatron-bridge-2026").mapping["training"]["router"] == "balanced"
    assert run(stack="megatron-bridge-2026", framework="NeMo 26.04").mapping["training"]["router"] == "balanced"
    assert run(stack="megatron-lm-2024").mapping["training"]["router"] == "typical"


def test_a_dense_model_has_no_router() -> None:
    made = run(model="Llama-2-7B", n_experts="", ep="", balance_loss="")
    assert "router" not in made.mapping["training"]
    assert not any("router" in note for note in made.notes)


def test_a_loss_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        run(balance_loss="low")
    assert caught.value.problems[0].key == "balance_loss"
