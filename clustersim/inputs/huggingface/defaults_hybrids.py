"""What configuration classes fill in for hybrids of attention, state spaces and linear attention, and for models whose
layers differ one from another; see `defaults.py` for where they were read."""

from __future__ import annotations

from clustersim.inputs.huggingface.defaults import LLAMA, Defaults, sized
from clustersim.inputs.huggingface.defaults_experts import DEEPSEEK_V3

_DELTA: Defaults = {
    "layer_types": None,
    "full_attention_interval": 4,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4,
    "mtp_num_hidden_layers": 0,
}
_QWEN_EXPERTS: Defaults = {
    "moe_intermediate_size": 512,
    "shared_expert_intermediate_size": 512,
    "decoder_sparse_step": 1,
    "mlp_only_layers": None,
}

# Qwen3NextConfig, Qwen3_5TextConfig, Qwen3_5MoeTextConfig
QWEN3_NEXT = _DELTA | _QWEN_EXPERTS | sized("48/2048/16/2/256/5632/151936", num_experts=512, num_experts_per_tok=10)
QWEN3_5 = _DELTA | sized("32/4096/16/4/256/12288/248320")
QWEN3_5_MOE = _DELTA | _QWEN_EXPERTS | sized("40/2048/16/2/256/-/248320", num_experts=256, num_experts_per_tok=8)

# KimiLinearConfig, in its repository
KIMI_LINEAR = sized(
    "27/2304/32/32/-/9216/163840",
    num_experts=256,
    num_experts_per_token=8,
    num_shared_experts=1,
    moe_intermediate_size=1024,
    first_k_dense_replace=1,
    moe_layer_freq=1,
    num_expert_group=1,
    topk_group=1,
    kv_lora_rank=512,
    q_lora_rank=None,
    qk_nope_head_dim=128,
    qk_rope_head_dim=64,
    v_head_dim=128,
    linear_attn_config=None,
    num_nextn_predict_layers=0,
)

# MiniMaxConfig; MiniMax-Text-01's own class (vllm @502b2b9) has attn_type_list, 1 for softmax attention
MINIMAX = sized(
    "32/4096/32/8/-/14336/32000",
    num_local_experts=8,
    num_experts_per_tok=2,
    layer_types=None,
    attn_type_list=None,
    block_size=256,
)

# NemotronHConfig
NEMOTRON_H = sized(
    "52/4096/32/8/128/21504/131072",
    hybrid_override_pattern=None,
    layers_block_type=None,
    mamba_num_heads=128,
    mamba_head_dim=64,
    n_groups=8,
    ssm_state_size=128,
    conv_kernel=4,
    chunk_size=128,
    n_routed_experts=8,
    n_shared_experts=1,
    num_experts_per_tok=2,
    moe_intermediate_size=7688,
    moe_shared_expert_intermediate_size=7688,
    moe_latent_size=None,
    n_group=1,
    topk_group=1,
    num_nextn_predict_layers=0,
)

# JambaConfig
JAMBA = sized(
    "32/4096/32/8/-/14336/65536",
    num_experts=16,
    num_experts_per_tok=2,
    attn_layer_period=8,
    attn_layer_offset=4,
    expert_layer_period=2,
    expert_layer_offset=1,
    mamba_d_state=16,
    mamba_d_conv=4,
    mamba_expand=2,
    mamba_dt_rank="auto",
)

_MAMBA2: Defaults = {
    "mamba_n_heads": 128,
    "mamba_d_head": "auto",
    "mamba_n_groups": 1,
    "mamba_d_state": 256,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
    "mamba_chunk_size": 256,
}

# BambaConfig, GraniteMoeHybridConfig, FalconH1Config
BAMBA = _MAMBA2 | sized("32/4096/32/8/-/14336/128000", attn_layer_indices=None)
GRANITE_HYBRID = _MAMBA2 | sized(
    "32/4096/32/-/-/11008/32000",
    num_local_experts=8,
    num_experts_per_tok=2,
    shared_intermediate_size=1024,
    layer_types=None,
    position_embedding_type=None,
)
FALCON_H1 = _MAMBA2 | sized("32/4096/32/8/-/14336/128000", mamba_d_ssm=1024, mamba_rms_norm=False)

# MambaConfig, FalconMambaConfig; Mamba2Config
MAMBA: Defaults = {
    "vocab_size": 50280,
    "state_size": 16,
    "expand": 2,
    "conv_kernel": 4,
    "time_step_rank": "auto",
    "intermediate_size": None,
    "tie_word_embeddings": True,
}
MAMBA2: Defaults = {
    "vocab_size": 32768,
    "num_heads": 128,
    "head_dim": 64,
    "n_groups": 8,
    "state_size": 128,
    "conv_kernel": 4,
    "chunk_size": 256,
    "tie_word_embeddings": False,
}

# Lfm2Config, Lfm2MoeConfig
LFM2 = sized(
    "32/2560/32/8/-/12288/65536",
    tied=True,
    conv_L_cache=3,
    full_attn_idxs=None,
    layer_types=None,
    block_ff_dim=None,
    block_auto_adjust_ff_dim=True,
    block_ffn_dim_multiplier=1.0,
    block_multiple_of=256,
)
LFM2_MOE = sized(
    "32/2048/32/8/-/7168/65536",
    tied=True,
    conv_L_cache=3,
    layer_types=None,
    num_experts=32,
    num_experts_per_tok=4,
    moe_intermediate_size=1792,
    num_dense_layers=2,
)

_INDEXER: Defaults = {"index_n_heads": 64, "index_head_dim": 128, "index_topk": 2048}

# DeepseekV32Config; GlmMoeDsaConfig, whose later files share one layer's choice with others
DEEPSEEK_V32 = DEEPSEEK_V3 | _INDEXER
GLM_MOE_DSA = (
    DEEPSEEK_V3
    | sized("78/6144/64/64/-/12288/154880")
    | _INDEXER
    | {
        "q_lora_rank": 2048,
        "qk_nope_head_dim": 192,
        "v_head_dim": 256,
        "n_group": 1,
        "topk_group": 1,
        "index_n_heads": 32,
        "indexer_types": None,
        "index_topk_freq": 1,
        "index_skip_topk_offset": 2,
    }
)

# Llama4TextConfig
LLAMA4 = LLAMA | sized(
    "48/5120/40/8/128/8192/202048",
    num_local_experts=16,
    num_experts_per_tok=1,
    intermediate_size_mlp=16384,
    interleave_moe_layer_step=1,
    moe_layers=None,
    no_rope_layers=None,
    layer_types=None,
    attention_chunk_size=8192,
)

# Gemma4TextConfig; every sixth layer and the last full
GEMMA4 = sized(
    "30/2304/8/4/256/9216/262144",
    tied=True,
    sliding_window=512,
    sliding_window_pattern=6,
    layer_types=None,
    global_head_dim=512,
    num_global_key_value_heads=None,
    attention_k_eq_v=False,
    num_kv_shared_layers=0,
    use_double_wide_mlp=False,
    hidden_size_per_layer_input=256,
    vocab_size_per_layer_input=262144,
    enable_moe_block=False,
    num_experts=None,
    top_k_experts=None,
    moe_intermediate_size=None,
)

# Gemma3nTextConfig; every fifth layer full
GEMMA3N = sized(
    "35/2048/8/2/256/16384/262400",
    tied=True,
    sliding_window=512,
    layer_types=None,
    num_kv_shared_layers=15,
    hidden_size_per_layer_input=256,
    vocab_size_per_layer_input=262144,
    laurel_rank=64,
    altup_num_inputs=4,
)

# MiMoV2FlashConfig, Step3p5's text class
MIMO_V2 = sized(
    "48/4096/64/4/192/16384/152576",
    v_head_dim=128,
    swa_num_key_value_heads=None,
    swa_num_attention_heads=None,
    swa_head_dim=None,
    swa_v_head_dim=None,
    sliding_window=129,
    hybrid_layer_pattern=None,
    moe_layer_freq=None,
    n_routed_experts=256,
    num_experts_per_tok=8,
    moe_intermediate_size=2048,
    n_shared_experts=None,
    add_swa_attention_sink_bias=False,
    add_full_attention_sink_bias=False,
    num_nextn_predict_layers=0,
)
STEP3P5 = sized(
    "45/4096/64/8/128/11264/128815",
    num_experts=288,
    num_experts_per_tok=8,
    moe_intermediate_size=1280,
    share_expert_dim=1280,
    first_k_dense_replace=3,
    moe_layers_enum=None,
    sliding_window=512,
    layer_types=None,
    attention_other_setting=None,
    num_nextn_predict_layers=0,
)

# DeciLMConfig of Nemotron-NAS (vllm @00bd149, nemotron_nas.py)
NEMOTRON_NAS = LLAMA | {"block_configs": None, "intermediate_size": None}

# OpenELMConfig, in Apple's repository (recalled)
OPENELM: Defaults = {
    "vocab_size": 32000,
    "head_dim": 128,
    "ffn_with_glu": True,
    "ffn_dim_divisor": 256,
    "share_input_output_layers": True,
    "normalize_qk_projections": True,
}

# DeepseekV4Config; a ratio a layer: none, 4 (picked by an indexer) or 128
DEEPSEEK_V4 = sized(
    "43/4096/64/1/512/-/129280",
    q_lora_rank=1024,
    qk_rope_head_dim=64,
    o_groups=8,
    o_lora_rank=1024,
    n_routed_experts=256,
    n_shared_experts=1,
    num_experts_per_tok=6,
    moe_intermediate_size=2048,
    first_k_dense_replace=0,
    moe_layer_freq=1,
    n_group=None,
    topk_group=None,
    num_nextn_predict_layers=0,
    sliding_window=128,
    index_n_heads=64,
    index_head_dim=128,
    index_topk=512,
    hc_mult=4,
    compress_ratios=None,
)
