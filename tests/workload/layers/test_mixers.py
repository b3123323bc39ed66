"""Linear attention, state spaces, chunks and sparse attention: closed forms, and what holds of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from builders import gpt, moe, scenario, shape

from clustersim.inputs.layout import Layout
from clustersim.inputs.mixers import GatedDelta, KimiDelta, Lightning, Mamba2
from clustersim.inputs.model import BlockKind, Model, layer_kinds
from clustersim.inputs.training import Training
from clustersim.simulation.step.step import simulate_step
from clustersim.workload.blocks import block_elements
from clustersim.workload.flops import model_flops_per_token
from clustersim.workload.layers.gated_delta import gated_delta_scan
from clustersim.workload.layers.kimi_delta import kimi_delta_scan
from clustersim.workload.layers.lightning import lightning_scan
from clustersim.workload.layers.mamba2 import state_space_scan
from clustersim.workload.layers.registry import layer_problems, layers_of, matrices_of
from clustersim.workload.layers.serving_batch import Batch
from clustersim.workload.operations import Attention, Collective, Gemm, Operation, Pointwise, Scan
from clustersim.workload.parameters import block_parameters
from clustersim.workload.passes import element_pass, saved_bytes
from clustersim.workload.shape import Shape

SIZES: dict[str, Any] = {
    "layers": 8,
    "hidden": 1024,
    "heads": 16,
    "kv_heads": 4,
    "ffn_hidden": 4096,
    "gated": True,
    "position": "rotary",
    "max_positions": None,
    "norm": "rms",
    "bias": False,
    "dropout": False,
    "tied_embeddings": False,
}
PARTS: dict[str, dict[str, Any]] = {
    "mamba": {"mamba": {"inner": 2048, "rank": 64}},
    "mamba2": {"mamba2": {"heads": 32, "groups": 8}},
    "gated-delta": {"gated_delta": {"key_heads": 8, "value_heads": 16}},
    "kimi-delta": {"kimi_delta": {"heads": 16, "head_dim": 64}},
    "lightning": {"lightning": {"heads": 16, "head_dim": 64}},
    "conv": {"short_conv": {}},
}
LINEAR = sorted(PARTS)
REACHES: dict[str, dict[str, Any]] = {"sliding": {"window": 512}, "chunked": {"chunk": 512}}


def hybrid(kind: str, **changes: Any) -> Model:
    return gpt(**SIZES, **PARTS.get(kind, {}), **REACHES.get(kind, {}), **({"attention_pattern": (kind,)} | changes))


def sparse(top_k: int = 512, **changes: Any) -> Model:
    return moe(indexer={"heads": 8, "head_dim": 64, "top_k": top_k}, attention_pattern=("sparse",), **changes)


def operations(model: Model, here: Shape, phase: Any = "forward", kind: BlockKind | None = None) -> list[Operation]:
    elements = block_elements(model, kind or model.block_kind(0), here)
    return list(element_pass(elements, phase).operations)


def flops_of(operations: list[Operation]) -> float:
    return float(sum(op.flops for op in operations if isinstance(op, Gemm | Attention | Scan)))


def bytes_of(operations: list[Operation]) -> float:
    return float(sum(op.bytes for op in operations if isinstance(op, Pointwise | Scan | Collective)))


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_linear_layers_scale_exactly_with_the_sequence(kind: str, phase: str) -> None:
    model = hybrid(kind)
    short, long = (
        operations(model, shape(sequence=length, span=length, fused_attention=True), phase)
        for length in (4096.0, 65536.0)
    )
    assert flops_of(long) == 16.0 * flops_of(short)
    assert bytes_of(long) == 16.0 * bytes_of(short)
    here = Training(sequence_length=4096, global_batch=8)
    there = Training(sequence_length=65536, global_batch=8)
    assert model_flops_per_token(model, here) == model_flops_per_token(model, there)
    assert model_flops_per_token(model, here) == model_flops_per_token(model, here, "causal")


@pytest.mark.parametrize("kind", [*LINEAR, "sliding", "chunked", "full"])
@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_work_is_conserved_over_tensor_and_context_ranks(kind: str, phase: str) -> None:
    """Two of narrow projections that every rank makes apart."""
    model = hybrid(kind)
    alone = operations(model, shape(fused_attention=True), phase)
    cuts = [{"tensor": 4.0}] + ([] if kind == "mamba" else [{"tensor": 2.0, "context": 4.0}])
    for cut in cuts:
        ranks = 1.0
        for size in cut.values():
            ranks *= size
        part = operations(model, shape(fused_attention=True, **cut), phase)
        whole = sum(op.flops for op in part if isinstance(op, Gemm) and op.name.startswith("kimi delta narrow"))
        repeated = float(whole) * (ranks - ranks / cut["tensor"])
        assert ranks * flops_of(part) - repeated == pytest.approx(flops_of(alone), rel=1e-12)


@pytest.mark.parametrize("kind", LINEAR)
def test_parameters_are_those_of_the_linears_on_one_rank(kind: str) -> None:
    model = hybrid(kind)
    block = model.block_kind(0)
    linears = [linear for element in block_elements(model, block, shape()) for linear in element.linears]
    stated = {matrix.name: matrix.parameters for matrix in matrices_of(model, block)}
    assert {linear.name for linear in linears} == set(stated)
    assert sum(linear.k * linear.n * linear.count for linear in linears) == sum(stated.values())
    vectors = sum(layer.vectors(model) for layer in layers_of(model, block))
    assert block_parameters(model, block).total == sum(stated.values()) + vectors + 2 * model.hidden


@pytest.mark.parametrize("kind", LINEAR)
def test_states_have_no_length(kind: str) -> None:
    model = hybrid(kind)
    mixer = layers_of(model, model.block_kind(0))[0]
    assert mixer.kept_elements(model, 1.0, 1e6) == 0.0
    assert mixer.state_bytes(model, 2.0) == mixer.state_bytes(model, 1.0) / 2.0 > 0.0
    full = layers_of(hybrid("full"), BlockKind("full", "dense"))[0]
    assert full.state_bytes(hybrid("full"), 1.0) == 0.0


def test_a_served_token_reads_and_writes_the_state() -> None:
    model = hybrid("gated-delta")
    mixer = layers_of(model, model.block_kind(0))[0]
    batch = Batch("decode", 8.0, 1000.0, 8000.0, 8.0)
    (step,) = (element for element in mixer.serve(model, shape(), batch) if "step" in getattr(element, "name", ""))
    assert step.state_bytes == 8 * (4 * 16 * 128 * 128 + 2 * 3 * (2 * 8 * 128 + 16 * 128))  # type: ignore[attr-defined]
    prompt = Batch("prefill", 2048.0, 1024.0, 0.0, 1.0)
    assert any(type(element).__name__ == "ScanCore" for element in mixer.serve(model, shape(), prompt))


@pytest.mark.parametrize("kind", ["mamba2", "gated-delta", "kimi-delta", "lightning"])
def test_context_ranks_trade_the_sequence_for_heads_and_back(kind: str) -> None:
    """Each sends its tokens' channels once there and once back, forward and backward: tokens x channels / tensor."""
    model = hybrid(kind)
    here = shape(fused_attention=True, tensor=2.0, context=4.0)
    sent = [op for op in operations(model, here) if isinstance(op, Collective) and op.group == "context"]
    assert [op.kind for op in sent] == ["all-to-all", "all-to-all"]
    into, *_, out = (matrix for matrix in matrices_of(model, model.block_kind(0)) if not matrix.name.startswith("ffn"))
    assert [float(op.bytes) for op in sent] == [2 * 512 * into.outputs / 2, 2 * 512 * out.inputs / 2]


@pytest.mark.parametrize("kind", [*LINEAR, "full"])
def test_recomputation_repeats_the_forward_pass_and_keeps_less(kind: str) -> None:
    model, here = hybrid(kind), shape(fused_attention=True)
    elements = block_elements(model, model.block_kind(0), here)
    forward = flops_of(operations(model, here))
    again = [op for op in element_pass(elements, "backward", "full").operations if op.part == "recompute"]
    assert flops_of(again) == pytest.approx(forward)
    hidden = 2.0 * 2048 * 1024
    assert saved_bytes(elements, "full", hidden) < saved_bytes(elements, "none", hidden)


def test_a_hybrid_whose_layers_all_attend_is_played_as_attention_bit_for_bit() -> None:
    plain = gpt(**SIZES)
    every = {key: value for part in PARTS.values() for key, value in part.items()}
    mixed = gpt(**SIZES, **every, window=64, chunk=64, attention_pattern=("full",), channel_pattern=("dense",))
    named = gpt(
        **SIZES,
        mixers=[{"name": "all", "kind": "full", "heads": 16, "kv_heads": 4, "head_dim": 64}],
        channel_mixers=[{"name": "as-wide", "kind": "dense", "ffn_hidden": 4096}],
        attention_pattern=("all",),
        channel_pattern=("as-wide",),
    )
    expected = simulate_step(scenario(model=plain, tensor=2))
    for model in (mixed, named):
        step = simulate_step(scenario(model=model, tensor=2))
        assert step.step_time_s == expected.step_time_s
        assert step.breakdown == expected.breakdown
        assert step.memory_bytes == expected.memory_bytes
        assert (step.mfu, step.hfu) == (expected.mfu, expected.hfu)


@pytest.mark.parametrize("kind", ["sliding", "chunked"])
@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_a_reach_as_long_as_the_sequence_is_full_attention(kind: str, phase: str) -> None:
    here = shape(fused_attention=True)
    longer = {"window": 2048} if kind == "sliding" else {"chunk": 2048}
    model = gpt(**SIZES, **longer, attention_pattern=(kind,))
    assert operations(model, here, phase) == operations(hybrid("full"), here, phase)
    training = Training(sequence_length=2048, global_batch=8)
    for convention in ("full", "causal"):
        assert model_flops_per_token(model, training, convention) == model_flops_per_token(  # type: ignore[arg-type]
            hybrid("full"),
            training,
            convention,  # type: ignore[arg-type]
        )


def test_chunks_are_squares_along_the_diagonal() -> None:
    """Four chunks of 512 meet a quarter of the pairs; a rest of 256 tokens adds its own square."""
    model, pair = hybrid("chunked"), 2.0 * 16 * (64 + 64)
    layer = layers_of(model, model.block_kind(0))[0]
    assert layer.core_flops(model, 2048.0, causal=False) == 512 * pair
    assert layer.core_flops(model, 2048.0, causal=True) == 256 * pair
    assert layer.core_flops(model, 1280.0, causal=False) == (2 * 512**2 + 256**2) / 1280 * pair
    assert layer.kept_elements(model, 1.0, 1e6) == layer.kept_elements(model, 1.0, 512.0)
    window = hybrid("sliding")
    behind = layers_of(window, window.block_kind(0))[0]
    assert behind.core_flops(window, 2048.0, causal=True) > layer.core_flops(model, 2048.0, causal=True)


def test_executed_flops_by_chunk() -> None:
    """Per token and head: 147,456 of Gated DeltaNet with C 64, K = V = 128; 86,016 of Kimi's with C 16 (cuDNN)."""
    assert gated_delta_scan(GatedDelta(key_heads=16, value_heads=32)).forward_flops == 147_456
    assert kimi_delta_scan(KimiDelta(heads=32)).forward_flops == 86_016
    space = Mamba2(heads=64, groups=8, chunk=128)
    assert 64 * state_space_scan(space).forward_flops == 2 * (8 * 128 * 128 + 64 * 128 * 64 + 2 * 64 * 128 * 64)
    assert lightning_scan(Lightning(heads=64, head_dim=128)).forward_flops == 2 * 128 * (256 + 2 * 128)
    smaller = gated_delta_scan(GatedDelta(key_heads=16, value_heads=32, chunk=32))
    assert (
        smaller.forward_flops
        < 147_456
        < gated_delta_scan(GatedDelta(key_heads=1, value_heads=1, chunk=128)).forward_flops
    )
    assert smaller.backward_bytes > gated_delta_scan(GatedDelta(key_heads=16, value_heads=32)).backward_bytes


def test_an_mfu_counts_the_recurrence_and_not_the_chunks() -> None:
    training = Training(sequence_length=4096, global_batch=8)
    model = hybrid("gated-delta")
    bare = model_flops_per_token(model, training, "6N")
    assert model_flops_per_token(model, training) - bare == 3 * 8 * 16 * 8 * 128 * 128  # layers, heads, 8 K V
    other_chunks = model.model_copy(update={"gated_delta": model.gated_delta.model_copy(update={"chunk": 16})})  # type: ignore[union-attr]
    assert model_flops_per_token(other_chunks, training) == model_flops_per_token(model, training)
    here = shape(fused_attention=True)
    assert flops_of(operations(other_chunks, here)) < flops_of(operations(model, here))


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_sparse_attention_that_picks_every_key_is_latent_attention_with_an_idle_indexer(phase: str) -> None:
    here = shape(fused_attention=True)
    picked = operations(sparse(top_k=2048), here, phase)
    dense = operations(moe(), here, phase)
    assert picked == dense


def test_sparse_attention_scores_all_keys_and_attends_to_the_best() -> None:
    model, here = sparse(), shape(fused_attention=True, sequence=8192.0, span=8192.0)
    found = {op.name: op for op in operations(model, here) if isinstance(op, Attention)}
    assert found["index scores"].flops == 2 * 8 * 64 * 8192 * 4096
    keys = 512 * (1 - 512 / (2 * 8192))  # of a window of 512 tokens, on average
    assert found["sparse attention"].flops == pytest.approx(2 * 16 * 8192 * keys * (256 + 32 + 256))
    both = operations(model, replace(here, tensor=4.0))
    cut = {op.name: op for op in both if isinstance(op, Attention)}
    assert cut["index scores"].flops == found["index scores"].flops, "on every tensor rank"
    assert 4 * cut["sparse attention"].flops == found["sparse attention"].flops
    training = Training(sequence_length=8192, global_batch=8)
    dense = model_flops_per_token(moe(), training)
    assert model_flops_per_token(model, training) < dense


def test_sparse_attention_pays_above_sixteen_thousand_tokens() -> None:
    """DeepSeek-V3.2's core executes fewer FLOP than dense causal latent attention from 16 to 17 K tokens on."""
    v32 = {
        "heads": 128,
        "kv_heads": 128,
        "latent": {
            "kv_lora_rank": 512,
            "q_lora_rank": 1536,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
        },
    }
    picks = moe(**v32, indexer={}, attention_pattern=("sparse",))

    def core(model: Model, length: float) -> float:
        here = shape(fused_attention=True, sequence=length, span=length)
        names = ("attention", "sparse attention", "index scores")
        return sum(float(op.flops) for op in operations(model, here) if isinstance(op, Attention) and op.name in names)

    for length, cheaper in ((8192.0, False), (14000.0, False), (20000.0, True), (131072.0, True)):
        assert (core(picks, length) < core(moe(**v32), length)) is cheaper, length


V4: dict[str, Any] = SIZES | {
    "kv_heads": 1,
    "head_dim": 64,
    "window": 128,
    "indexer": {"heads": 8, "head_dim": 32, "top_k": 64},
    "compressed": {"q_lora_rank": 256, "output_groups": 4, "output_lora_rank": 128, "rope_dim": 16},
}


def compressed(ratio: int | None, **changes: Any) -> Model:
    """All layers with a window of 128 tokens, and keys that stand for `ratio` tokens beyond it."""
    beyond = {} if ratio is None else {"compress_ratio": ratio, "indexed": ratio == 4}
    return gpt(**V4 | beyond | {"attention_pattern": ("compressed",)} | changes)


def test_compressed_keys_stand_for_tokens() -> None:
    """Of 8,192 tokens a query sees its window, all 64 pooled keys or the 64 best of 2,048, half of them on average."""
    layer = layers_of(compressed(4), BlockKind("compressed", "dense"))[0]
    pair, score = 2.0 * 16 * 2 * 64, 2.0 * 8 * 32
    for ratio, beyond, scores in ((None, 0.0, 0.0), (128, 64.0, 0.0), (4, 64.0, 2048.0)):
        flops = layer.core_flops(compressed(ratio), 8192.0, causal=False)
        assert flops == (128 + beyond) * pair + scores * score
    met = layer.core_flops(compressed(128), 8192.0, causal=True) / pair
    assert met == 128 * (1 - 128 / (2 * 8192)) + 8192 / 2 / 128
    assert layer.kept_elements(compressed(None), 1.0, 1e6) == 128 * 64
    assert layer.kept_elements(compressed(128), 1.0, 1e6) == 128 * 64 + 1e6 / 128 * 64
    assert layer.kept_elements(compressed(4), 1.0, 1e6) == 128 * 64 + 1e6 / 4 * (64 + 16)


@pytest.mark.parametrize("ratio", [None, 4, 128])
@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_compressed_attention_is_cut_by_heads_but_for_what_all_ranks_make(ratio: int | None, phase: str) -> None:
    model, here = compressed(ratio), shape(fused_attention=True, sequence=8192.0, span=8192.0)
    whole = ("query down", "key-value", "compression", "index")

    def flops(tensor: float) -> tuple[float, float]:
        found = operations(model, replace(here, tensor=tensor), phase)
        alike = [op for op in found if op.name.startswith(whole)]
        return flops_of(alike), flops_of(found) - flops_of(alike)

    (all_1, cut_1), (all_4, cut_4) = flops(1.0), flops(4.0)
    assert all_1 == all_4
    assert cut_1 == pytest.approx(4 * cut_4, rel=1e-12)
    linears = [linear for element in block_elements(model, model.block_kind(0), here) for linear in element.linears]
    assert sum(float(linear.k * linear.n * linear.count) for linear in linears) == sum(
        matrix.parameters for matrix in matrices_of(model, model.block_kind(0))
    )


def test_compressed_attention_needs_its_parts() -> None:
    with pytest.raises(ValueError, match="needs `compressed`"):
        gpt(**SIZES, attention_pattern=("compressed",))
    with pytest.raises(ValueError, match="needs `window` and `indexer`"):
        compressed(None, indexer=None)
    assert [problem.key for problem in layer_problems(Layout(tensor=8), compressed(4))] == ["layout.tensor"]


def test_residual_streams_are_mixed_kept_and_sent() -> None:
    """Four streams: one input of four, four outputs of four and one: 14 vectors where one stream has 3."""
    one, four = (gpt(**SIZES, residual_streams=streams) for streams in (1, 4))
    here = shape(fused_attention=True)
    traffic = [
        next(float(op.bytes) for op in operations(model, here) if op.name == "attention residual")  # type: ignore[union-attr]
        for model in (one, four)
    ]
    assert traffic[1] / traffic[0] == 14 / 3
    vector = 2.0 * 2048 * 1024
    kept = [saved_bytes(block_elements(model, model.block_kind(0), here), "none", vector) for model in (one, four)]
    assert kept[1] - kept[0] == 2 * 4 * vector
    assert (
        simulate_step(scenario(model=four, pipeline=2)).step_time_s
        > simulate_step(scenario(model=one, pipeline=2)).step_time_s
    )


def test_a_layer_that_takes_anothers_choice_has_no_indexer() -> None:
    shared = {"name": "taken", "kind": "sparse", "indexed": False}
    model = sparse(mixers=[shared]).model_copy(update={"attention_pattern": ("sparse", "taken")})
    own, taken = (BlockKind(name, "dense") for name in ("sparse", "taken"))
    names = {matrix.name for matrix in matrices_of(model, own)} - {matrix.name for matrix in matrices_of(model, taken)}
    assert names == {"index query", "index key", "index weights"}
    here = shape(fused_attention=True, sequence=8192.0, span=8192.0)
    assert not any(op.name.startswith("index") for op in operations(model, here, kind=taken))


def test_heads_of_another_number_by_name() -> None:
    narrow = {"name": "narrow", "kind": "full", "kv_heads": 1}
    borrowed = {"name": "borrowed", "kind": "full", "kv_heads": 0}
    model = gpt(**SIZES, mixers=[narrow, borrowed], attention_pattern=("full", "narrow", "borrowed", "none"))
    qkv = [
        next((matrix.outputs for matrix in matrices_of(model, kind) if matrix.name == "qkv"), 0)
        for kind in layer_kinds(model)[:4]
    ]
    assert qkv == [(16 + 2 * 4) * 64, (16 + 2) * 64, 16 * 64, 0]
    mixers = [layers_of(model, kind)[0] for kind in layer_kinds(model)[:3]]
    assert [mixer.kept_elements(model, 1.0, 100.0) for mixer in mixers] == [100 * 8 * 64, 100 * 2 * 64, 0.0]
    assert block_parameters(model, BlockKind("none", "none")).total == 0.0, "no block, no norm"


def test_values_of_another_size_and_a_gate_on_the_output() -> None:
    model = gpt(**SIZES, head_dim=96, v_head_dim=64)
    qkv, output = (matrix for matrix in matrices_of(model, BlockKind("full", "none")))
    assert (qkv.outputs, output.inputs) == (16 * 96 + 4 * (96 + 64), 16 * 64)
    gated = gpt(**SIZES, output_gate=True)
    assert matrices_of(gated, BlockKind("full", "none"))[0].outputs == (2 * 16 + 2 * 4) * 64
    (gate,) = (op for op in operations(gated, shape(fused_attention=True)) if op.name == "attention gate")
    assert isinstance(gate, Pointwise)
    assert gate.bytes == 3 * 2 * 2048 * 1024


def test_experts_of_a_narrower_width() -> None:
    """Two projections more, and messages, permutations and products of the narrower width."""
    wide, narrow = moe(), moe(moe={"experts": 16, "top_k": 2, "ffn_hidden": 512, "shared": 1, "latent": 256})
    kind = BlockKind("full", "experts")
    stated = {matrix.name: matrix for matrix in matrices_of(narrow, kind)}
    assert (stated["expert up"].inputs, stated["expert narrow"].outputs, stated["expert wide"].inputs) == (
        256,
        256,
        256,
    )
    here = shape(fused_attention=True, expert=4.0)
    sent = [
        next(float(op.bytes) for op in operations(model, here, kind=kind) if getattr(op, "group", "") == "expert")
        for model in (wide, narrow)
    ]
    assert sent[0] == 4 * sent[1]


@pytest.mark.parametrize(
    ("kind", "layout", "key"),
    [
        ("gated-delta", {"tensor": 32}, "layout.tensor"),
        ("mamba2", {"tensor": 3}, "layout.tensor"),
        ("kimi-delta", {"tensor": 4, "context": 8}, "layout.context"),
        ("mamba", {"context": 2}, "layout.context"),
        ("mamba", {"tensor": 3}, "layout.tensor"),
    ],
)
def test_layers_say_what_they_do_not_run_in(kind: str, layout: dict[str, int], key: str) -> None:
    found = layer_problems(Layout(**layout), hybrid(kind))  # type: ignore[arg-type]
    assert key in {problem.key for problem in found}
    assert not layer_problems(Layout(tensor=2), hybrid(kind))


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_groups_are_made_by_several_ranks_where_they_are_fewer(groups: int) -> None:
    model = gpt(**SIZES, mamba2={"heads": 32, "groups": groups}, attention_pattern=("mamba2",))
    assert not layer_problems(Layout(tensor=4), model)


@pytest.mark.parametrize("kind", LINEAR)
def test_hybrids_are_played_with_their_kinds_named(kind: str) -> None:
    model = hybrid(kind, attention_pattern=(kind, kind, kind, "full"))
    step = simulate_step(scenario(model=model, tensor=2))
    attending = simulate_step(scenario(model=hybrid("full"), tensor=2))
    assert 0.0 < step.step_time_s != attending.step_time_s
    assert sum(step.breakdown.values()) == pytest.approx(step.step_time_s)


REFUSED: dict[str, tuple[Callable[[], Model], str]] = {
    "an unknown name": (lambda: gpt(**SIZES, attention_pattern=("linear",)), "neither a kind"),
    "no sizes": (lambda: gpt(**SIZES, attention_pattern=("mamba2",)), "needs `mamba2`"),
    "no window": (lambda: gpt(**SIZES, attention_pattern=("sliding",)), "needs `window`"),
    "no latent": (lambda: gpt(**SIZES, indexer={}, attention_pattern=("sparse",)), "needs `latent`"),
    "no experts": (lambda: gpt(**SIZES, channel_pattern=("experts",)), "needs `moe`"),
    "an unknown channel": (lambda: gpt(**SIZES, channel_pattern=("wide",)), "neither a kind"),
    "a kind's name": (lambda: gpt(**SIZES, mixers=[{"name": "full"}]), "none of a kind"),
    "a name twice": (lambda: gpt(**SIZES, mixers=[{"name": "a"}, {"name": "a"}]), "a name of its own"),
    "heads": (lambda: gpt(**SIZES, mixers=[{"name": "a", "kv_heads": 3}]), "do not divide"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_patterns_that_cannot_be_are_refused(what: str) -> None:
    make, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        make()
