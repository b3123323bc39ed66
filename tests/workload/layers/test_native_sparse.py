"""Native sparse attention: three branches, each in closed form, and the speed that was published."""

from __future__ import annotations

from typing import Any

import pytest
from builders import gpt, shape
from pydantic import ValidationError

from clustersim.inputs.model import Model
from clustersim.inputs.training import Training
from clustersim.workload.blocks import block_elements
from clustersim.workload.flops import model_flops_per_token
from clustersim.workload.layers.registry import layers_of, matrices_of
from clustersim.workload.layers.serving_batch import Batch
from clustersim.workload.operations import Attention, Collective, Operation
from clustersim.workload.parameters import block_parameters
from clustersim.workload.passes import element_pass
from clustersim.workload.shape import Shape

SIZES: dict[str, Any] = {
    "layers": 4,
    "hidden": 2560,
    "heads": 64,
    "kv_heads": 4,
    "head_dim": 192,
    "v_head_dim": 128,
    "ffn_hidden": 8192,
    "gated": True,
    "position": "rotary",
    "max_positions": None,
    "norm": "rms",
    "bias": False,
    "dropout": False,
}
LENGTH = 65536.0
POOLED, PICKED, WINDOW = LENGTH / 32, 1024 * (1 - 1024 / (2 * LENGTH)), 512 * (1 - 512 / (2 * LENGTH))


def model(**changes: Any) -> Model:
    return gpt(**(SIZES | {"native_sparse": {}, "attention_pattern": ("native-sparse",)} | changes))


def operations(of: Model, here: Shape, phase: Any = "forward") -> list[Operation]:
    return list(element_pass(block_elements(of, of.block_kind(0), here), phase).operations)


def cores(of: Model, here: Shape, phase: Any = "forward") -> float:
    return float(sum(op.flops for op in operations(of, here, phase) if isinstance(op, Attention)))


def long(**changes: Any) -> Shape:
    return shape(sequence=LENGTH, span=LENGTH, fused_attention=True, **changes)


def test_a_query_meets_pooled_picked_and_near_keys() -> None:
    keys = POOLED + PICKED + WINDOW
    assert cores(model(), long()) == pytest.approx(2 * 64 * LENGTH * keys * (192 + 128))
    training = Training(sequence_length=int(LENGTH), global_batch=8)
    both = [model_flops_per_token(each, training, "causal") for each in (model(), gpt(**SIZES))]
    more_kv = 6.0 * 4 * 2560 * (2 * 4 * (192 + 128) + 3 * 64)  # of four layers: two more branches, and gates
    core = 3.0 * 4 * 2 * 64 * (192 + 128) * (LENGTH / 2 - keys)
    assert both[1] - both[0] == pytest.approx(core - more_kv)


def test_it_is_as_much_faster_than_dense_attention_as_was_published() -> None:
    """9 times forward, 6 times backward at 65,536 tokens, by work alone at one rate."""
    dense, here = gpt(**SIZES), long()
    assert cores(dense, here) / cores(model(), here) == pytest.approx(9.0, rel=0.05)
    assert cores(dense, here, "backward") / cores(model(), here, "backward") == pytest.approx(6.0, rel=0.05)


def test_short_sequences_gain_nothing() -> None:
    here = shape(sequence=1024.0, span=1024.0, fused_attention=True)
    assert cores(model(), here) > cores(gpt(**SIZES), here)


def test_parameters_and_work_are_cut_by_heads_and_context() -> None:
    of = model()
    kind = of.block_kind(0)
    stated = {matrix.name: matrix.parameters for matrix in matrices_of(of, kind)}
    assert stated["qkv"] == 2560 * (64 * 192 + 3 * 4 * (192 + 128) + 3 * 64)
    linears = [linear for element in block_elements(of, kind, shape()) for linear in element.linears]
    assert sum(linear.k * linear.n * linear.count for linear in linears) == sum(stated.values())
    assert block_parameters(of, kind).total == sum(stated.values()) + 2 * of.hidden
    assert 8 * cores(of, long(tensor=4.0, context=2.0)) == pytest.approx(cores(of, long()))
    exchanged = [op for op in operations(of, long(context=2.0)) if isinstance(op, Collective) and op.group == "context"]
    assert [op.kind for op in exchanged] == ["all-gather"]


def test_serving_keeps_every_key_and_reads_few() -> None:
    of = model()
    layer = layers_of(of, of.block_kind(0))[0]
    width = 4 * (192 + 128)
    assert layer.kept_elements(of, 1.0, LENGTH) == width * (LENGTH / 16 + LENGTH + 512)
    batch = Batch("decode", 1.0, LENGTH, LENGTH, 1.0)
    (core,) = (element for element in layer.serve(of, shape(), batch) if type(element).__name__ == "CachedAttention")
    keys = LENGTH / 16 + 1024 + 512
    assert core.flops == pytest.approx(2 * 64 * keys * (192 + 128))  # type: ignore[attr-defined]


def test_it_needs_its_sizes_and_heads_of_its_own() -> None:
    with pytest.raises(ValidationError, match="a native-sparse layer needs `native_sparse`"):
        model(native_sparse=None)
    latent = {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}
    with pytest.raises(ValidationError, match="can't be latent"):
        model(latent=latent, head_dim=None, v_head_dim=None, kv_heads=64)
