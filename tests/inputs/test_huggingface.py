"""A Hugging Face config.json as a model: totals of known models, class defaults, and every mistake at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clustersim.errors import InputError
from clustersim.inputs.huggingface import READERS, model_from_config
from clustersim.inputs.huggingface.nesting import opened
from clustersim.inputs.model import Model
from clustersim.workload.parameters import active_parameters, total_parameters

FIXTURES = Path(__file__).parents[1] / "data" / "hf"
PUBLIC = FIXTURES.with_name("hf2")

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

# Configurations as published, or as their classes make them, with billions of parameters, total and active: exact
# as transformers 5.24.0 counts when it builds them without memory (Granite, EXAONE 3, MiniCPM: model cards, recalled).
SMALL = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim")
SMALL += ("intermediate_size", "vocab_size")


def config_of(kind: str, line: str, **more: object) -> dict[str, object]:
    """A config.json in Llama's spelling from sizes in one line, `-` for what it leaves out."""
    given = zip(SMALL, line.split("/"), strict=True)
    return {"model_type": kind} | {key: int(size) for key, size in given if size != "-"} | more


KNOWN: list[tuple[dict[str, object], float, float]] = [
    ({"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12}, 0.1244, 0.1244),
    (config_of("gpt_neox", "44/6144/64/-/-/-/-"), 20.554567680, 20.554567680),
    ({"model_type": "gptj", "n_layer": 28, "n_embd": 4096, "n_head": 16}, 6.050882784, 6.050882784),
    (config_of("opt", "64/9216/72/-/-/-/-", ffn_dim=36864), 65.7, 65.7),
    ({"model_type": "bloom", "n_layer": 70, "hidden_size": 14336, "n_head": 112}, 176.247271424, 176.247271424),
    (
        {"model_type": "mpt", "n_layers": 32, "d_model": 4096, "n_heads": 32, "vocab_size": 50432},
        6.649286656,
        6.649286656,
    ),
    (config_of("falcon", "32/4544/71/-/-/-/-"), 6.921720704, 6.921720704),
    (
        config_of("falcon", "60/8192/128/-/-/-/-", num_kv_heads=8, new_decoder_architecture=True),
        41.303293952,
        41.303293952,
    ),
    (
        config_of("falcon", "80/14848/232/-/-/-/-", num_kv_heads=8, new_decoder_architecture=True),
        178.557088768,
        178.557088768,
    ),
    (config_of("phi", "32/2560/32/32/-/10240/-"), 2.779683840, 2.779683840),
    (config_of("phi3", "40/5120/40/10/-/17920/100352"), 14.659507200, 14.659507200),
    (config_of("mistral", "32/4096/32/-/-/-/-"), 7.24, 7.24),
    (config_of("gemma", "28/3072/16/-/-/-/-"), 8.54, 8.54),
    (config_of("gemma2", "26/2304/8/-/-/-/-"), 2.61, 2.61),
    (
        {"model_type": "gemma3", "text_config": config_of("gemma3_text", "62/5376/32/16/128/21504/-")},
        27.009346304,
        27.009346304,
    ),
    (config_of("glm4", "40/4096/32/-/-/-/-"), 9.4, 9.4),
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
        9.4,
    ),
    (config_of("qwen3", "36/4096/32/8/-/12288/-"), 8.19, 8.19),
    (config_of("qwen3_vl_text", "36/4096/32/8/-/12288/-"), 8.190735360, 8.190735360),
    (
        config_of(
            "qwen3_vl_moe_text",
            "94/4096/64/4/128/-/-",
            num_experts=128,
            num_experts_per_tok=8,
            moe_intermediate_size=1536,
        ),
        235.093634560,
        22.190763520,
    ),
    (config_of("olmo", "32/4096/32/-/-/-/-"), 6.888095744, 6.888095744),
    (config_of("olmo3", "32/4096/32/-/-/-/100278"), 7.298011136, 7.298011136),
    (config_of("exaone4", "64/5120/40/8/128/27392/-"), 32.003216384, 32.003216384),
    (
        {"model_type": "exaone", "num_layers": 32, "hidden_size": 4096, "num_attention_heads": 32},
        7.818448896,
        7.818448896,
    ),
    (config_of("cohere", "64/12288/96/8/-/33792/-", use_qk_norm=True), 103.810674688, 103.810674688),
    (config_of("cohere2", "64/12288/96/8/-/36864/-"), 111.057580032, 111.057580032),
    (config_of("starcoder2", "30/3072/24/-/-/-/-"), 3.030371328, 3.030371328),
    (config_of("starcoder2", "40/6144/48/4/-/24576/-", tie_word_embeddings=False), 15.957889024, 15.957889024),
    (
        config_of("stablelm", "40/5120/32/8/-/13824/100352", use_parallel_residual=True, qk_layernorm=True),
        12.143185920,
        12.143185920,
    ),
    (config_of("smollm3", "36/2048/16/-/-/-/-"), 3.075098624, 3.075098624),
    (config_of("seed_oss", "64/5120/80/-/-/-/-"), 36.151104512, 36.151104512),
    (config_of("apertus", "32/4096/32/8/-/21504/-"), 8.053338176, 8.053338176),
    (config_of("arcee", "36/2560/20/4/128/18432/128004"), 4.619184640, 4.619184640),
    (config_of("nemotron", "96/18432/96/8/-/73728/-"), 341.029195776, 341.029195776),
    (config_of("granite", "40/4096/32/8/-/12800/49155", tie_word_embeddings=True), 8.170848256, 8.170848256),
    (config_of("ernie4_5", "18/1024/16/-/-/-/-"), 0.360748032, 0.360748032),
    (config_of("internlm3", "48/4096/32/-/-/-/-"), 8.804241408, 8.804241408),
    (config_of("minicpm3", "62/2560/40/-/-/-/-"), 4.073875968, 4.073875968),
    (config_of("minicpm", "40/2304/36/36/-/5760/122753"), 2.724880896, 2.724880896),
    (config_of("orion", "40/5120/40/40/-/15360/84608"), 14.5, 14.5),
    (config_of("ministral3", "40/5120/32/8/128/32768/131072", tie_word_embeddings=False), 23.572403200, 23.572403200),
    (config_of("qwen2_moe", "24/2048/16/-/-/-/-"), 14.3, 2.7),
    (config_of("glm4_moe", "46/4096/96/-/128/-/-"), 106.85, 13.42),
    (
        config_of(
            "dots1",
            "62/4096/32/32/128/-/-",
            n_routed_experts=128,
            num_experts_per_tok=6,
            n_shared_experts=2,
            first_k_dense_replace=1,
        ),
        142.774373888,
        14.016581120,
    ),
    (config_of("ernie4_5_moe", "28/2560/20/-/-/-/-"), 21.825437888, 3.352150208),
    (
        config_of(
            "ernie4_5_moe",
            "54/8192/64/8/-/28672/-",
            moe_intermediate_size=3584,
            moe_k=8,
            moe_num_shared_experts=0,
            moe_layer_start_index=3,
            tie_word_embeddings=False,
        ),
        299.484163264,
        47.926586560,
    ),
    (
        config_of(
            "hunyuan_v1_moe",
            "32/4096/32/8/128/3072/128167",
            num_experts=64,
            moe_topk=[8] * 32,
            tie_word_embeddings=True,
        ),
        80.393183232,
        12.747448320,
    ),
    (config_of("grok-1", "64/6144/48/8/-/32768/131072"), 315.684820992, 83.8),
    (
        config_of(
            "bailing_moe_v2",
            "20/2048/16/4/128/5120/157184",
            num_experts=256,
            num_experts_per_tok=8,
            num_shared_experts=1,
            moe_intermediate_size=512,
            first_k_dense_replace=1,
            use_qk_norm=True,
            use_bias=False,
        ),
        16.255638528,
        1.43,
    ),
    (
        config_of(
            "bailing_moe",
            "32/4096/32/4/128/9216/157184",
            num_experts=256,
            num_experts_per_tok=8,
            num_shared_experts=1,
            moe_intermediate_size=1024,
            first_k_dense_replace=1,
            use_qk_norm=True,
            use_bias=False,
        ),
        102.889697280,
        6.15,
    ),
    (
        {"model_type": "longcat_flash", "num_layers": 28, "hidden_size": 6144, "num_attention_heads": 64},
        560.664958976,
        27.9,  # 8 of 12 slots hold an expert on average; published: 18.6 to 31.3, about 27 without embeddings
    ),
    (
        config_of(
            "granitemoe",
            "24/1024/16/8/-/512/49155",
            num_local_experts=32,
            num_experts_per_tok=8,
            tie_word_embeddings=True,
        ),
        1.334594560,
        0.428,
    ),
    (config_of("minimax_m2", "62/3072/48/-/-/-/-"), 228.689748992, 11.030537216),
]

GEMMA_4_31B = {"hidden_size_per_layer_input": 0, "num_global_key_value_heads": 4, "attention_k_eq_v": True}
KIMI_LAYERS = {"full_attn_layers": [4, 8, 12, 16, 20, 24, 27], "kda_layers": [], "head_dim": 128, "num_heads": 32}
KNOWN += [
    (config_of("deepseek_v32", "61/7168/128/-/-/-/-"), 671.877929216, 38.403807488),
    (config_of("qwen3_next", "48/2048/16/-/-/-/-"), 79.674391296, 3.874929408),
    (config_of("kimi_linear", "27/2304/32/32/-/-/-", linear_attn_config=KIMI_LAYERS), 49.122675072, 3.49),
    (
        config_of(
            "minimax_text_01",
            "80/6144/64/8/128/9216/200064",
            num_local_experts=32,
            attn_type_list=[int((layer + 1) % 8 == 0) for layer in range(80)],
        ),
        456.089655296,
        48.403306496,
    ),
    (config_of("jamba", "32/4096/32/-/-/-/-"), 51.570323328, 12.11),
    (config_of("jamba", "72/8192/64/8/-/24576/-"), 398.555145696, 94.15),
    (
        config_of(
            "falcon_h1",
            "72/5120/20/4/128/21504/261120",
            mamba_d_ssm=4096,
            mamba_n_heads=32,
            mamba_n_groups=2,
            mamba_d_state=256,
        ),
        33.642221312,
        33.642221312,
    ),
    (
        config_of(
            "granitemoehybrid",
            "40/4096/32/8/-/768/100352",
            num_local_experts=72,
            num_experts_per_tok=10,
            shared_intermediate_size=1536,
            mamba_d_state=128,
            tie_word_embeddings=True,
            layer_types=["attention" if layer in (5, 15, 25, 35) else "mamba" for layer in range(40)],
        ),
        32.207337984,
        8.803121664,
    ),
    (
        {
            "model_type": "mamba2",
            "num_hidden_layers": 64,
            "hidden_size": 2560,
            "num_heads": 80,
            "n_groups": 1,
            "vocab_size": 50288,
            "tie_word_embeddings": True,
        },
        2.702599680,
        2.702599680,
    ),
    ({"model_type": "mamba2", "num_hidden_layers": 64, "hidden_size": 4096}, 7.285403648, 7.285403648),
    (config_of("lfm2", "16/2048/32/8/-/-/-", full_attn_idxs=[2, 5, 8, 10, 12, 14]), 1.170340608, 1.170340608),
    (
        {"model_type": "llama4", "text_config": config_of("llama4_text", "48/5120/40/8/128/-/-")},
        107.769861120,
        17.172894720,
    ),
    # Model cards, recalled: OpenELM 270M to the digit; Gemma 3n with unused keys and values of its last layers, 31 M
    (
        {
            "model_type": "openelm",
            "num_transformer_layers": 16,
            "model_dim": 1280,
            "head_dim": 64,
            "num_query_heads": [12, 12, 12, 12, 12, 16, 16, 16, 16, 16, 16, 16, 20, 20, 20, 20],
            "num_kv_heads": [3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5],
            "ffn_multipliers": [
                0.5,
                0.73,
                0.97,
                1.2,
                1.43,
                1.67,
                1.9,
                2.13,
                2.37,
                2.6,
                2.83,
                3.07,
                3.3,
                3.53,
                3.77,
                4.0,
            ],
        },
        0.271527168,
        0.271527168,
    ),
    (config_of("gemma3n_text", "35/2048/8/-/-/-/-"), 6.87 - 0.0315, 6.87 - 0.0315),
    (config_of("gemma4_text", "60/5376/32/16/256/21504/-", **GEMMA_4_31B), 30.697345280, 30.697345280),
    (config_of("bamba", "32/4096/32/-/-/-/128256", attn_layer_indices=[9, 18, 27], mamba_d_state=128), 9.78, 9.78),
    (
        config_of("falcon_mamba", "64/4096/-/-/-/-/65024", tie_word_embeddings=False),
        7.27,
        7.27,
    ),
    (
        config_of(
            "lfm2_moe",
            "24/2048/32/-/-/-/-",
            layer_types=["full_attention" if layer in (2, 6, 10, 14, 18, 21) else "conv" for layer in range(24)],
        ),
        8.34,
        1.56,
    ),
]

# Types that are read as a tested one is
OTHER_NAMES = {
    "glm",
    "granitemoeshared",
    "hunyuan",
    "hunyuan_v1_dense",
    "minimax",
    "minimax_m1",
    "mistral3_text",
    "qwen2_5_vl_text",
    "qwen2_vl_text",
    "step3p5",
}

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


@pytest.mark.parametrize(("config", "total", "active"), KNOWN, ids=[str(config["model_type"]) for config, *_ in KNOWN])
def test_class_defaults_complete_known_models(config: dict[str, object], total: float, active: float) -> None:
    """Exact counts have digits enough to be told from those in print."""
    description = model(config)
    exact = len(str(total)) > 8
    assert total_parameters(description) / 1e9 == pytest.approx(total, rel=4e-4 if exact else 5e-3)
    assert active_parameters(description) / 1e9 == pytest.approx(active, rel=4e-4 if len(str(active)) > 8 else 5e-3)


def test_deepseek_v4_by_layer() -> None:
    """Ratios as listed, those of modules left off; without a list as the class has it."""
    listed = model(json.loads((PUBLIC / "deepseek-v4-flash" / "config.json").read_text(encoding="utf-8")))
    assert [listed.block_kind(layer).mixer for layer in (0, 1, 2, 3, 42)] == [
        "window",
        "window",
        "picked",
        "pooled",
        "picked",
    ]
    assert (listed.mtp_layers, listed.residual_streams, listed.residual_width) == (1, 4, 4 * 4096)
    filled = model(read("DeepSeek-V4-Flash-284B"))
    assert [filled.block_kind(layer).mixer for layer in range(5)] == ["pooled", "pooled", "pooled", "picked", "pooled"]
    found = problems(read("DeepSeek-V4-Flash-284B") | {"compress_ratios": [3] * 43})
    assert "not 0, 4 or 128" in found["compress_ratios"]


def test_every_known_type_is_tested() -> None:
    tested = {opened(config).kind for config, *_ in KNOWN} | {
        opened(json.loads(path.read_text(encoding="utf-8"))).kind
        for folder in (FIXTURES, PUBLIC)
        for path in folder.glob("*/config.json")
    }
    assert set(READERS) - tested == OTHER_NAMES


def test_name_is_the_folder_or_the_type() -> None:
    assert model_from_config(LLAMA, "models/My-Llama/config.json")["name"] == "My-Llama"
    assert model_from_config(LLAMA, "my-llama.json")["name"] == "my-llama"
    assert model_from_config(LLAMA, "config.json")["name"] == "llama"


def test_deepseek_v3_layer_by_layer() -> None:
    description = model(read("DeepSeek-V3"))
    assert [description.block_kind(layer).channel_mixer for layer in (0, 2, 3, 60)] == [
        "dense",
        "dense",
        "experts",
        "experts",
    ]
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
    assert [description.block_kind(layer).channel_mixer for layer in range(6)] == [
        "dense",
        "experts",
        "dense",
        "dense",
        "dense",
        "experts",
    ]


def test_every_nth_expert_layer_counts_from_the_first() -> None:
    description = model(read("DeepSeek-V3") | {"moe_layer_freq": 2})
    # layer >= 3 and layer % 2 == 0: modeling_deepseek.py
    assert [description.block_kind(layer).channel_mixer for layer in range(3, 7)] == [
        "dense",
        "experts",
        "dense",
        "experts",
    ]


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
            {"model_type": "gemma3_text", "layer_types": ["full_attention", "sliding_attention"] * 16},
            4096,
            ("full", "sliding") * 16,
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
        ({"model_type": "deepseek_v4", "compress_ratios": [4]}, "compress_ratios"),
        ({"model_type": "gpt_neox", "hidden_dropout": "much"}, "hidden_dropout"),
    ],
)
def test_impossible_values_are_refused(change: dict[str, object], key: str) -> None:
    assert key in problems(LLAMA | change)
