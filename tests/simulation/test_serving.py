"""Serving: bounds hold, targets are met, more never serves less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import gpt, moe
from serving_scenarios import dense, serving

from clustersim.errors import InfeasibleError
from clustersim.inputs.catalog import load
from clustersim.inputs.load import config_names
from clustersim.inputs.load_serving import load_serving
from clustersim.inputs.serving import Serving
from clustersim.simulation.serving.memory import cache_bytes_of, weights
from clustersim.simulation.serving.passes import pass_times
from clustersim.simulation.serving.serving import OVERLAPS, PHASES, ServingResult, simulate_serving
from clustersim.simulation.serving.transfers import transfer_seconds
from clustersim.workload.parameters import total_parameters


def rates(result: ServingResult, phase: str) -> list[float]:
    return [result.phases[phase].at[name].tokens_per_s for name in OVERLAPS]  # type: ignore[index]


@pytest.mark.parametrize("name", config_names("serving"))
def test_predictions_lie_between_their_bounds_in_every_shipped_scenario(name: str) -> None:
    result = simulate_serving(load_serving(name))
    for phase in PHASES:
        none, central, full = rates(result, phase)
        assert 0 < none <= central * (1 + 1e-9)
        assert central <= full * (1 + 1e-9)
        found = result.phases[phase]
        assert sum(found.parts.values()) == pytest.approx(found.central.pass_s, rel=1e-3)
        assert sum(found.memory.values()) <= found.usable_bytes
        assert np.all(np.diff(found.curve.batch) > 0)


@pytest.mark.parametrize("scenario", [serving(), dense()])
def test_without_overlap_everything_adds_up(scenario: Serving) -> None:
    batch = np.array([8.0, 64.0])
    for phase in PHASES:
        times = pass_times(scenario, phase, batch)
        assert np.all(times.no_overlap >= times.central * (1 - 1e-12))
        assert np.all(times.central >= times.full_overlap * (1 - 1e-12))
        assert sum(times.parts.values(), np.zeros(2)) == pytest.approx(times.central)


def test_kept_keys_and_values_come_from_the_store_and_leave_by_the_way_out() -> None:
    """Half of a prompt kept: 8 computed tokens bring 8 from the store, and all 16 go to where answers are written."""
    model = gpt(layers=2, hidden=512, heads=8, kv_heads=4)
    scenario = serving(model, traffic={"prompt": 100.0, "cache_hits": 0.5})
    a_token = 2 * 2 * 2 * 4 * 64  # layers, bytes, keys and values, heads, their size
    way_out = scenario.node.scale_out.bandwidth * scenario.node.scale_out.efficiency
    sent = 16 * a_token / way_out
    assert transfer_seconds(scenario, np.array([8.0])) == pytest.approx(sent)
    slow = scenario.model_copy(update={"stack": scenario.stack.model_copy(update={"cache_store": 1e6})})
    read = 8 * a_token * scenario.node.devices / 1e6
    assert transfer_seconds(slow, np.array([8.0])) == pytest.approx(sent + read)
    without, with_store = (pass_times(one, "prefill", np.array([8.0])) for one in (scenario, slow))
    assert with_store.no_overlap - without.no_overlap == pytest.approx(read)
    assert with_store.central == pytest.approx(sent + read)  # nothing else takes as long
    assert (
        pass_times(slow, "decode", np.array([8.0])).no_overlap
        == pass_times(scenario, "decode", np.array([8.0])).no_overlap
    )


def test_prefill_of_ideal_kernels_is_its_flops() -> None:
    """Compute-bound products and attention, and nothing to exchange: two FLOP a parameter, and the scores."""
    model = gpt(layers=8, hidden=4096, heads=32, kv_heads=32, ffn_hidden=16384, vocab=1000)
    alone = {"devices": 1, "micro_batches": 1, "batch": 100_000}
    scenario = serving(model, prefill=alone, decode=alone, traffic={"prompt": 100_000.0, "variation": 0.0})
    (seconds,) = pass_times(scenario, "prefill", np.array([100_000.0])).full_overlap
    flops = 100_000 * (2 * 8 * 12 * 4096**2 + 8 * 4 * 50_000 * 4096)
    assert flops / 100e12 < seconds < 1.15 * flops / 100e12  # the rest is memory-bound


def test_the_largest_batch_within_the_target() -> None:
    free = simulate_serving(serving(decode={"batch": 4096})).phases["decode"]
    target = free.central.latency_s / 2
    held = simulate_serving(serving(decode={"batch": 4096, "time_per_token": target})).phases["decode"]
    assert (free.central.limit, held.central.limit) == ("batch", "latency")
    assert held.central.latency_s <= target
    one_more = np.interp(held.central.batch + 1, held.curve.batch, held.curve.latency_s["central"])
    assert one_more > target
    assert held.central.tokens_per_s == pytest.approx(held.central.batch / held.central.pass_s)


def test_the_first_token_waits_for_half_a_pass_and_its_own() -> None:
    found = simulate_serving(serving(prefill={"time_to_first_token": 0.01})).phases["prefill"]
    assert found.central.latency_s == pytest.approx(1.5 * found.central.pass_s)
    assert found.central.latency_s <= 0.01


def test_memory_limits_a_batch_that_nothing_else_does() -> None:
    scenario = serving(decode={"batch": None}, traffic={"prompt": 1e6})
    found = simulate_serving(scenario).phases["decode"]
    assert found.central.limit == "memory"
    a_token = sum(size for name, size in found.memory.items() if name in ("cache", "workspace")) / found.central.batch
    assert found.usable_bytes - sum(found.memory.values()) < 1.01 * a_token


def test_nothing_limits_a_small_prefill_but_the_largest_pass() -> None:
    assert simulate_serving(serving(prefill={"batch": None})).phases["prefill"].central.limit == "largest pass"


def test_cache_hits_serve_more_prompt_tokens() -> None:
    cold, warm = (
        simulate_serving(serving(traffic={"cache_hits": hits})).phases["prefill"].central for hits in (0.0, 0.5)
    )
    assert warm.tokens_per_s < 2 * cold.tokens_per_s  # the kept half is attended to, and expanded
    assert warm.tokens_per_s > 1.5 * cold.tokens_per_s


def test_drafted_tokens_that_stand_shorten_the_wait() -> None:
    model = moe(mtp_layers=1)
    plain, drafted, useless = (
        simulate_serving(serving(model, decode={"draft_tokens": drafts, "acceptance": share})).phases["decode"].central
        for drafts, share in ((0, 0.0), (1, 0.9), (1, 0.0))
    )
    assert drafted.latency_s < plain.latency_s < useless.latency_s
    assert drafted.pass_s == useless.pass_s
    assert drafted.tokens_per_s == pytest.approx(1.9 * useless.tokens_per_s)


@pytest.mark.parametrize(
    "better",
    [
        {"precision": "fp8"},
        {"dispatch_precision": "fp8"},
        {"cache_precision": "fp8"},
        {"traffic": {"cache_length": 100.0}},
    ],
)
def test_less_to_move_never_serves_less(better: dict[str, Any]) -> None:
    before, after = (simulate_serving(serving(**changes)) for changes in ({}, better))
    for phase in PHASES:
        for name in OVERLAPS:
            now, then = (result.phases[phase].at[name].tokens_per_s for result in (after, before))
            if not (phase == "prefill" and better == {"precision": "fp8"}):  # casts may cost more than products save
                assert now >= then * (1 - 1e-9)


def test_uneven_experts_stretch_a_pass() -> None:
    even, uneven = (simulate_serving(serving(prefill={"imbalance": times})).phases["prefill"] for times in (1.0, 1.25))
    assert uneven.central.pass_s == pytest.approx(1.25 * even.central.pass_s)
    assert uneven.parts["imbalance"] == pytest.approx(0.2 * uneven.central.pass_s)


def test_weights_of_a_unit_are_the_models_and_its_copies() -> None:
    model = load("models", "deepseek-v3")
    scenario = load_serving("deepseek_r1_h800")
    one = scenario.decode.model_copy(update={"devices": 1, "redundant_experts": 0})
    ends = 2 * model.hidden * model.vocab  # embedding and head, in 16 bits
    assert weights(scenario, one, False) == pytest.approx(total_parameters(model) + ends, rel=1e-4)
    assert weights(scenario, one, True) > weights(scenario, one, False) + 11e9  # the prediction module
    spread = scenario.decode
    experts = 58 * 3 * 7168 * 2048
    assert weights(scenario, spread, False) == pytest.approx(
        total_parameters(model) + ends - 256 * experts + 2 * experts, rel=1e-3
    )


def test_windows_bound_what_is_kept() -> None:
    model = gpt(layers=4, window=100, attention_pattern=("full", "sliding"))
    scenario = serving(model)
    kept = cache_bytes_of(scenario, scenario.decode.model_copy(update={"tensor": 1}), 1000.0, False)
    assert kept == 2 * (2 * 1000 + 2 * 100) * 2 * model.hidden


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decode": {"time_per_token": 1e-9}}, "decode.time_per_token: 1 ns can't be met"),
        ({"prefill": {"time_to_first_token": 1e-9}}, "prefill.time_to_first_token: 1 ns can't be met"),
        ({"model": gpt(layers=96)}, "What helps: more tensor ranks (prefill.tensor), or a smaller precision"),
        ({"model": moe(layers=900, hidden=8192, heads=64)}, "What helps: more devices (prefill.devices)"),
    ],
)
def test_what_cannot_serve_says_what_would_help(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InfeasibleError) as caught:
        simulate_serving(serving(**changes))
    assert message in str(caught.value)


def test_a_bound_that_misses_the_target_serves_nothing() -> None:
    fast = simulate_serving(serving()).phases["decode"].curve.latency_s
    between = (fast["no_overlap"][0] + fast["full_overlap"][0]) / 2
    scenario = serving(decode={"time_per_token": float(max(between, fast["central"][0] * 1.0001))})
    found = simulate_serving(scenario).phases["decode"].at
    assert found["no_overlap"].tokens_per_s <= found["central"].tokens_per_s


def test_nodes_for_a_day() -> None:
    day = {"input_per_day": 1e9, "output_per_day": 1e8}
    result = simulate_serving(serving(traffic=day, utilization=0.5))
    nodes = result.nodes()
    assert nodes is not None
    served = {phase: nodes[phase] * 8 * 86_400 * result.phases[phase].central.tokens_per_s * 0.5 for phase in PHASES}
    assert served == pytest.approx({"prefill": 1e9, "decode": 1e8})
    assert simulate_serving(serving()).nodes() is None


def test_lengths_of_prompts_and_answers() -> None:
    traffic = serving(traffic={"prompt": 3909.0, "output": 1080.0}).traffic
    assert traffic.answer_span == 4989  # exponential lengths: P + O
    assert traffic.prompt_span == 3909  # the mean prompt of a token is twice as long, and it meets half of it
    even = serving(traffic={"prompt": 1000.0, "output": 200.0, "variation": 0.0, "cache_hits": 0.5}).traffic
    assert (even.answer_span, even.prompt_span) == (1100, 750)


def test_lengths_against_drawn_ones() -> None:
    random = np.random.default_rng(0)
    prompts, answers, hits = random.exponential(3909, 100_000), random.exponential(1080, 100_000), 0.563
    traffic = serving(traffic={"prompt": 3909.0, "output": 1080.0, "cache_hits": hits}).traffic
    fresh = prompts * (1 - hits)
    spans = prompts * (1 + hits) / 2
    assert traffic.prompt_span == pytest.approx(float((fresh * spans).sum() / fresh.sum()), rel=0.02)
    attended = prompts * answers + answers**2 / 2
    assert traffic.answer_span == pytest.approx(float(attended.sum() / answers.sum()), rel=0.02)
