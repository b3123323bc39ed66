"""What the configuration classes of Hugging Face `transformers` fill in where a config.json of a dense model is silent.

Read from transformers 5.24.0, `transformers/models/<type>/configuration_<type>.py`, class by class; 4.57.1 has the same
sizes. Classes that live in model repositories instead (`trust_remote_code`) are named with what their values rest on.
`sized` writes the sizes in one line: layers / hidden / heads / key-value heads / head size / feed-forward / words, with
`-` for none or derived. Layers, hidden size and heads are used for sections in a larger file alone: a file of its own
that leaves them out is refused.
"""

from __future__ import annotations

Defaults = dict[str, object]

SIZES = (
    "num_hidden_layers",
    "hidden_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
)


def sized(line: str, *, tied: bool = False, **more: object) -> Defaults:
    """Defaults in the spelling of Llama's class, from sizes in one line."""
    given = zip(SIZES, line.split("/"), strict=True)
    return {key: None if size == "-" else int(size) for key, size in given} | {"tie_word_embeddings": tied} | more


# LlamaConfig; as many key-value heads as heads where none are given
LLAMA = sized("32/4096/32/-/-/11008/32000", attention_bias=False, mlp_bias=False)

# MistralConfig; Ministral3Config (34 layers, no window); MinistralConfig has the same keys
MISTRAL = LLAMA | sized("32/4096/32/8/-/14336/32000", sliding_window=4096)
MINISTRAL3 = LLAMA | sized("34/4096/32/8/128/14336/131072", sliding_window=None)
MISTRAL3_TEXT = MISTRAL | sized("40/5120/32/8/128/32768/131072", sliding_window=None)  # Mistral3Config's text_config

# Qwen2Config; its projections of queries, keys and values always have biases (modeling_qwen2.py)
QWEN2 = LLAMA | sized(
    "32/4096/32/32/-/22016/151936",
    attention_bias=True,
    use_sliding_window=False,
    sliding_window=4096,
    max_window_layers=28,
    layer_types=None,
)
QWEN3 = QWEN2 | {"attention_bias": False, "head_dim": 128}  # Qwen3Config
MIMO = QWEN2 | {"num_nextn_predict_layers": 1}  # MiMoConfig, in its repository (recalled): Qwen2's and a module
QWEN2_VL = QWEN2 | sized("80/8192/64/8/-/29568/152064")  # Qwen2VLTextConfig, Qwen2_5_VLTextConfig
QWEN3_VL = QWEN3 | sized("32/4096/32/32/128/22016/151936")  # Qwen3VLTextConfig

# QWenConfig, in Qwen's repository (recalled): `intermediate_size` is that of both halves of the gated projection
QWEN: Defaults = sized("32/4096/32/-/-/22016/151936") | {"kv_channels": 128}

# GPT2Config; ties by PretrainedConfig's default
GPT2: Defaults = {
    "n_inner": None,  # four times n_embd
    "n_positions": 1024,
    "vocab_size": 50257,
    "tie_word_embeddings": True,
    "resid_pdrop": 0.1,
    "embd_pdrop": 0.1,
}
GPT_BIGCODE = GPT2 | {"multi_query": True}  # GPTBigCodeConfig
GPTJ = GPT2 | {"n_positions": 2048, "vocab_size": 50400, "tie_word_embeddings": False, "resid_pdrop": 0.0}  # GPTJConfig

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
    "do_layer_norm_before": True,
    "dropout": 0.1,
}

# FalconConfig, BloomConfig, MptConfig
FALCON: Defaults = {
    "vocab_size": 65024,
    "num_kv_heads": None,
    "multi_query": True,
    "new_decoder_architecture": False,
    "parallel_attn": True,
    "alibi": False,
    "bias": False,
    "ffn_hidden_size": None,  # four times hidden_size
    "hidden_dropout": 0.0,
    "tie_word_embeddings": True,
}
BLOOM: Defaults = {"vocab_size": 250880, "hidden_dropout": 0.0, "tie_word_embeddings": True}
MPT: Defaults = {"expansion_ratio": 4, "vocab_size": 50368, "tie_word_embeddings": True, "max_seq_len": 2048}

# PhiConfig (phi-1, phi-1.5, phi-2); Phi3Config (phi-3, phi-4)
PHI = sized("24/2048/32/-/-/8192/51200", resid_pdrop=0.0)
PHI3 = LLAMA | sized("32/3072/32/-/-/8192/32064", sliding_window=None)

# GemmaConfig; Gemma2Config, every second layer full; Gemma3TextConfig, every sixth
GEMMA = LLAMA | sized("28/3072/16/16/256/24576/256000", tied=True)
_GEMMA_WINDOW: Defaults = {"sliding_window": 4096, "layer_types": None}
GEMMA2 = LLAMA | sized("26/2304/8/4/256/9216/256000", tied=True, sliding_window_pattern=2, **_GEMMA_WINDOW)
GEMMA3 = LLAMA | sized("26/2304/8/4/256/9216/262208", tied=True, sliding_window_pattern=6, **_GEMMA_WINDOW)

# GlmConfig and Glm4Config; biases on queries, keys and values only (modeling_glm4.py)
GLM = LLAMA | sized("40/4096/32/2/128/13696/151552", attention_bias=True)

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

# OlmoConfig, Olmo2Config; Olmo3Config, every fourth layer full
OLMO = LLAMA | sized("32/4096/32/-/-/11008/50304")
OLMO3 = OLMO | {"sliding_window": 4096, "sliding_window_pattern": 4, "layer_types": None}

# ExaoneConfig, in its repository; Exaone4Config, every fourth layer full
EXAONE = LLAMA | sized("32/4096/32/8/-/14336/102400")
EXAONE4 = LLAMA | sized("32/4096/32/32/-/16384/102400", sliding_window=4096, sliding_window_pattern=4, layer_types=None)

# CohereConfig; Cohere2Config, every fourth layer full
COHERE = LLAMA | sized("40/8192/64/-/-/22528/256000", tied=True)
COHERE2 = COHERE | {"sliding_window": 4096, "sliding_window_pattern": 4, "layer_types": None}

# Starcoder2Config, StableLmConfig, NemotronConfig
STARCODER2 = sized("30/3072/24/2/-/12288/49152", tied=True, use_bias=True, sliding_window=None, residual_dropout=0.0)
STABLELM = sized("32/2560/32/32/-/6912/50304", use_qkv_bias=False, hidden_dropout=0.0)
NEMOTRON = LLAMA | sized("32/6144/48/-/-/24576/256000")

SMOLLM3 = LLAMA | sized("36/2048/16/4/-/11008/128256", tied=True)
SEED_OSS = LLAMA | sized("64/4096/80/8/128/27648/155136", attention_bias=True)
APERTUS = LLAMA | sized("32/4096/32/-/-/14336/131072")
ARCEE = LLAMA | sized("32/2560/32/-/-/18432/32000")
GRANITE = LLAMA
ERNIE4_5 = LLAMA | sized("18/1024/16/2/128/3072/103424", tied=True, use_bias=False)
HUNYUAN_DENSE = LLAMA | sized("32/4096/32/-/-/11008/290943")
INTERNLM3 = sized("48/4096/32/2/128/10240/128512", qkv_bias=False, bias=False)

# Classes in model repositories: baichuan (vllm @822b463), xverse (mlc-llm, recalled), internlm2 (mlc-llm; its `bias`
# is True by class, recalled), orion (mlc-llm), minicpm (mlc-llm; ties, recalled)
BAICHUAN = LLAMA | sized("32/4096/32/-/-/11008/64000")
INTERNLM2 = sized("32/4096/32/-/-/11008/103168", bias=True)
MINICPM = LLAMA | sized("32/4096/32/-/-/11008/122753", tied=True, num_experts=0)
MINICPM3 = sized(
    "62/2560/40/-/-/6400/73448",
    tied=True,
    q_lora_rank=768,
    kv_lora_rank=256,
    qk_nope_head_dim=64,
    qk_rope_head_dim=32,
    v_head_dim=None,  # hidden_size over heads
)
