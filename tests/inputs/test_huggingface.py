"""A Hugging Face config.json as a model: totals of known models, class defaults, and every mistake at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clustersim.errors import InputError
from clustersim.inputs.huggingface import READERS, model_from_config
from clustersim.inputs.model import Model
from clustersim.workload.parameters import active_parameters, total_parameters

FIXTURES = Path(__file__).parents[1] / "data" / "hf"

# Billions of parameters, total and active (embeddings counted), computed by hand from each file when it was collected.
COLLECTED = {
    "DBRX": (131.6, 36.47),
    "DeepSeek-R1": (671.03, 37.55),
    "DeepSeek-V2": (235.74, 21.38),
    "DeepSeek-V3": (671.03, 37.55),
    "Kimi-K2": (1026.41, 32.86),
    "Llama-2-13B": (13.02, 13.02),
    "Llama-2-70B": (68.98, 68.98),
    "Llama-2-7B": (6.74, 6.74),
    "Llama-3.1-405B": (405.85, 405.85),
    "Llama-3.1-70B": (70.55, 70.55),
    "Llama-3.1-8B": (8.03, 8.03),
    "Mixtral-8x22B": (140.63, 39.16),
    "Mixtral-8x7B": (46.7, 12.88),
    "Pangu-Ultra-135B": (133.88, 133.88),
    "Pangu-Ultra-MoE-718B": (719.09, 40.37),
    "Qwen2.5-72B": (72.7, 72.7),
    "Qwen3-235B-A22B": (235.09, 22.19),
}

# Configurations as published, with the totals that their model cards print (recalled), in billions.
KNOWN: list[tuple[dict[str, object], float]] = [
    ({"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12}, 0.1244),
    ({"model_type": "gpt_neox", "num_hidden_layers": 44, "hidden_size": 6144, "num_attention_heads": 64}, 20.55),
    (
        {
            "model_type": "opt",
            "num_hidden_layers": 64,
            "hidden_size": 9216,
            "num_attention_heads": 72,
            "ffn_dim": 36864,
        },
        65.7,
    ),
    ({"model_type": "mistral", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32}, 7.24),
    ({"model_type": "gemma", "num_hidden_layers": 28, "hidden_size": 3072, "num_attention_heads": 16}, 8.54),
    ({"model_type": "gemma2", "num_hidden_layers": 26, "hidden_size": 2304, "num_attention_heads": 8}, 2.61),
    (
        {
            "model_type": "gemma3",
            "text_config": {
                "num_hidden_layers": 62,
                "hidden_size": 5376,
                "intermediate_size": 21504,
                "num_attention_heads": 32,
                "num_key_value_heads": 16,
                "head_dim": 128,
                "sliding_window": 1024,
            },
        },
        27.0,
    ),
    ({"model_type": "glm4", "num_hidden_layers": 40, "hidden_size": 4096, "num_attention_heads": 32}, 9.4),
    (
        {
            "model_type": "chatglm",
            "num_layers": 40,
            "hidden_size": 4096,
            "num_attention_heads": 32,
            "padded_vocab_size": 151552,
            "multi_query_attention": True,
            "multi_query_group_num": 2,
            "add_qkv_bias": True,
        },
        9.4,
    ),
    (
        {
            "model_type": "glm4_moe",
            "num_hidden_layers": 46,
            "hidden_size": 4096,
            "num_attention_heads": 96,
            "head_dim": 128,
        },
        106.85,
    ),
    (
        {
            "model_type": "qwen3",
            "num_hidden_layers": 36,
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
        },
        8.19,
    ),
    ({"model_type": "qwen2_moe", "num_hidden_layers": 24, "hidden_size": 2048, "num_attention_heads": 16}, 14.3),
]

LLAMA = {"model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32}


def read(name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((FIXTURES / name / "config.json").read_text())
    return content


def model(config: dict[str, object]) -> Model:
    return Model.model_validate(model_from_config(config, "config.json"))


def problems(config: dict[str, object]) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        model_from_config(config, "x/config.json")
    return {problem.key: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("name", COLLECTED)
def test_collected_files_have_their_parameters(name: str) -> None:
    total, active = COLLECTED[name]
    description = model(read(name))
    assert total_parameters(description) / 1e9 == pytest.approx(total, rel=2e-3)
    assert active_parameters(description) / 1e9 == pytest.approx(active, rel=2e-3)


@pytest.mark.parametrize(("config", "total"), KNOWN, ids=[str(config["model_type"]) for config, _ in KNOWN])
def test_class_defaults_complete_known_models(config: dict[str, object], total: float) -> None:
    assert total_parameters(model(config)) / 1e9 == pytest.approx(total, rel=5e-3)


def test_deepseek_v4_stands_in_with_the_published_total() -> None:
    description = model(read("DeepSeek-V4-Flash-284B"))
    assert total_parameters(description) == pytest.approx(284e9, rel=0.01)
    assert description.latent is not None
    assert (description.qk_head_size, description.latent.kv_lora_rank) == (512, 512)


def test_every_known_type_is_tested() -> None:
    tested = {config["model_type"] for config, _ in KNOWN} | {
        read(path.name)["model_type"] for path in FIXTURES.iterdir()
    }
    assert set(READERS) - tested == {"gemma3_text", "glm"}  # other names of tested readers


def test_name_is_the_folder_or_the_type() -> None:
    assert model_from_config(LLAMA, "models/My-Llama/config.json")["name"] == "My-Llama"
    assert model_from_config(LLAMA, "my-llama.json")["name"] == "my-llama"
    assert model_from_config(LLAMA, "config.json")["name"] == "llama"


def test_deepseek_v3_layer_by_layer() -> None:
    description = model(read("DeepSeek-V3"))
    assert [description.block_kind(layer).experts for layer in (0, 2, 3, 60)] == [False, False, True, True]
    assert description.mtp_layers == 1
    assert description.moe is not None
    assert (description.moe.groups, description.moe.groups_a_token) == (8, 4)


def test_uncompressed_queries() -> None:
    latent = model(read("DeepSeek-V2") | {"q_lora_rank": None}).latent
    assert latent is not None
    assert latent.q_lora_rank is None


def test_expert_layers_follow_the_step_and_the_exceptions() -> None:
    config = read("Qwen3-235B-A22B") | {"decoder_sparse_step": 2, "mlp_only_layers": [3]}
    description = model(config)
    # (layer + 1) % 2 == 0, and not layer 3: transformers, Qwen3MoeDecoderLayer
    assert [description.block_kind(layer).experts for layer in range(6)] == [False, True, False, False, False, True]


def test_every_nth_expert_layer_counts_from_the_first() -> None:
    description = model(read("DeepSeek-V3") | {"moe_layer_freq": 2})
    # layer >= 3 and layer % 2 == 0: modeling_deepseek.py
    assert [description.block_kind(layer).experts for layer in range(3, 7)] == [False, True, False, True]


@pytest.mark.parametrize(
    ("config", "window", "pattern"),
    [
        ({"model_type": "mistral"}, 4096, ("sliding",)),
        ({"model_type": "mistral", "sliding_window": None}, None, ("full",)),
        ({"model_type": "mixtral"}, None, ("full",)),
        ({"model_type": "qwen2"}, None, ("full",)),
        ({"model_type": "qwen2", "use_sliding_window": True}, 4096, ("full",) * 28 + ("sliding",) * 4),
        ({"model_type": "qwen3_moe", "use_sliding_window": True}, 4096, ("sliding",) * 32),
        ({"model_type": "gemma2"}, 4096, ("sliding", "full")),
        ({"model_type": "gemma3_text"}, 4096, ("sliding",) * 5 + ("full",)),
        (
            {"model_type": "gemma3_text", "layer_types": ["full_attention", "sliding_attention"]},
            4096,
            ("full", "sliding"),
        ),
    ],
)
def test_windows(config: dict[str, object], window: int | None, pattern: tuple[str, ...]) -> None:
    description = model(LLAMA | config)
    assert description.window == window
    assert description.attention_pattern == pattern


def test_flags_of_the_gpt2_generation() -> None:
    gpt2 = model({"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "n_inner": 1000})
    assert (gpt2.ffn_hidden, gpt2.position, gpt2.max_positions, gpt2.norm) == (1000, "learned", 1024, "layer")
    assert gpt2.bias
    assert gpt2.dropout
    assert gpt2.tied_embeddings
    opt = model(LLAMA | {"model_type": "opt", "dropout": 0.0, "enable_bias": False})
    assert opt.max_positions == 2050
    assert not opt.dropout
    assert not opt.bias


def test_llama_biases() -> None:
    assert model(LLAMA | {"attention_bias": True}).qkv_bias
    assert not model(LLAMA | {"attention_bias": True}).bias
    assert model(LLAMA | {"attention_bias": True, "mlp_bias": True}).bias


def test_unknown_type_names_the_nearest_and_the_list() -> None:
    message = problems(LLAMA | {"model_type": "qwen3moe"})["model_type"]
    assert "Did you mean qwen3_moe" in message
    assert "deepseek_v3" in message
    assert "Did you mean" not in problems(LLAMA | {"model_type": "zzz"})["model_type"]
    assert "missing" in problems({"hidden_size": 1})["model_type"]


def test_every_problem_is_reported_at_once() -> None:
    config = {
        "model_type": "deepseek_v3",
        "hidden_size": "7168",
        "num_attention_heads": -4,
        "vocab_size": 1.5,
        "tie_word_embeddings": "no",
        "num_experts_per_tok": True,
    }
    found = problems(config)
    assert set(found) == {
        "hidden_size",
        "num_attention_heads",
        "num_hidden_layers",
        "vocab_size",
        "tie_word_embeddings",
        "num_experts_per_tok",
    }
    assert "missing" in found["num_hidden_layers"]
    assert "-4 is less than 1" in found["num_attention_heads"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"num_key_value_heads": 5}, "num_key_value_heads"),
        ({"num_attention_heads": 33}, "num_attention_heads"),
        ({"model_type": "mixtral", "num_experts_per_tok": 9}, "num_experts_per_tok"),
        ({"model_type": "qwen3_moe", "mlp_only_layers": [1.5]}, "mlp_only_layers"),
        ({"model_type": "qwen2", "use_sliding_window": True, "layer_types": ["linear_attention"]}, "layer_types"),
        ({"model_type": "opt", "word_embed_proj_dim": 512}, "word_embed_proj_dim"),
        ({"model_type": "opt", "dropout": 2}, "dropout"),
        ({"model_type": "deepseek_v4", "qk_rope_head_dim": 512}, "qk_rope_head_dim"),
        ({"model_type": "gpt_neox", "hidden_dropout": "much"}, "hidden_dropout"),
    ],
)
def test_impossible_values_are_refused(change: dict[str, object], key: str) -> None:
    assert key in problems(LLAMA | change)
