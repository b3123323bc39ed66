"""Words of sources: each is read as what it means, said where it says less, and refused where it is not known."""

from __future__ import annotations

from typing import Any

import pytest
from test_measured import problem, run, scenario

MOE = {"n_experts": "16", "experts_per_token": "4", "moe_ffn_hidden": "1024", "ep": "8", "stack": "megatron-core-2025"}
HOPPER = {"accelerator": "h100", "stack": "megatron-core-2025"}


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("Deep_EP", "deepep"),
        ("a2a", "alltoall"),
        ("all-to-all", "alltoall"),
        ("alltoall_seq", "alltoall"),
        ("AG", "allgather"),
        ("flex", "deepep"),
        ("flex/HybridEP", "hybridep"),
        ("flex-hybridep", "hybridep"),
        ("NCCLEP", "deepep"),
        ("none", None),
        ("-", None),
        ("n/a", None),
    ],
)
def test_dispatchers(word: str, name: str | None) -> None:
    made = run(**MOE, dispatcher=word)
    assert made.mapping["layout"].get("dispatcher") == name
    near = word in ("alltoall_seq", "flex", "NCCLEP")
    assert any("is taken as" in note for note in made.notes) == near


@pytest.mark.parametrize(
    ("precision", "recipe", "read"),
    [
        ("BF16", "", ("bf16", None)),
        ("bf16-mixed", "none", ("bf16", None)),
        ("FP8", "tensor_wise", ("fp8", "per-tensor")),
        ("fp8", "1x128", ("fp8", "blockwise")),
        ("fp8", "current scaling", ("fp8", "per-tensor")),
        ("fp8", "mxfp8", ("mxfp8", None)),
        ("", "NVFP4", ("nvfp4", None)),
        ("mxfp8", "mxfp8", ("mxfp8", None)),
        ("fp8", "hybrid", ("fp8", None)),
        ("FP8-CS", "", ("fp8", "per-tensor")),
        ("fp8-blockwise", "", ("fp8", "blockwise")),
    ],
)
def test_precisions(precision: str, recipe: str, read: tuple[str, str | None]) -> None:
    training = run(**HOPPER, precision=precision, fp8_recipe=recipe).mapping["training"]
    assert (training["precision"], training.get("fp8_recipe")) == read


def test_what_has_no_scales_is_not_scaled() -> None:
    assert problem(precision="bf16", fp8_recipe="mxfp8") == 'fp8_recipe: "mxfp8" is no way to scale bf16'
    assert "Known: fp32, tf32, fp16, bf16, fp8, mxfp8, nvfp4" in problem(precision="hif8")


@pytest.mark.parametrize(
    ("column", "word", "read"),
    [
        ("sharding", "optim_grads_params", "fsdp"),
        ("sharding", "fully sharded", "fsdp"),
        ("sharding", "ZeRO stage 3", "fsdp"),
        ("sharding", "dp", "none"),
        ("overlap", "grad-reduce, param_gather", ["grad_reduce", "param_gather"]),
        ("overlap", "dp|tp", ["grad_reduce", "param_gather", "tensor"]),
        ("overlap", "a2a", ["expert"]),
        ("overlap", "none", []),
        ("overlap", "telepathy", None),
        ("recompute", "full-uniform", "full"),
        ("recompute", "0", "none"),
        ("recompute", "selective(core_attn)", "selective"),
        ("recompute", "moe_act|layernorm", "selective"),
        ("recompute", "2 layers", {"layers": 2}),
        ("offload", "optimizer_states", "optimizer"),
        ("offload", "Activation", "activations"),
        ("offload", "cpu", None),
        ("zero_group", "all", None),
        ("cp", "0", None),
        ("schedule", "Interleaved 1F1B", "1f1b"),  # over one virtual stage
        ("schedule", "ZB V", "zb-v"),
    ],
)
def test_layouts(column: str, word: str, read: Any) -> None:
    key = {"cp": "context"}.get(column, column)
    assert run(**{column: word}).mapping["layout"].get(key) == read


@pytest.mark.parametrize(("column", "word"), [("recompute", "magic"), ("schedule", "waltz"), ("offload", "params")])
def test_words_that_change_what_is_played_are_refused(column: str, word: str) -> None:
    assert f'{column}: "{word}" is not known. Known: ' in problem(**{column: word})


def test_modules_that_run_again_are_the_stacks_selection() -> None:
    found = scenario(recompute="selective:core_attn,mlp")
    assert set(found.stack.selective_recompute) == {"core_attention", "feed_forward"}
    assert found.resolved_layout.recompute == "selective"
    assert isinstance(run(recompute="selective").mapping["stack"], str)


def test_one_f_one_b_over_virtual_stages_is_interleaved() -> None:
    made = run(schedule="1F1B", vpp="2")
    assert made.mapping["layout"]["schedule"] == "interleaved-1f1b"
    assert made.notes == ("1f1b over 2 virtual stages a device is interleaved-1f1b",)
    assert "schedule" not in run(schedule="waltz", pp="1", tp="8").mapping["layout"], "there is nothing to order"
    assert scenario(schedule="DualPipeV").resolved_layout.virtual_stages == 2


def test_sizes_follow_from_the_devices() -> None:
    counted = run(cp="2", dp="16", tp="2")
    assert (counted.mapping["layout"]["data"], counted.notes) == (8, ("dp counts 2 context ranks, too",))
    filled = run(tp="", pp="2", dp="8")
    assert (filled.mapping["layout"]["tensor"], filled.notes) == (4, ("tensor isn't stated: 4, of 64 devices",))
    assert run().notes == run(cp="1").notes == ()


def test_balance_may_be_a_word() -> None:
    forced, stated = (run(**MOE, balance_loss=cell).mapping["training"]["router"] for cell in ("forced", "1.04"))
    assert forced == "balanced"
    assert stated == {"imbalance": pytest.approx(0.2)}


def test_a_known_models_experts_keep_their_width() -> None:
    """The column of the dense feed-forward says nothing of them."""
    cells = {"n_experts": "128", "experts_per_token": "8", "ffn_hidden": "12288", "moe_ffn_hidden": ""}
    assert (
        scenario(**cells, model="Qwen3-235B-A22B", tp="1", dp="32", layers="94", hidden="4096").model.moe.ffn_hidden
        == 1536
    )  # type: ignore[union-attr]
    assert scenario(**cells).model.moe.ffn_hidden == 12288  # type: ignore[union-attr]


@pytest.mark.parametrize("cell", ["1", "yes", "True"])
def test_flags_and_numbers_as_people_write_them(cell: str) -> None:
    assert scenario(sequence_parallel=cell).resolved_layout.sequence_parallel
    assert scenario(vocab="51,200").model.vocab == 51200
    assert problem(vocab="51,20") == 'vocab: "51,20" is not a number'
