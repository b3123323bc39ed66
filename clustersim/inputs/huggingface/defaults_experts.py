"""What configuration classes fill in for mixtures of experts; see `defaults.py` for where they were read."""

from __future__ import annotations

from clustersim.inputs.huggingface.defaults import GRANITE, LLAMA, QWEN2, QWEN3, Defaults, sized

_LATENT: Defaults = {
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}

# MixtralConfig
MIXTRAL = LLAMA | sized("32/4096/32/8/-/14336/32000", sliding_window=None, num_local_experts=8, num_experts_per_tok=2)

# Qwen2MoeConfig; Qwen3MoeConfig, where a window, if one is used, holds for every layer
QWEN2_MOE = QWEN2 | sized(
    "24/2048/16/16/-/5632/151936",
    qkv_bias=True,
    num_experts=60,
    num_experts_per_tok=4,
    moe_intermediate_size=1408,
    shared_expert_intermediate_size=5632,
    decoder_sparse_step=1,
    mlp_only_layers=None,
)
QWEN3_MOE = QWEN3 | sized(
    "24/2048/32/4/-/6144/151936",
    max_window_layers=0,
    num_experts=128,
    num_experts_per_tok=8,
    moe_intermediate_size=768,
    decoder_sparse_step=1,
    mlp_only_layers=None,
)
# Qwen3VLMoeTextConfig
QWEN3_VL_MOE = QWEN3_MOE | sized(
    "24/2048/16/16/-/5632/151936", num_experts=60, num_experts_per_tok=4, moe_intermediate_size=1408
)

# DbrxConfig, DbrxAttentionConfig, DbrxFFNConfig
DBRX: Defaults = {
    "vocab_size": 32000,
    "tie_word_embeddings": False,
    "kv_n_heads": 1,
    "ffn_hidden_size": 3584,
    "moe_num_experts": 4,
    "moe_top_k": 1,
}

_ROUTED: Defaults = {"moe_layer_freq": 1, "n_group": None, "topk_group": None, "num_nextn_predict_layers": 0}

# DeepseekConfig (the first), in its repository (recalled: as Llama's, experts beside)
DEEPSEEK = LLAMA | _ROUTED | {"first_k_dense_replace": 0, "n_shared_experts": None, "moe_intermediate_size": 1407}

# DeepseekV2Config
DEEPSEEK_V2 = (
    LLAMA
    | _LATENT
    | _ROUTED
    | {
        "first_k_dense_replace": 0,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "moe_intermediate_size": 1407,
    }
)

# DeepseekV3Config; num_nextn_predict_layers is no key of the class: modules beyond the layers are not loaded
DEEPSEEK_V3 = (
    LLAMA
    | _LATENT
    | _ROUTED
    | sized("61/7168/128/128/-/18432/129280")
    | {
        "first_k_dense_replace": 3,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 2048,
        "n_group": 8,
        "topk_group": 4,
    }
)

# Kimi K2's repository uses DeepSeek's class of its own time (recalled): the same defaults.
KIMI_K2 = DEEPSEEK_V3

# openPangu-Ultra-MoE's configuration class (in its repository): as its config.json; no limit on groups
PANGU_ULTRA_MOE = DEEPSEEK_V3 | {"vocab_size": 153600, "n_group": None, "topk_group": None}

# Glm4MoeConfig; its class derives a head size of 42, which no file leaves to it
GLM4_MOE = (
    LLAMA
    | _ROUTED
    | sized("46/4096/96/8/-/10944/151552")
    | {
        "use_qk_norm": False,
        "first_k_dense_replace": 1,
        "n_routed_experts": 128,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 1408,
        "n_group": 1,
        "topk_group": 1,
    }
)

# Dots1Config: numbers of experts must be given
DOTS1 = (
    LLAMA
    | _ROUTED
    | sized("62/4608/32/32/-/10944/152064")
    | {
        "first_k_dense_replace": 0,
        "n_shared_experts": None,
        "moe_intermediate_size": 1408,
    }
)

# GptOssConfig: layers alternate between a window and the whole sequence
GPT_OSS = sized(
    "36/2880/64/8/64/2880/201088",
    attention_bias=True,
    num_local_experts=128,
    num_experts_per_tok=4,
    sliding_window=128,
    layer_types=None,
)

# MiniMaxM2Config, OlmoeConfig, PhimoeConfig
MINIMAX_M2 = LLAMA | sized("62/3072/48/8/128/1536/200064", num_local_experts=256, num_experts_per_tok=8)
OLMOE = LLAMA | sized("16/2048/16/-/-/2048/50304", num_experts=64, num_experts_per_tok=8)
PHIMOE = LLAMA | sized(
    "32/4096/32/8/-/6400/32064", num_local_experts=16, num_experts_per_tok=2, sliding_window=None, lm_head_bias=False
)

# GraniteMoeConfig, GraniteMoeSharedConfig
GRANITEMOE = GRANITE | {"num_local_experts": 8, "num_experts_per_tok": 2, "shared_intermediate_size": 0}

# Ernie4_5_MoeConfig
ERNIE4_5_MOE = LLAMA | sized(
    "28/2560/20/4/-/12288/103424",
    tied=True,
    use_bias=False,
    moe_num_experts=64,
    moe_k=6,
    moe_intermediate_size=1536,
    moe_num_shared_experts=2,
    moe_layer_interval=1,
    moe_layer_start_index=1,
    moe_layer_end_index=-1,  # the last
    num_nextn_predict_layers=0,
)

# HunYuanMoEV1Config
HUNYUAN_MOE = LLAMA | sized("32/4096/32/-/-/11008/290943", num_experts=1, moe_topk=1, num_shared_expert=1)

# LongcatFlashConfig
LONGCAT_FLASH = _LATENT | {
    "num_layers": 28,
    "hidden_size": 6144,
    "num_attention_heads": 64,
    "vocab_size": 131072,
    "tie_word_embeddings": False,
    "ffn_hidden_size": 12288,
    "expert_ffn_hidden_size": 2048,
    "n_routed_experts": 512,
    "moe_topk": 12,
    "zero_expert_num": 256,
    "num_nextn_predict_layers": 0,
}

# ArcticConfig, in its repository and vllm @3c8d43f; Grok1Config, vllm @8dbc899
ARCTIC = LLAMA | sized(
    "32/4096/32/-/-/14336/32000",
    num_local_experts=8,
    num_experts_per_tok=1,
    moe_layer_frequency=2,
    use_residual=True,
)
GROK1 = LLAMA | sized("32/4096/32/32/-/32768/32000", tied=True, num_experts=8, num_experts_per_tok=2)

# BailingMoeConfig, vllm @0747d64; BailingMoeV2Config, inclusionAI/Ming @621db5f
BAILING_MOE = _ROUTED | sized(
    "24/1024/16/-/-/-/30592",
    num_experts=16,
    num_experts_per_tok=2,
    num_shared_experts=0,
    moe_intermediate_size=None,
    first_k_dense_replace=0,
    use_bias=True,
    use_qkv_bias=False,
    use_qk_norm=False,
)
