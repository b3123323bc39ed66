"""A file that states parts of a model that its type does not have is refused by key, or the part is noted."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.errors import InputError
from clustersim.inputs.huggingface import model_from_config
from clustersim.inputs.model import Model

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "intermediate_size": 14336,
}
NOBODYS = LLAMA | {"model_type": "nobodys"}


def notes(config: dict[str, Any], read_as: str | None = None) -> str:
    return " | ".join(Model.model_validate(model_from_config(config, "x/config.json", read_as)).notes)


@pytest.mark.parametrize(
    ("stated", "part"),
    [
        ({"num_experts": 64}, "experts"),
        ({"n_routed_experts": 64, "num_experts_per_tok": 8}, "experts"),
        ({"kv_lora_rank": 512}, "latent attention"),
        ({"index_topk": 2048}, "sparse attention"),
        ({"mamba_d_state": 128}, "a state space"),
        ({"linear_num_value_heads": 32}, "linear attention"),
        ({"attn_type_list": [0, 1] * 16}, "layers of several kinds"),
        ({"hybrid_override_pattern": "M-M*"}, "layers of several kinds"),
        ({"layer_types": ["linear_attention", "full_attention"] * 16}, "whole sequence alone"),
        ({"block_configs": [{"attention": {"no_op": True}}]}, "layers of sizes of their own"),
        ({"hc_mult": 4}, "residual streams"),
        ({"cross_attention_layers": [3, 8]}, "cross-attention"),
        ({"num_kv_shared_layers": 15}, "share weights or keys"),
    ],
)
@pytest.mark.parametrize("read_as", [None, "llama"])
def test_parts_that_a_type_does_not_have_are_refused(stated: dict[str, Any], part: str, read_as: str | None) -> None:
    config = (LLAMA if read_as is None else NOBODYS) | stated
    with pytest.raises(InputError) as caught:
        model_from_config(config, "x/config.json", read_as)
    found = {problem.key: problem.message for problem in caught.value.problems}
    assert set(found) <= set(stated)
    assert part in " ".join(found.values())


@pytest.mark.parametrize(
    "stated",
    [
        {"num_experts": 0},
        {"num_local_experts": 1},
        {"kv_lora_rank": None},
        {"kv_lora_rank": 512, "use_mla": False},
        {"layer_types": ["full_attention"] * 32},
        {"attn_type_list": [1] * 32},
        {"cross_attention_layers": []},
        {"add_cross_attention": False},
        {"no_rope_layers": [1, 1, 1, 0] * 8},
        {"hc_mult": 1},
    ],
)
def test_keys_that_say_that_there_is_none_are_not(stated: dict[str, Any]) -> None:
    assert model_from_config(LLAMA | stated, "x/config.json") == model_from_config(LLAMA, "x/config.json")


def test_what_changes_no_layer_is_noted() -> None:
    assert "num_nextn_predict_layers 1" in notes(LLAMA | {"num_nextn_predict_layers": 1})
    assert "sliding_window 4096" in notes(LLAMA | {"sliding_window": 4096})
    assert "sliding_window" not in notes(LLAMA | {"sliding_window": 4096, "use_sliding_window": False})
    assert "quantized (fp8)" in notes(LLAMA | {"quantization_config": {"quant_method": "fp8"}})


def test_keys_that_nobody_reads_are_named_where_a_type_stands_in_for_another() -> None:
    found = notes(NOBODYS | {"loop_count": 3, "rope_theta": 1e6, "pad_token_id": 7}, "llama")
    assert "nothing here reads: loop_count" in found
    assert "rope" not in found
    assert "pad" not in found
