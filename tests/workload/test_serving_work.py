"""What serving computes and keeps, against counts by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations, product

import pytest
from builders import gpt, moe, shape

from clustersim.costs.serving import nodes_met
from clustersim.inputs.catalog import load
from clustersim.inputs.model import BlockKind, Model
from clustersim.workload.layers.registry import matrices_of, mixer_of
from clustersim.workload.layers.serving_batch import Batch, ServingPhase
from clustersim.workload.operations import Attention, Collective, Gemm, Pass
from clustersim.workload.serving import (
    draft_elements,
    forward_pass,
    head_elements,
    layer_elements,
    staggered,
)

SINGLE = frozenset({"tensor", "expert_tensor"})
DENSE, EXPERTS = BlockKind("full", "dense"), BlockKind("full", "experts")


def work(model: Model, kind: BlockKind, phase: ServingPhase, tokens: float, span: float, cached: float) -> Pass:
    sizes = shape(micro_batch=tokens, sequence=1.0, span=1.0, expert=4.0)
    return forward_pass(layer_elements(model, kind, sizes, Batch(phase, tokens, span, cached, tokens)), SINGLE)


def gemm_flops(work: Pass) -> float:
    return sum(float(operation.flops) for operation in work.operations if isinstance(operation, Gemm))


def attention(work: Pass) -> Attention:
    (found,) = (operation for operation in work.operations if isinstance(operation, Attention))
    return found


def kept(model: Model, ranks: float) -> float:
    """Elements of keys and values that a token keeps in one layer of one tensor rank."""
    return mixer_of(model, model.block_kind(0)).kept_elements(model, ranks, 1.0)


def matrices(model: Model, kind: BlockKind) -> float:
    return sum(matrix.met_parameters for matrix in matrices_of(model, kind))


def test_a_token_of_deepseek_keeps_70_kilobytes() -> None:
    model = load("models", "deepseek-v3")
    assert kept(model, 1.0) == kept(model, 8.0) == 576  # DeepSeek-V2, table 1: 4.5 heads of 128
    assert 2 * 61 * kept(model, 1.0) == 70_272  # 70 KB a token: arXiv 2505.09343, table 1


def test_grouped_heads_are_kept_once_and_cut_by_tensor_ranks() -> None:
    model = load("models", "llama-3.1-70b")
    assert [kept(model, ranks) for ranks in (1.0, 4.0, 8.0, 16.0)] == [2048, 512, 256, 256]


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_dense_products_are_two_flops_a_parameter(phase: ServingPhase) -> None:
    model = gpt()
    expected = 2 * 64 * matrices(model, DENSE)
    assert gemm_flops(work(model, DENSE, phase, 64.0, 100.0, 6400.0)) == pytest.approx(expected)


def test_prefill_expands_latents_of_cached_tokens_too() -> None:
    model = moe()
    latent = model.latent
    assert latent is not None
    up = latent.kv_lora_rank * model.heads * (latent.qk_nope_head_dim + latent.v_head_dim)
    fresh, hits = (gemm_flops(work(model, DENSE, "prefill", 64.0, 100.0, cached)) for cached in (0.0, 36.0))
    assert fresh == pytest.approx(2 * 64 * matrices(model, DENSE))
    assert hits - fresh == pytest.approx(2 * 36 * up)


def test_decode_absorbs_the_up_projection_instead() -> None:
    model = moe()
    latent = model.latent
    assert latent is not None
    decode, prefill = (work(model, DENSE, phase, 8.0, 100.0, 800.0) for phase in ("decode", "prefill"))
    assert gemm_flops(decode) < gemm_flops(prefill)  # 8 rows of products in place of 808
    assert attention(decode).flops == 2 * 16 * 8 * 100 * (2 * latent.kv_lora_rank + latent.qk_rope_head_dim)
    assert attention(decode).bytes == 2 * 800 * (latent.kv_lora_rank + latent.qk_rope_head_dim)
    assert attention(prefill).flops == 2 * 16 * 8 * 100 * (model.qk_head_size + model.v_head_size)


def test_experts_travel_in_the_dispatch_precision() -> None:
    model = moe()
    sizes = shape(micro_batch=32.0, sequence=1.0, span=1.0, expert=4.0, dispatch_bytes=1.03125)
    layer = layer_elements(model, EXPERTS, sizes, Batch("decode", 32.0, 10.0, 320.0, 32.0))
    sent = {
        operation.name: operation.bytes
        for operation in forward_pass(layer, SINGLE).operations
        if isinstance(operation, Collective)
    }
    assert sent == {"expert dispatch": 1.03125 * 1024 * 64, "expert combine": 2 * 1024 * 64}


def test_head_and_drafts() -> None:
    model = moe(mtp_layers=1)
    batch = Batch("prefill", 64.0, 10.0, 0.0, heads=2.0)
    assert gemm_flops(forward_pass(head_elements(model, shape(), batch), SINGLE)) == 2 * 2 * 1024 * 32000
    sizes = shape(micro_batch=64.0, sequence=1.0)
    assert gemm_flops(forward_pass(draft_elements(model, sizes), SINGLE)) == 2 * 64 * 2 * 1024**2


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_staggered_halves_keep_every_operation_and_its_order(layers: int) -> None:
    sizes = shape(micro_batch=32.0, sequence=1.0, span=1.0, expert=4.0, overlap=frozenset({"shared_expert"}))
    elements = layer_elements(moe(), EXPERTS, sizes, Batch("decode", 32.0, 10.0, 320.0, 32.0))
    one = forward_pass(elements, SINGLE, layers)
    both = staggered(one, one)
    assert Counter(operation.name for operation in both.operations) == Counter(
        {name: 2 * times for name, times in Counter(operation.name for operation in one.operations).items()}
    )
    assert all(waited < task for task, waits in enumerate(both.after) for waited in waits)


@pytest.mark.parametrize(("groups", "used", "domains"), [(8, 4, 4), (8, 4, 2), (8, 4, 8), (4, 2, 2)])
def test_domains_met_against_every_choice_of_groups(groups: int, used: int, domains: int) -> None:
    model = load("models", "deepseek-v3")
    assert model.moe is not None
    experts = model.moe.model_copy(update={"groups": groups, "groups_a_token": used, "top_k": 5})
    met = [
        len({group * domains // groups for group in drawn})
        for chosen in combinations(range(groups), used)
        for drawn in product(chosen, repeat=5)
    ]
    assert nodes_met(experts, float(domains)) == pytest.approx(sum(met) / len(met))


def test_domains_met_without_limits() -> None:
    model = load("models", "mixtral-8x7b")
    assert model.moe is not None
    assert nodes_met(model.moe, 1.0) == 1.0
    assert nodes_met(model.moe, 2.0) == 1.5  # two experts in the same domain, or not
    limited = model.moe.model_copy(update={"groups": 8, "groups_a_token": 4})
    assert nodes_met(limited, 6.0) == pytest.approx(4 * (1 - 0.75**2))  # 8 groups don't split over 6


def test_a_cache_of_8_bits_is_half_as_large() -> None:
    batch = Batch("decode", 8.0, 100.0, 800.0, 8.0)
    layer = layer_elements(gpt(kv_heads=8), DENSE, shape(), replace(batch, cache_bytes=1.0))
    kept = attention(forward_pass(layer, SINGLE)).bytes
    assert kept == 800 * 8 * 2 * 128
