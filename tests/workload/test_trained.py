"""What a step trains: adapters, frozen parts; their parameters, FLOPs and passes."""

from __future__ import annotations

import pytest

from clustersim.inputs.catalog import load
from clustersim.inputs.model import Model, layer_kinds
from clustersim.inputs.training import Training
from clustersim.workload.flops import matmul_parameters, model_flops_per_token
from clustersim.workload.parameters import block_parameters, quantized_parameters, trained_parameters
from clustersim.workload.trained import ALL, trained_of


def training(**more: object) -> Training:
    return Training.model_validate({"sequence_length": 4096, "global_batch": 8} | more)


LLAMA: Model = load("models", "llama-3.1-8b")
KIND = layer_kinds(LLAMA)[0]


def lora(rank: int = 16, *targets: str) -> Training:
    return training(trainable={"lora": {"rank": rank, **({"targets": list(targets)} if targets else {})}})


def test_all_is_all() -> None:
    assert trained_of(LLAMA, training()) == ALL
    assert trained_parameters(LLAMA, KIND, ALL) == block_parameters(LLAMA, KIND)


def test_adapters_have_as_many_parameters_as_peft_prints() -> None:
    """Llama-3 8B, rank 16 on q, k, v and o: 13,631,488 trainable parameters (Hugging Face PEFT)."""
    trained = trained_of(LLAMA, lora(16, "q_proj", "k_proj", "v_proj", "o_proj"))
    assert LLAMA.layers * trained_parameters(LLAMA, KIND, trained).total == 13_631_488


def test_adapters_on_queries_and_values_alone() -> None:
    """Llama-2 7B, rank 8 on q and v: 4,194,304, as LitGPT prints (tutorials/resource-tables.md)."""
    model: Model = load("models", "llama-2-7b")
    trained = trained_of(model, lora(8, "query", "value"))
    assert model.layers * trained_parameters(model, layer_kinds(model)[0], trained).total == 4_194_304


def test_frozen_matrices_spare_a_third_of_their_flops() -> None:
    full = model_flops_per_token(LLAMA, training(), "6N")
    adapted = model_flops_per_token(LLAMA, lora(16, "attention"), "6N")
    assert full == 6.0 * matmul_parameters(LLAMA)
    assert adapted == pytest.approx(4.0 * matmul_parameters(LLAMA) + 6.0 * 13_631_488)


def test_a_frozen_part_is_all_that_is_spared() -> None:
    head = model_flops_per_token(LLAMA, training(trainable={"frozen": ["head"]}), "6N")
    assert head == 6.0 * matmul_parameters(LLAMA) - 2.0 * LLAMA.hidden * LLAMA.vocab
    trained = trained_of(LLAMA, training(trainable={"frozen": ["feed_forward"]}))
    left = block_parameters(LLAMA, KIND).total - trained_parameters(LLAMA, KIND, trained).total
    assert left == 3.0 * LLAMA.hidden * LLAMA.ffn_hidden


def test_routers_and_norms_are_not_quantized() -> None:
    model: Model = load("models", "mixtral-8x7b")
    trained = trained_of(model, lora(16).model_copy(update={"base_precision": "nf4"}))
    kind = layer_kinds(model)[0]
    few, own = quantized_parameters(model, kind, trained), block_parameters(model, kind)
    assert few.expert == own.expert
    assert own.total - few.total == model.hidden * 8 + 2 * model.hidden


@pytest.mark.parametrize("wrong", [{"lora": {"rank": 0}}, {"lora": {"rank": 8, "targets": ["q"]}}, {"frozen": []}, "x"])
def test_what_is_not_handled_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="trainable"):
        training(trainable=wrong)
