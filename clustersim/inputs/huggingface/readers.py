"""Every model type that is read: what its class fills in, and the function that reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from clustersim.inputs.huggingface import (
    defaults,
    defaults_experts,
    defaults_hybrids,
    dense,
    experts,
    gpt,
    hybrids,
    varied,
)
from clustersim.inputs.huggingface.config import Config, Fields
from clustersim.inputs.huggingface.defaults import Defaults


class Reader(NamedTuple):
    """How a type is read."""

    filled_in: Defaults
    read: Callable[[Config], Fields]


DENSE = {
    "apertus": Reader(defaults.APERTUS, dense.normed_plain),
    "arcee": Reader(defaults.ARCEE, dense.plain),
    "baichuan": Reader(defaults.BAICHUAN, dense.baichuan),
    "bloom": Reader(defaults.BLOOM, gpt.bloom),
    "chatglm": Reader(defaults.CHATGLM, gpt.chatglm),
    "cohere": Reader(defaults.COHERE, dense.cohere),
    "cohere2": Reader(defaults.COHERE2, dense.cohere2),
    "ernie4_5": Reader(defaults.ERNIE4_5, dense.ernie),
    "exaone": Reader(defaults.EXAONE, dense.exaone),
    "exaone4": Reader(defaults.EXAONE4, dense.exaone4),
    "falcon": Reader(defaults.FALCON, gpt.falcon),
    "gemma": Reader(defaults.GEMMA, dense.llama),
    "gemma2": Reader(defaults.GEMMA2, dense.gemma2),
    "gemma3_text": Reader(defaults.GEMMA3, dense.gemma3),
    "glm": Reader(defaults.GLM, dense.llama),
    "glm4": Reader(defaults.GLM, dense.glm4),
    "gpt2": Reader(defaults.GPT2, gpt.gpt2),
    "gpt_bigcode": Reader(defaults.GPT_BIGCODE, gpt.gpt_bigcode),
    "gpt_neox": Reader(defaults.GPT_NEOX, gpt.gpt_neox),
    "gptj": Reader(defaults.GPTJ, gpt.gptj),
    "granite": Reader(defaults.GRANITE, dense.llama),
    "hunyuan_v1_dense": Reader(defaults.HUNYUAN_DENSE, dense.normed),
    "internlm2": Reader(defaults.INTERNLM2, dense.internlm2),
    "internlm3": Reader(defaults.INTERNLM3, dense.internlm3),
    "llama": Reader(defaults.LLAMA, dense.llama),
    "mimo": Reader(defaults.MIMO, dense.mimo),
    "minicpm": Reader(defaults.MINICPM, dense.minicpm),
    "minicpm3": Reader(defaults.MINICPM3, dense.minicpm3),
    "ministral3": Reader(defaults.MINISTRAL3, dense.mistral),
    "mistral": Reader(defaults.MISTRAL, dense.mistral),
    "mistral3_text": Reader(defaults.MISTRAL3_TEXT, dense.mistral),
    "mpt": Reader(defaults.MPT, gpt.mpt),
    "nemotron": Reader(defaults.NEMOTRON, dense.nemotron),
    "olmo": Reader(defaults.OLMO, dense.llama),
    "olmo2": Reader(defaults.OLMO, dense.normed_whole),
    "olmo3": Reader(defaults.OLMO3, dense.olmo3),
    "opt": Reader(defaults.OPT, gpt.opt),
    "orion": Reader(defaults.LLAMA, dense.orion),
    "pangu_ultra": Reader(defaults.LLAMA, dense.llama),
    "phi": Reader(defaults.PHI, dense.phi),
    "phi3": Reader(defaults.PHI3, dense.mistral),
    "qwen": Reader(defaults.QWEN, dense.qwen),
    "qwen2": Reader(defaults.QWEN2, dense.qwen2),
    "qwen2_5_vl": Reader(defaults.QWEN2_VL, dense.qwen2),
    "qwen2_5_vl_text": Reader(defaults.QWEN2_VL, dense.qwen2),
    "qwen2_vl": Reader(defaults.QWEN2_VL, dense.qwen2),
    "qwen2_vl_text": Reader(defaults.QWEN2_VL, dense.qwen2),
    "qwen3": Reader(defaults.QWEN3, dense.qwen3),
    "qwen3_vl_text": Reader(defaults.QWEN3_VL, dense.qwen3),
    "seed_oss": Reader(defaults.SEED_OSS, dense.llama),
    "smollm3": Reader(defaults.SMOLLM3, dense.llama),
    "stablelm": Reader(defaults.STABLELM, dense.stablelm),
    "starcoder2": Reader(defaults.STARCODER2, dense.starcoder2),
    "xverse": Reader(defaults.BAICHUAN, dense.llama),
}

EXPERTS = {
    "arctic": Reader(defaults_experts.ARCTIC, experts.arctic),
    "bailing_moe": Reader(defaults_experts.BAILING_MOE, experts.bailing),
    "bailing_moe_v2": Reader(defaults_experts.BAILING_MOE, experts.bailing),
    "dbrx": Reader(defaults_experts.DBRX, experts.dbrx),
    "deepseek": Reader(defaults_experts.DEEPSEEK, experts.deepseek_first),
    "deepseek_v2": Reader(defaults_experts.DEEPSEEK_V2, experts.deepseek),
    "deepseek_v3": Reader(defaults_experts.DEEPSEEK_V3, experts.deepseek),
    "dots1": Reader(defaults_experts.DOTS1, experts.dots1),
    "ernie4_5_moe": Reader(defaults_experts.ERNIE4_5_MOE, experts.ernie_moe),
    "glm4_moe": Reader(defaults_experts.GLM4_MOE, experts.glm4_moe),
    "gpt_oss": Reader(defaults_experts.GPT_OSS, experts.gpt_oss),
    "granitemoe": Reader(defaults_experts.GRANITEMOE, experts.granitemoe),
    "granitemoeshared": Reader(defaults_experts.GRANITEMOE, experts.granitemoe),
    "grok-1": Reader(defaults_experts.GROK1, experts.grok),
    "hunyuan": Reader(defaults_experts.HUNYUAN_MOE, experts.hunyuan_moe),
    "hunyuan_v1_moe": Reader(defaults_experts.HUNYUAN_MOE, experts.hunyuan_moe),
    "kimi_k2": Reader(defaults_experts.KIMI_K2, experts.deepseek),
    "longcat_flash": Reader(defaults_experts.LONGCAT_FLASH, experts.longcat_flash),
    "minimax_m2": Reader(defaults_experts.MINIMAX_M2, experts.minimax_m2),
    "mixtral": Reader(defaults_experts.MIXTRAL, experts.mixtral),
    "olmoe": Reader(defaults_experts.OLMOE, experts.olmoe),
    "pangu_ultra_moe": Reader(defaults_experts.PANGU_ULTRA_MOE, experts.deepseek),
    "phimoe": Reader(defaults_experts.PHIMOE, experts.phimoe),
    "qwen2_moe": Reader(defaults_experts.QWEN2_MOE, experts.qwen2_moe),
    "qwen3_moe": Reader(defaults_experts.QWEN3_MOE, experts.qwen3_moe),
    "qwen3_vl_moe_text": Reader(defaults_experts.QWEN3_VL_MOE, experts.qwen3_moe),
}

HYBRIDS = {
    "bamba": Reader(defaults_hybrids.BAMBA, hybrids.bamba),
    "falcon_h1": Reader(defaults_hybrids.FALCON_H1, hybrids.falcon_h1),
    "falcon_mamba": Reader(defaults_hybrids.MAMBA, hybrids.mamba),
    "granitemoehybrid": Reader(defaults_hybrids.GRANITE_HYBRID, hybrids.granite_hybrid),
    "jamba": Reader(defaults_hybrids.JAMBA, hybrids.jamba),
    "kimi_linear": Reader(defaults_hybrids.KIMI_LINEAR, hybrids.kimi_linear),
    "lfm2": Reader(defaults_hybrids.LFM2, hybrids.lfm2),
    "lfm2_moe": Reader(defaults_hybrids.LFM2_MOE, hybrids.lfm2_moe),
    "mamba": Reader(defaults_hybrids.MAMBA, hybrids.mamba),
    "mamba2": Reader(defaults_hybrids.MAMBA2, hybrids.mamba2),
    "minimax": Reader(defaults_hybrids.MINIMAX, hybrids.minimax),
    "minimax_m1": Reader(defaults_hybrids.MINIMAX, hybrids.minimax),
    "minimax_text_01": Reader(defaults_hybrids.MINIMAX, hybrids.minimax),
    "nemotron_h": Reader(defaults_hybrids.NEMOTRON_H, hybrids.nemotron_h),
    "qwen3_5_moe_text": Reader(defaults_hybrids.QWEN3_5_MOE, hybrids.qwen3_next),
    "qwen3_5_text": Reader(defaults_hybrids.QWEN3_5, hybrids.qwen3_5),
    "qwen3_next": Reader(defaults_hybrids.QWEN3_NEXT, hybrids.qwen3_next),
}

VARIED = {
    "deepseek_v32": Reader(defaults_hybrids.DEEPSEEK_V32, varied.deepseek_v32),
    "deepseek_v4": Reader(defaults_hybrids.DEEPSEEK_V4, varied.deepseek_v4),
    "gemma3n_text": Reader(defaults_hybrids.GEMMA3N, varied.gemma3n),
    "gemma4_text": Reader(defaults_hybrids.GEMMA4, varied.gemma4),
    "glm_moe_dsa": Reader(defaults_hybrids.GLM_MOE_DSA, varied.glm_moe_dsa),
    "llama4_text": Reader(defaults_hybrids.LLAMA4, varied.llama4),
    "mimo_v2_flash": Reader(defaults_hybrids.MIMO_V2, varied.mimo_v2),
    "nemotron-nas": Reader(defaults_hybrids.NEMOTRON_NAS, varied.nemotron_nas),
    "openelm": Reader(defaults_hybrids.OPENELM, varied.openelm),
    "step3p5": Reader(defaults_hybrids.STEP3P5, varied.step3p5),
    "step3p7": Reader(defaults_hybrids.STEP3P5, varied.step3p5),
}

READERS: dict[str, Reader] = DENSE | EXPERTS | HYBRIDS | VARIED

# Types whose layers are not all of a kind that is built: what is missing, one line each
UNBUILT = {
    "minimax_m3": "sparse attention behind an indexer, whose choice its file doesn't give the size of",
    "minimax_m3_vl_text": "sparse attention behind an indexer, whose choice its file doesn't give the size of",
    "step3": "queries of low rank with one key-value head (multi-matrix factorization attention)",
    "step3_text": "queries of low rank with one key-value head (multi-matrix factorization attention)",
    "zamba2": "attention blocks whose weights several layers share",
}
