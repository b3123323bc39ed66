"""Memory-bound kernels that software runs beside what is fused: biases, copies, ALiBi, the loss, FSDP's messages."""

from __future__ import annotations

import pytest
from builders import gpt, moe, scenario, shape, stack

from clustersim.inputs.model import BlockKind, Model
from clustersim.workload.blocks import block_elements, head_elements
from clustersim.workload.operations import Pointwise
from clustersim.workload.passes import Phase, element_pass
from clustersim.workload.shape import Shape, shape_of

DENSE, EXPERTS = BlockKind("full", "dense"), BlockKind("full", "experts")
TOKENS, HIDDEN = 2048.0, 12288.0


def moved(model: Model, where: Shape, phase: Phase) -> dict[str, float]:
    """Bytes by kernel."""
    work = element_pass(block_elements(model, DENSE, where), phase)
    return {one.name: float(one.bytes) for one in work.operations if isinstance(one, Pointwise)}


def test_biases_apart_are_a_kernel_forward_and_sums_backward() -> None:
    apart = shape(unfused_bias=True)
    assert moved(gpt(), apart, "forward")["qkv bias"] == 2 * 2.0 * TOKENS * 3 * HIDDEN
    for model, where in ((gpt(), shape()), (gpt(bias=False), apart)):
        assert "qkv bias" not in moved(model, where, "forward")
    assert "qkv bias" in moved(gpt(bias=False, qkv_bias=True), apart, "forward")
    more = sum(moved(gpt(), apart, "backward").values()) - sum(moved(gpt(), shape(), "backward").values())
    assert more == 2.0 * TOKENS * (3 + 1 + 4 + 1) * HIDDEN  # queries, keys and values; output; up; down


def test_unfused_attention_copies_and_joins() -> None:
    forward, backward = moved(gpt(), shape(), "forward"), moved(gpt(), shape(), "backward")
    assert forward["values copy"] == backward["values copy backward"] == 2 * 2.0 * TOKENS * HIDDEN
    assert backward["join gradients"] == 2 * 2.0 * TOKENS * 3 * HIDDEN
    assert not {"values copy", "alibi"} & set(moved(gpt(), shape(fused_attention=True), "forward"))


def test_alibi_is_laid_out_over_the_scores_where_attention_is_not_fused() -> None:
    alibi = gpt(position="alibi")
    assert moved(alibi, shape(), "forward")["alibi"] == 2 * 2.0 * 96 * TOKENS**2
    assert "alibi" not in moved(gpt(), shape(), "forward")
    assert not stack().fuses_attention("alibi")
    assert stack().fuses_attention("rotary")
    assert stack(fused_alibi=True).fuses_attention("alibi")
    assert not stack(fused_alibi=True, fused_attention=False).fuses_attention("alibi")


def test_the_loss_moves_its_kernels_bytes_whatever_a_stack_fuses() -> None:
    work = element_pass(head_elements(gpt(), shape()), "forward")
    (loss,) = (one for one in work.operations if isinstance(one, Pointwise) and one.name == "cross-entropy")
    assert loss.fused
    assert loss.bytes == 38.0 * TOKENS * 51200


@pytest.mark.parametrize(
    ("flat", "precision", "expected"),
    [
        (True, "fp32", 4 + 6 + 8),  # join, cast, divide
        (True, "bf16", 4 + 4),
        (False, "fp32", 6),  # read 16 bits, write 32
        (False, "bf16", 4),
    ],
)
def test_sharded_gradients_are_made_into_messages(flat: bool, precision: str, expected: float) -> None:
    software = stack(copied_gradients=flat)
    here = scenario(stack_=software, sharding="fsdp", grad_reduce_precision=precision)
    found = shape_of(here.model, here.training, here.resolved_layout, software)
    assert found.accumulated_bytes == expected
    assert not found.accumulates_in_place, "a message is no part of a product"


@pytest.mark.parametrize(
    ("precision", "blockwise", "rate"), [("fp8", True, 0.1), ("fp8", False, 0.26), ("mxfp8", False, None)]
)
def test_experts_operands_are_transposed_apart_in_fp8(precision: str, blockwise: bool, rate: float | None) -> None:
    """Inputs forward and gradients backward of both products, read and written at a share of the streaming rate:
    32,768 x 7,168 takes 1.52 ms on Hopper, 0.59 ms fused (FP8-Flow-MoE's operator benchmarks).
    """
    model = moe()
    here = shape(precision=precision, blockwise=blockwise, transposes_apart=True)
    rows, hidden, inner = 2 * 2048.0, 1024, 512
    for phase, columns in (("forward", hidden + inner), ("backward", 2 * inner + hidden)):
        work = element_pass(block_elements(model, EXPERTS, here), phase)  # type: ignore[arg-type]
        moved = [float(op.bytes) for op in work.operations if isinstance(op, Pointwise) and "transpose" in op.name]
        assert len(moved) == (0 if rate is None else 2)
        if rate is not None:
            width = here.product_bytes
            assert sum(moved) == pytest.approx(2 * width * rows * columns / rate)
    fused = shape(precision=precision, blockwise=blockwise)
    operations = element_pass(block_elements(model, EXPERTS, fused), "forward").operations
    assert not any("transpose" in op.name for op in operations)
