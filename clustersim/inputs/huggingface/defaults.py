"""What the configuration classes of Hugging Face `transformers` fill in where a config.json is silent.

Read from transformers 4.57.1, `transformers/models/*/configuration_*.py`, class by class. Classes that live in model
repositories instead (`trust_remote_code`) are named with what their values rest on. A `None` means: derived or absent.
"""

from __future__ import annotations

Defaults = dict[str, object]

_DEEPSEEK_LATENT: Defaults = {
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}

# LlamaConfig
LLAMA: Defaults = {
    "intermediate_size": 11008,
    "vocab_size": 32000,
    "num_key_value_heads": None,  # as many as heads
    "head_dim": None,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": False,
}

# MistralConfig
MISTRAL: Defaults = LLAMA | {"intermediate_size": 14336, "num_key_value_heads": 8, "sliding_window": 4096}

# MixtralConfig
MIXTRAL: Defaults = LLAMA | {
    "intermediate_size": 14336,
    "num_key_value_heads": 8,
    "sliding_window": None,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}

# Qwen2Config; its projections of queries, keys and values always have biases (modeling_qwen2.py)
QWEN2: Defaults = LLAMA | {
    "intermediate_size": 22016,
    "vocab_size": 151936,
    "num_key_value_heads": 32,
    "attention_bias": True,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
    "layer_types": None,
}

# Qwen3Config
QWEN3: Defaults = QWEN2 | {"attention_bias": False, "head_dim": 128}

# Qwen2MoeConfig
QWEN2_MOE: Defaults = QWEN2 | {
    "intermediate_size": 5632,
    "num_key_value_heads": 16,
    "qkv_bias": True,
    "num_experts": 60,
    "num_experts_per_tok": 4,
    "moe_intermediate_size": 1408,
    "shared_expert_intermediate_size": 5632,
    "decoder_sparse_step": 1,
    "mlp_only_layers": None,
}

# Qwen3MoeConfig; a window, where one is used, holds for every layer
QWEN3_MOE: Defaults = QWEN3 | {
    "head_dim": None,
    "intermediate_size": 6144,
    "num_key_value_heads": 4,
    "max_window_layers": 0,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 768,
    "decoder_sparse_step": 1,
    "mlp_only_layers": None,
}

# DbrxConfig, DbrxAttentionConfig, DbrxFFNConfig
DBRX: Defaults = {
    "vocab_size": 32000,
    "tie_word_embeddings": False,
    "kv_n_heads": 1,
    "ffn_hidden_size": 3584,
    "moe_num_experts": 4,
    "moe_top_k": 1,
}

# DeepseekV2Config
DEEPSEEK_V2: Defaults = (
    LLAMA
    | _DEEPSEEK_LATENT
    | {
        "first_k_dense_replace": 0,
        "moe_layer_freq": 1,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "moe_intermediate_size": 1407,
        "n_group": None,
        "topk_group": None,
        "num_nextn_predict_layers": 0,
    }
)

# DeepseekV3Config
DEEPSEEK_V3: Defaults = (
    LLAMA
    | _DEEPSEEK_LATENT
    | {
        "intermediate_size": 18432,
        "vocab_size": 129280,
        "num_key_value_heads": 128,
        "first_k_dense_replace": 3,
        "moe_layer_freq": 1,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 2048,
        "n_group": 8,
        "topk_group": 4,
        "num_nextn_predict_layers": 0,  # not a key of the class: modules beyond the layers are not loaded
    }
)

# Kimi K2's repository uses DeepSeek's class of its own time (recalled): the same defaults.
KIMI_K2: Defaults = DEEPSEEK_V3

# openPangu-Ultra-MoE's configuration class (in its repository): as its config.json; no limit on groups
PANGU_ULTRA_MOE: Defaults = DEEPSEEK_V3 | {"vocab_size": 153600, "n_group": None, "topk_group": None}

# DeepSeek-V4's class is not in transformers 4.57; sizes of the output's low rank and of the rotary part are recalled.
DEEPSEEK_V4: Defaults = {
    "vocab_size": 129280,
    "num_key_value_heads": 1,
    "head_dim": 512,
    "q_lora_rank": 1024,
    "qk_rope_head_dim": 64,
    "o_groups": 8,
    "o_lora_rank": 1024,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 6,
    "moe_intermediate_size": 2048,
    "first_k_dense_replace": 0,
    "moe_layer_freq": 1,
    "n_group": None,
    "topk_group": None,
    "num_nextn_predict_layers": 0,
    "tie_word_embeddings": False,
}

# GPT2Config; ties by PretrainedConfig's default
GPT2: Defaults = {
    "n_inner": None,  # four times n_embd
    "n_positions": 1024,
    "vocab_size": 50257,
    "tie_word_embeddings": True,
    "resid_pdrop": 0.1,
    "embd_pdrop": 0.1,
}

# GPTNeoXConfig
GPT_NEOX: Defaults = {
    "intermediate_size": 24576,
    "vocab_size": 50432,
    "tie_word_embeddings": False,
    "hidden_dropout": 0.0,
}

# OPTConfig; ties by PretrainedConfig's default
OPT: Defaults = {
    "ffn_dim": 3072,
    "vocab_size": 50272,
    "max_position_embeddings": 2048,
    "enable_bias": True,
    "tie_word_embeddings": True,
    "word_embed_proj_dim": None,
    "dropout": 0.1,
}

# GemmaConfig
GEMMA: Defaults = LLAMA | {
    "intermediate_size": 24576,
    "vocab_size": 256000,
    "num_key_value_heads": 16,
    "head_dim": 256,
    "tie_word_embeddings": True,
}

# Gemma2Config; every second layer is full
GEMMA2: Defaults = GEMMA | {
    "intermediate_size": 9216,
    "num_key_value_heads": 4,
    "sliding_window": 4096,
    "sliding_window_pattern": 2,
    "layer_types": None,
}

# Gemma3TextConfig; every sixth layer is full
GEMMA3: Defaults = GEMMA2 | {"vocab_size": 262208, "sliding_window_pattern": 6}

# GlmConfig and Glm4Config; biases on queries, keys and values only (modeling_glm4.py)
GLM: Defaults = LLAMA | {
    "intermediate_size": 13696,
    "vocab_size": 151552,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "attention_bias": True,
}

# Glm4MoeConfig
GLM4_MOE: Defaults = LLAMA | {
    "intermediate_size": 10944,
    "vocab_size": 151552,
    "num_key_value_heads": 8,
    "use_qk_norm": False,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "n_routed_experts": 128,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 1408,
    "n_group": 1,
    "topk_group": 1,
    "num_nextn_predict_layers": 0,
}

# ChatGLMConfig, in the repositories of ChatGLM2/3 and GLM-4-9B (recalled)
CHATGLM: Defaults = {
    "ffn_hidden_size": 13696,
    "padded_vocab_size": 65024,
    "kv_channels": 128,
    "multi_query_attention": False,
    "multi_query_group_num": 1,
    "add_bias_linear": False,
    "add_qkv_bias": False,
    "tie_word_embeddings": False,
    "hidden_dropout": 0.0,
}
