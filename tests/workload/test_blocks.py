"""Blocks against the literature: activation bytes, FLOPs, conservation over layouts."""

from __future__ import annotations

import numpy as np
import pytest
from builders import gpt, moe, shape

from clustersim.inputs.model import BlockKind
from clustersim.workload.arrays import Array
from clustersim.workload.blocks import block_elements, embedding_elements, head_elements
from clustersim.workload.flops import matmul_parameters
from clustersim.workload.operations import Attention, Collective, Gemm, Pass, Pointwise
from clustersim.workload.passes import (
    Phase,
    beside,
    element_pass,
    placeholder_bytes,
    runs_of,
    saved_bytes,
    weight_input_bytes,
    working_bytes,
)

DENSE = BlockKind("full", "dense")
EXPERTS = BlockKind("full", "experts")
PHASES = ("forward", "backward")


def flops(work: Pass, parts: tuple[str, ...] = ("gemm", "attention", "recompute")) -> float:
    return sum(
        float(operation.flops)
        for operation in work.operations
        if isinstance(operation, Gemm | Attention) and operation.part in parts
    )


def messages(work: Pass, kind: str) -> list[float]:
    return [float(op.bytes) for op in work.operations if isinstance(op, Collective) and op.kind == kind]


@pytest.mark.parametrize("micro_batch", [1, 4])
@pytest.mark.parametrize("tensor", [1, 2, 8])
def test_activation_bytes_are_korthikantis_equations(micro_batch: int, tensor: int) -> None:
    """Korthikanti et al. 2022, table 2: bytes of a layer."""
    model = gpt()
    s, b, h, a, t = 2048.0, float(micro_batch), 12288.0, 96.0, float(tensor)
    block_input = 2.0 * s * b * h

    def kept(sequence_parallel: bool, recompute: str) -> float:
        here = shape(micro_batch=b, tensor=t, sequence_parallel=sequence_parallel)
        return float(saved_bytes(block_elements(model, DENSE, here), recompute, block_input))  # type: ignore[arg-type]

    assert kept(False, "none") == pytest.approx(s * b * h * (10 + 24 / t + 5 * a * s / (h * t)))
    assert kept(True, "none") == pytest.approx(s * b * h / t * (34 + 5 * a * s / h))
    assert kept(True, "selective") == pytest.approx(34 * s * b * h / t)
    assert kept(False, "selective") == pytest.approx(s * b * h * (10 + 24 / t))
    assert kept(True, "full") == block_input


@pytest.mark.parametrize("sequence_parallel", [False, True])
def test_tensor_parallel_messages_of_a_layer(sequence_parallel: bool) -> None:
    """Two all-reduces a pass (Shoeybi et al. 2019), or pairs of gather and scatter (Korthikanti et al. 2022)."""
    here = shape(tensor=8.0, sequence_parallel=sequence_parallel)
    elements = block_elements(gpt(), DENSE, here)
    vector = 2.0 * 2048 * 12288
    forward, backward = (
        [message for message in element_messages(element_pass(elements, phase)) if message[1] == "tensor"]
        for phase in ("forward", "backward")
    )
    if sequence_parallel:
        assert [kind for kind, _, _ in forward] == ["all-gather", "reduce-scatter"] * 2
        assert sorted(kind for kind, _, _ in backward) == ["all-gather"] * 4 + ["reduce-scatter"] * 2
    else:
        assert [kind for kind, _, _ in forward] == ["all-reduce"] * 2
        assert [kind for kind, _, _ in backward] == ["all-reduce"] * 2
    assert {size for _, _, size in forward + backward} == {vector}


def element_messages(work: Pass) -> list[tuple[str, str, float]]:
    return [(op.kind, op.group, float(op.bytes)) for op in work.operations if isinstance(op, Collective)]


def test_flops_do_not_depend_on_how_the_layer_is_cut() -> None:
    """Tensor ranks together execute what one device would, forward and backward."""
    for phase, factor in (("forward", 1.0), ("backward", 2.0)):
        whole = flops(element_pass(block_elements(gpt(), DENSE, shape()), phase))  # type: ignore[arg-type]
        for tensor in (2.0, 8.0):
            cut = element_pass(block_elements(gpt(), DENSE, shape(tensor=tensor)), phase)  # type: ignore[arg-type]
            assert tensor * flops(cut) == pytest.approx(whole)
        h, s = 12288.0, 2048.0
        assert whole == pytest.approx(factor * (24 * s * h * h + 4 * s * s * h))


def test_backward_apart_is_backward_together() -> None:
    elements = block_elements(moe(), EXPERTS, shape(fused_attention=True))
    both = flops(element_pass(elements, "backward"))
    apart = flops(element_pass(elements, "input_gradient")) + flops(element_pass(elements, "weight_gradient"))
    assert apart == pytest.approx(both)


@pytest.mark.parametrize(("recompute", "share"), [("none", 0.0), ("full", 1.0)])
def test_recomputation_repeats_the_forward_pass(recompute: str, share: float) -> None:
    elements = block_elements(gpt(), DENSE, shape())
    forward = flops(element_pass(elements, "forward"))
    backward = element_pass(elements, "backward", recompute)  # type: ignore[arg-type]
    assert flops(backward, ("recompute",)) == pytest.approx(share * forward)


def test_selective_recomputation_repeats_the_attention_core() -> None:
    elements = block_elements(gpt(), DENSE, shape())
    repeated = flops(element_pass(elements, "backward", "selective"), ("recompute",))
    assert repeated == pytest.approx(4 * 2048**2 * 12288)


@pytest.mark.parametrize("phase", ["backward", "input_gradient"])
def test_a_fused_core_runs_again_where_it_is_selected(phase: Phase) -> None:
    """Megatron checkpoints the core whatever its kernel: queries, keys and values are kept, statistics are not."""
    for selected, share in ((frozenset({"core_attention"}), 1.0), (frozenset({"latent_up"}), 0.0)):
        elements = block_elements(gpt(), DENSE, shape(fused_attention=True, selected=selected))
        work = element_pass(elements, phase, "selective")
        assert flops(work, ("recompute",)) == pytest.approx(share * 2 * 2048**2 * 12288)
        assert saved_bytes(elements, "none", 0.0) - saved_bytes(elements, "selective", 0.0) == share * 4.0 * 96 * 2048
        assert flops(element_pass(elements, "weight_gradient", "selective"), ("recompute",)) == 0.0


@pytest.mark.parametrize(
    ("kind", "again"),
    [("ring", ["pass-on"]), ("all-gather", ["all-gather"]), ("ulysses", ["all-to-all", "all-to-all"])],
)
def test_context_ranks_exchange_once_more_for_a_core_that_runs_again(kind: str, again: list[str]) -> None:
    def work(phase: Phase, selected: str) -> Pass:
        here = shape(context=4.0, context_kind=kind, fused_attention=True, selected=frozenset({selected}))
        return element_pass(block_elements(gpt(), DENSE, here), phase, "selective")

    more = work("backward", "core_attention")
    first, plain, forward = (
        [one for one in each.operations if isinstance(one, Collective) and one.group == "context"]
        for each in (more, work("backward", "latent_up"), work("forward", "latent_up"))
    )
    assert [one.kind for one in forward] == again
    assert first == forward + plain
    core = next(at for at, one in enumerate(more.operations) if isinstance(one, Attention))
    if kind in ("all-gather", "ulysses"):  # what the kernel reads arrives before it runs again
        assert any(more.streams[waited] == "context" for waited in more.after[core])


def test_latent_attention_runs_its_up_projections_again_in_place_of_its_fused_core() -> None:
    """DeepSeek-V3, section 3.2.3: what attention keeps is made again from the latents."""
    both = frozenset({"core_attention", "latent_up"})

    def repeated(selected: frozenset[str], fused: bool = True) -> float:
        elements = block_elements(moe(), DENSE, shape(fused_attention=fused, selected=selected))
        return flops(element_pass(elements, "backward", "selective"), ("recompute",)) / 2048

    up, core = 2 * 16 * (512 * 96 + 256 * 128), 2048 * 16 * (96 + 64)
    assert repeated(both) == repeated(frozenset({"latent_up"})) == pytest.approx(up)
    assert repeated(frozenset({"core_attention"})) == pytest.approx(core)
    assert repeated(both, fused=False) == pytest.approx(up + 2 * core)  # the whole square
    elements = block_elements(moe(), DENSE, shape(fused_attention=True, selected=both))
    dropped = saved_bytes(elements, "none", 0.0) - saved_bytes(elements, "selective", 0.0)
    assert dropped == 2.0 * 2048 * 16 * (96 + 96 + 64)


def test_experts_make_their_activation_again_where_it_is_selected() -> None:
    def again(*selected: str) -> list[str]:
        here = shape(expert=4.0, fused_attention=True, selected=frozenset(selected))
        work = element_pass(block_elements(moe(), EXPERTS, here), "backward", "selective")
        return [op.name for op in work.operations if not isinstance(op, Collective) and op.part == "recompute"]

    assert again("expert_activation") == ["expert activation"]
    assert again("core_attention") == ["attention"]


def test_recomputation_by_operations_repeats_every_second_product() -> None:
    """Query, key, value, output, gate, up, down: keys, output and up run again, attention does not."""
    model = gpt(heads=32, kv_heads=8, hidden=4096, ffn_hidden=14336, gated=True)
    here = shape(fused_attention=True)
    elements = block_elements(model, DENSE, here)
    backward = element_pass(elements, "backward", "operations")
    again = 4096 * (1024 + 4096 + 14336)
    assert flops(backward, ("recompute",)) == pytest.approx(2 * 2048 * again)
    assert not any(isinstance(op, Attention) for op in backward.operations if op.part == "recompute")
    assert flops(backward, ("gemm",)) == pytest.approx(flops(element_pass(elements, "backward"), ("gemm",)))
    block_input = 2.0 * 2048 * 4096
    kept = float(saved_bytes(elements, "operations", block_input))
    statistics = 4.0 * 32 * 2048
    results = 4096 + 1024 + 4096 + 14336 + 4096  # queries, values, attention, gate, down
    assert kept == pytest.approx(block_input + 2.0 * 2048 * results + statistics)
    assert block_input < kept < float(saved_bytes(elements, "none", block_input))


def test_recomputation_by_operations_selects_among_what_covers_an_exchange() -> None:
    def again(*overlap: str) -> float:
        here = shape(expert=4.0, fused_attention=True, overlap=frozenset(overlap))
        return flops(element_pass(block_elements(moe(), EXPERTS, here), "backward", "operations"), ("recompute",))

    assert again("shared_expert") == pytest.approx(again())


def test_recomputation_by_operations_keeps_sums_over_the_tensor_group() -> None:
    elements = block_elements(gpt(), DENSE, shape(tensor=8.0, sequence_parallel=True, fused_attention=True))
    more, plain = (element_pass(elements, "backward", mode) for mode in ("operations", "none"))  # type: ignore[arg-type]
    assert len(messages(more, "all-gather")) > len(messages(plain, "all-gather"))
    assert messages(more, "reduce-scatter") == messages(plain, "reduce-scatter")


def test_fused_attention_skips_masked_blocks() -> None:
    fused = element_pass(block_elements(gpt(), DENSE, shape(fused_attention=True)), "forward")
    unfused = element_pass(block_elements(gpt(), DENSE, shape()), "forward")
    assert flops(fused, ("attention",)) == pytest.approx(flops(unfused, ("attention",)) / 2)


@pytest.mark.parametrize("phase", PHASES)
def test_a_window_bounds_what_a_fused_kernel_executes(phase: str) -> None:
    """Each of 2,048 queries meets min(position, 256) keys; kernels of their own compute the square and mask it."""
    model = gpt(window=256, attention_pattern=("sliding", "full"))
    kinds = [model.block_kind(layer) for layer in range(3)]
    assert [kind.mixer for kind in kinds] == ["sliding", "full", "sliding"]

    def executed(fused: bool) -> list[float]:
        here = shape(fused_attention=fused)
        passes = [element_pass(block_elements(model, kind, here), phase) for kind in kinds[:2]]  # type: ignore[arg-type]
        return [flops(work, ("attention",)) for work in passes]

    near, far = executed(fused=True)
    assert near / far == pytest.approx(256 * (1 - 256 / 4096) / 1024)
    near, far = executed(fused=False)
    assert near == far


@pytest.mark.parametrize(("expert", "expert_tensor"), [(1.0, 1.0), (4.0, 1.0), (4.0, 2.0), (16.0, 1.0)])
def test_expert_flops_are_conserved_over_groupings(expert: float, expert_tensor: float) -> None:
    """Every rank brings tokens, so each of the grouping's ranks executes one rank's worth of expert FLOPs."""
    here = shape(expert=expert, expert_tensor=expert_tensor, fused_attention=True)
    work = element_pass(block_elements(moe(), EXPERTS, here), "forward")
    experts = [op for op in work.operations if isinstance(op, Gemm) and op.name.startswith("expert")]
    assert sum(float(op.flops) for op in experts) == pytest.approx(2 * 2048 * 2 * 3 * 1024 * 512)
    assert messages(work, "dispatch") == messages(work, "combine") == [2.0 * 2048 * 2 * 1024]


def test_experts_of_a_dense_model_are_refused() -> None:
    with pytest.raises(ValueError, match="no experts"):
        block_elements(gpt(), EXPERTS, shape())


def test_model_flops_are_what_devices_execute() -> None:
    """6 x matmul parameters a token is what the passes of all layers and the head execute, attention left out."""
    model = moe(mtp_layers=0)
    here = shape(fused_attention=True)
    layers = [block_elements(model, model.block_kind(layer), here) for layer in range(model.layers)]
    total = 0.0
    for elements in [*layers, head_elements(model, here)]:
        for phase in ("forward", "backward"):
            total += flops(element_pass(elements, phase), ("gemm",))  # type: ignore[arg-type]
    router = 3 * model.hidden * 16  # the router is priced as memory-bound work
    assert total / 2048 == pytest.approx(6 * (matmul_parameters(model) - router))


def test_ulysses_trades_sequence_for_heads_and_others_bring_keys() -> None:
    model = gpt()
    ulysses = shape(context=2.0, context_kind="ulysses")
    assert len(messages(element_pass(block_elements(model, DENSE, ulysses), "forward"), "all-to-all")) == 2
    whole = 2.0 * 2048 * 2 * 12288
    for kind, message in (("ring", "pass-on"), ("rotation", "all-gather"), ("all-gather", "all-gather")):
        gathered = shape(context=2.0, context_kind=kind, fused_attention=True)
        work = element_pass(block_elements(model, DENSE, gathered), "forward")
        assert messages(work, message) == [whole]


@pytest.mark.parametrize(("kind", "beside"), [("ring", 3 / 4), ("rotation", 1 / 4)])
@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_messages_travel_beside_the_steps_that_do_not_need_them(kind: str, beside: float, phase: Phase) -> None:
    """In a ring all steps but the last have the next keys on their way; of gathered ones the first needs none."""
    here = shape(context=4.0, context_kind=kind, fused_attention=True)
    work = element_pass(block_elements(gpt(), DENSE, here), phase)
    alone = element_pass(block_elements(gpt(), DENSE, shape(fused_attention=True)), phase)
    sent = next(at for at, op in enumerate(work.operations) if op.name == "key-values")
    first, rest = [at for at, op in enumerate(work.operations) if isinstance(op, Attention)]
    whole = next(op.flops for op in alone.operations if isinstance(op, Attention)) / 4
    assert sent not in work.after[first]
    assert sent in work.after[rest]
    assert work.operations[first].flops == pytest.approx(beside * whole)  # type: ignore[union-attr]
    assert work.operations[rest].flops == pytest.approx((1 - beside) * whole)  # type: ignore[union-attr]
    assert [work.operations[at].kernels for at in (first, rest)] == [4 * beside, 4 - 4 * beside]  # type: ignore[union-attr]
    twice = 2.0 if (kind, phase) == ("ring", "backward") else 1.0
    assert work.operations[sent].bytes == twice * 2.0 * 2048 * 2 * 12288  # type: ignore[union-attr]
    gradients = [op.name for op in work.operations if op.name == "key-value gradients"]
    assert gradients == (["key-value gradients"] if (kind, phase) == ("rotation", "backward") else [])


@pytest.mark.parametrize("kind", ["ring", "rotation"])
def test_steps_are_merged_by_kernels_and_one_rank_has_none(kind: str) -> None:
    """Three kernels a step after the first, or nine in fp32; layouts side by side have each what it has alone."""

    def merge(context: Array) -> Pointwise:
        here = shape(context=context, context_kind=kind, fused_attention=True)
        work = element_pass(block_elements(gpt(), DENSE, here), "forward")
        found = [op for op in work.operations if op.name == "merge of steps"]
        return found[0] if found else Pointwise("none", 0.0, 0.0)  # type: ignore[return-value]

    sizes = np.array([1.0, 2.0, 8.0])
    together = merge(sizes)
    assert list(together.bytes) == pytest.approx([merge(float(size)).bytes for size in sizes])  # type: ignore[arg-type]
    each = {"ring": 3.0, "rotation": 9.0}[kind]
    assert list(together.kernels) == [0.0, each, 7 * each]  # type: ignore[arg-type]


def test_embedding_reduces_over_the_tensor_group() -> None:
    plain = element_messages(element_pass(embedding_elements(gpt(), shape(tensor=2.0)), "forward"))
    assert [(kind, group) for kind, group, _ in plain] == [("all-reduce", "tensor")]
    scattered = embedding_elements(gpt(), shape(tensor=2.0, sequence_parallel=True))
    assert [kind for kind, _, _ in element_messages(element_pass(scattered, "forward"))] == ["reduce-scatter"]
    assert [kind for kind, _, _ in element_messages(element_pass(scattered, "backward"))] == ["all-gather"]
    assert element_messages(element_pass(embedding_elements(gpt(), shape(tensor=2.0)), "backward")) == []


def test_formulas_take_arrays_and_floats_alike() -> None:
    """One call for many layouts gives what one call for each gives."""
    tensors = np.array([1.0, 2.0, 4.0, 8.0])
    together = element_pass(block_elements(gpt(), DENSE, shape(tensor=tensors)), "backward", "full")
    for index, tensor in enumerate(tensors):
        alone = element_pass(block_elements(gpt(), DENSE, shape(tensor=float(tensor))), "backward", "full")
        for many, one in zip(together.operations, alone.operations, strict=True):
            if isinstance(many, Gemm) and isinstance(one, Gemm):
                assert np.broadcast_to(many.flops, 4)[index] == one.flops


def test_two_passes_beside_each_other_keep_their_operations_and_waits() -> None:
    """Nothing is lost, nothing waits for what comes later, and each pass keeps its own order."""
    elements = block_elements(moe(), EXPERTS, shape(expert=8.0, fused_attention=True))
    forward, backward = element_pass(elements, "forward"), element_pass(elements, "backward")
    both = beside(forward, backward)
    assert sorted(map(id, both.operations)) == sorted(map(id, forward.operations + backward.operations))
    assert all(waited < task for task, waits in enumerate(both.after) for waited in waits)
    identities = [id(operation) for operation in both.operations]
    for work in (forward, backward):
        order = [identities.index(id(operation)) for operation in work.operations]
        assert order == sorted(order)


def test_low_precision_products_cast_what_they_read() -> None:
    """Input and gradient of every matrix, read in 16 bits and written twice in 8 (or 4)."""
    for precision, width in (("fp8", 1.0), ("mxfp8", 33 / 32), ("nvfp4", 9 / 16)):
        here = shape(precision=precision, fused_attention=True)
        elements = block_elements(gpt(), DENSE, here)
        for phase, columns in (("forward", (1 + 1 + 1 + 4) * 12288), ("backward", (3 + 1 + 4 + 1) * 12288)):
            work = element_pass(elements, phase)  # type: ignore[arg-type]
            casts = [op for op in work.operations if op.name.endswith("cast")]
            assert sum(float(op.bytes) for op in casts) == pytest.approx(2048 * columns * (2 + 2 * width))  # type: ignore[union-attr]
    plain = element_pass(block_elements(gpt(), DENSE, shape()), "forward")
    assert not [op for op in plain.operations if op.name.endswith("cast")]


def test_shared_experts_compute_behind_the_exchanges_of_routed_ones() -> None:
    """With `shared_expert` overlap the same work and messages; up behind dispatch and down behind combine."""
    model = moe()
    plain, covered = (
        [element_pass(block_elements(model, EXPERTS, shape(expert=8.0, overlap=overlap)), phase) for phase in PHASES]
        for overlap in (frozenset(), frozenset({"shared_expert"}))
    )
    for before, after in zip(plain, covered, strict=True):
        assert sorted(op.name for op in before.operations) == sorted(op.name for op in after.operations)
    forward = covered[0]
    names = [operation.name for operation in forward.operations]
    assert names.index("expert dispatch") < names.index("shared ffn up") < names.index("expert up")
    assert names.index("expert combine") < names.index("shared ffn down") < names.index("unpermute")
    waiting = forward.after[names.index("shared ffn up")]
    assert names.index("expert dispatch") not in waiting
    assert names.index("expert dispatch") in forward.after[names.index("expert sort")]
    assert names.index("expert sort") < names.index("expert up")


def test_low_precision_keeps_what_products_read_and_the_attention_output() -> None:
    """Inputs of two norms and of GeLU, and Q K V stay in 16 bits; what the four products read is cast."""
    model = gpt(dropout=False)
    s, h = 2048.0, 12288.0
    statistics = 4.0 * 96 * s

    def kept(precision: str) -> float:
        here = shape(precision=precision, fused_attention=True)
        return float(saved_bytes(block_elements(model, DENSE, here), "none", 0.0)) - statistics

    wide = 2 * (2 + 3 + 4)  # norms, Q K V, GeLU's input
    assert kept("bf16") == pytest.approx(s * h * (wide + 2 * (1 + 1 + 1 + 4)))
    assert kept("fp8") == pytest.approx(s * h * (wide + 2 + 1 * (1 + 1 + 1 + 4)))  # and the output of attention
    assert kept("mxfp8") == pytest.approx(s * h * (wide + 2 + 33 / 32 * 7))


def test_a_scale_for_128_elements_takes_a_little_more_than_one_a_tensor() -> None:
    """DeepSeek-V3, arXiv 2412.19437, section 3.3.2: 1 x 128 tiles with fp32 scales."""
    plain, blockwise = (
        block_elements(gpt(dropout=False), DENSE, shape(precision="fp8", blockwise=flag, fused_attention=True))
        for flag in (False, True)
    )
    more = float(saved_bytes(blockwise, "none", 0.0)) - float(saved_bytes(plain, "none", 0.0))
    assert more == pytest.approx(4 / 128 * 7 * 2048 * 12288)


def test_fp32_keeps_and_sends_twice_as_much() -> None:
    half, full = (
        block_elements(gpt(dropout=False), DENSE, shape(precision=precision, tensor=8.0))
        for precision in ("bf16", "tf32")
    )
    vector = 2.0 * 2048 * 12288
    assert float(saved_bytes(full, "none", 0.0)) == pytest.approx(2 * float(saved_bytes(half, "none", 0.0)))
    assert messages(element_pass(full, "forward"), "all-reduce") == [2 * vector, 2 * vector]
    gemms = [op for op in element_pass(full, "forward").operations if isinstance(op, Gemm)]
    assert {op.precision for op in gemms} == {"tf32"}


def test_what_stays_for_the_gradient_of_weights() -> None:
    """32 s b h a layer. Source: Qi et al. 2023, arXiv 2401.10241, table 1."""
    elements = block_elements(gpt(), DENSE, shape())
    assert float(weight_input_bytes(elements)) == pytest.approx(32 * 2048 * 12288)


def test_backward_needs_the_widest_gradients_less_what_is_freed() -> None:
    """At the down-projection: gradients of its input (4 h) and output and the one that passes by, nothing freed yet."""
    elements = block_elements(gpt(dropout=False), DENSE, shape(fused_attention=True))
    vector = 2.0 * 2048 * 12288
    assert float(working_bytes(elements, "none", vector)) == pytest.approx((4 + 1 + 1) * vector)
    whole = float(saved_bytes(elements, "none", vector))
    again = float(working_bytes(elements, "full", vector))
    assert again == pytest.approx(whole - vector + float(working_bytes(elements, "none", vector)))


def test_placeholders_are_sixteen_bits_of_every_matrix_of_a_layer() -> None:
    model = gpt()
    elements = block_elements(model, DENSE, shape(tensor=2.0, gradient_placeholders=True))
    assert float(placeholder_bytes(elements)) == pytest.approx(2.0 * 12 * 12288**2 / 2)
    assert float(placeholder_bytes(head_elements(model, shape(gradient_placeholders=True)))) == 0.0
    assert float(placeholder_bytes(block_elements(model, DENSE, shape()))) == 0.0
    grouped = placeholder_bytes(block_elements(moe(), EXPERTS, shape(gradient_placeholders=True, fused_attention=True)))
    experts = 3 * 1024 * 512  # one expert's, however many there are
    dense = placeholder_bytes(block_elements(moe(), DENSE, shape(gradient_placeholders=True, fused_attention=True)))
    assert float(dense) - float(grouped) == pytest.approx(2.0 * (3 * 1024 * 4096 - 3 * 1024 * 512 - experts))


def test_routing_weights_inside_experts_spare_what_experts_return() -> None:
    at_combine, inside = (
        float(saved_bytes(block_elements(moe(), EXPERTS, shape(weights_in_experts=flag)), "none", 0.0))
        for flag in (False, True)
    )
    assert at_combine - inside == pytest.approx(2.0 * 2048 * 1024 * 2)


def test_tokens_travel_to_experts_in_low_precision_and_return_in_16_bits() -> None:
    """Dispatch, and the gradients of what experts return, go in fp8. Source: DeepSeek-V3, section 3.3.3."""
    here = shape(expert=8.0, precision="fp8", dispatch_bytes=1.0)
    vectors = 2048 * 2 * 1024
    sent = {}
    for phase in ("forward", "backward"):
        work = element_pass(block_elements(moe(), EXPERTS, here), phase)
        sent[phase] = {
            op.kind: float(op.bytes)
            for op in work.operations
            if isinstance(op, Collective) and op.kind in ("dispatch", "combine")
        }
    assert sent["forward"] == {"dispatch": vectors, "combine": 2 * vectors}
    assert sent["backward"] == {"dispatch": vectors, "combine": 2 * vectors}  # the adjoint of one is the other


def test_experts_may_keep_their_activations_input_in_low_precision() -> None:
    wide, small = (
        float(saved_bytes(block_elements(moe(), EXPERTS, here), "none", 0.0))
        for here in (shape(precision="fp8", narrow_expert_inputs=narrow) for narrow in (False, True))
    )
    assert wide - small == pytest.approx(2048 * 2 * 2 * 512)


def test_exchanges_of_one_pass_travel_behind_the_other() -> None:
    """Backward first, then by turns, as in DeepSeek-V3's figure 4; exchanges of experts alone cut."""
    elements = block_elements(moe(), EXPERTS, shape(expert=8.0, fused_attention=True))
    passes = element_pass(elements, "backward"), element_pass(elements, "forward")
    alone = frozenset({"tensor", "expert_tensor", "context"})
    names = [op.name for op in beside(*passes, alone).operations]
    order = [
        "unpermute backward",
        "attention",
        "expert down input gradient",
        "expert up",
        "attention backward",
        "unpermute",
    ]
    assert [name for name in names if name in order] == order
    assert len(runs_of(passes[1], alone)) == 3  # before dispatch, combine, and after
    assert len(runs_of(passes[1])) == 3  # what else it waits for cuts nothing
    assert len(runs_of(passes[1], frozenset({"expert"}))) > 3  # but where no exchange of experts does
