"""Parameters, model FLOPs and states against published totals and formulas."""

from __future__ import annotations

import pytest
from builders import gpt, moe, shape

from clustersim.inputs.model import Model, layer_kinds
from clustersim.inputs.training import Training
from clustersim.workload.blocks import block_elements
from clustersim.workload.flops import model_flops_per_token, recomputed_flops_per_token
from clustersim.workload.operations import Gemm
from clustersim.workload.parameters import active_parameters, block_parameters, total_parameters
from clustersim.workload.passes import element_pass
from clustersim.workload.states import held_states, shard_sizes, state_bytes_of


def training(**changes: object) -> Training:
    return Training.model_validate({"sequence_length": 2048, "global_batch": 8} | changes)


def test_gpt3_has_175_billion_parameters() -> None:
    assert total_parameters(gpt()) == pytest.approx(175e9, rel=0.003)


def test_layer_parameters_are_twelve_h_squared() -> None:
    counts = block_parameters(gpt(), gpt().block_kind(0))
    assert counts.tensor == 12 * 12288**2
    assert counts.expert == 0
    assert counts.total == counts.tensor + counts.replicated


def test_active_parameters_leave_idle_experts_out() -> None:
    model = moe()
    idle = 3 * 14 * 3 * 1024 * 512  # three MoE layers, 14 of 16 experts idle, three matrices each
    assert total_parameters(model) - active_parameters(model) == pytest.approx(idle)
    assert active_parameters(gpt()) == total_parameters(gpt())


def test_model_flops_by_convention() -> None:
    """6N + 12 L h s for full attention, half the attention for causal (PaLM, appendix B)."""
    bare = model_flops_per_token(gpt(), training(), "6N")
    full = model_flops_per_token(gpt(), training(), "full")
    causal = model_flops_per_token(gpt(), training(), "causal")
    assert full - bare == pytest.approx(12 * 96 * 12288 * 2048)
    assert causal - bare == pytest.approx((full - bare) / 2)
    assert bare == 6 * (96 * 12 * 12288**2 + 12288 * 51200)


def test_spans_are_bounded_by_window_and_document() -> None:
    window = gpt(window=512, attention_pattern=("sliding",))
    attention = model_flops_per_token(window, training()) - model_flops_per_token(window, training(), "6N")
    assert attention == pytest.approx(12 * 96 * 12288 * 512)
    causal = model_flops_per_token(window, training(), "causal") - model_flops_per_token(window, training(), "6N")
    assert causal == pytest.approx(12 * 96 * 12288 * 512 * (1 - 512 / 4096))
    document = training(document_length=1024)
    assert model_flops_per_token(gpt(), document) < model_flops_per_token(gpt(), training())


def test_multi_token_prediction_adds_layer_projection_and_head() -> None:
    plain, more = (model_flops_per_token(moe(mtp_layers=n), training(), "6N") for n in (0, 1))
    layer = 6 * (block_parameters(moe(), moe().block_kind(3)).total - 14 * 3 * 1024 * 512)
    assert more - plain == pytest.approx(layer + 6 * (1024 * 32000 + 2 * 1024**2), rel=0.01)


def test_full_recomputation_adds_a_forward_pass() -> None:
    """A third of forward and backward, the head left out (Korthikanti et al. 2022, appendix A)."""
    model = gpt()
    added = recomputed_flops_per_token(model, training(), {"full": model.layers}, fused=True, selected=())
    head = 6 * 12288 * 51200
    assert added == pytest.approx((model_flops_per_token(model, training()) - head) / 3)


@pytest.mark.parametrize("fused", [True, False])
def test_selective_recomputation_adds_what_is_selected(fused: bool) -> None:
    def added(model: Model, *selected: str) -> float:
        return recomputed_flops_per_token(model, training(), {"selective": 1}, fused=fused, selected=selected)

    assert added(gpt(), "core_attention") == 4 * 12288 * 2048
    assert added(gpt(), "latent_up", "expert_activation") == 0.0
    up = 2 * 16 * (512 * 96 + 256 * 128)
    core = 2 * 2048 * 16 * (96 + 64)
    assert added(moe(), "core_attention") == core
    assert added(moe(), "latent_up") == up
    assert added(moe(), "core_attention", "latent_up") == (up if fused else core + up)


@pytest.mark.parametrize("model", [gpt(), gpt(gated=True, kv_heads=8), moe()], ids=["gpt", "gated", "experts"])
def test_flops_of_recomputation_by_operations_are_those_of_the_passes(model: Model) -> None:
    kinds = layer_kinds(model)
    passes = [
        element_pass(block_elements(model, kind, shape(fused_attention=True)), "backward", "operations")
        for kind in kinds
    ]
    played = sum(
        float(op.flops) for each in passes for op in each.operations if isinstance(op, Gemm) and op.part == "recompute"
    )
    counted = recomputed_flops_per_token(model, training(), {"operations": model.layers}, fused=True, selected=())
    assert played / 2048 == pytest.approx(counted, rel=1e-9)


@pytest.mark.parametrize(
    ("sharding", "bytes_each"),
    [
        ("none", (2.0, 4.0, 12.0)),
        ("zero1", (2.0, 4.0, 1.5)),
        ("zero2", (2.0, 0.5, 1.5)),
        ("zero3", (0.25, 0.5, 1.5)),
        ("fsdp", (0.0, 0.5, 1.5)),  # its fp32 shards are the masters: Zhao et al. 2023, section 4.4
    ],
)
def test_zero_stages_cut_states(sharding: str, bytes_each: tuple[float, float, float]) -> None:
    """Rajbhandari et al. 2020, figure 1, for 8 replicas."""
    held = held_states(1.0, 1.0, 0.0, shard_sizes(sharding, 8.0), state_bytes_of(training(), "fp32"))
    assert tuple(held.values()) == bytes_each


@pytest.mark.parametrize(
    ("changes", "reduced_in", "bytes_each"),
    [
        ({}, "fp32", (2.0, 4.0, 12.0)),  # Rajbhandari et al. 2020 with Megatron-LM's fp32 gradients
        ({}, "bf16", (2.0, 2.0, 12.0)),
        ({"precision": "fp8", "grad_reduce_precision": "fp32", "moment_precision": "bf16"}, "bf16", (2.0, 4.0, 8.0)),
        ({"precision": "tf32"}, "bf16", (4.0, 4.0, 8.0)),  # weights are their own masters
    ],
)
def test_states_by_precision(changes: dict[str, str], reduced_in: str, bytes_each: tuple[float, float, float]) -> None:
    each = state_bytes_of(training(**changes), reduced_in)
    assert (each.parameters, each.gradients, each.optimizer) == bytes_each
    sharded = held_states(1.0, 1.0, 0.0, shard_sizes("fsdp", 4.0), each)
    assert sum(sharded.values()) == (4.0 + 4.0 + each.moments) / 4
