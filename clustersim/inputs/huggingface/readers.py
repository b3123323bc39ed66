"""Every model type that is read: what its class fills in, and the function that reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from clustersim.inputs.huggingface import defaults, defaults_experts, dense, experts, gpt
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
    "exaone4": Reader(defaults.EXAONE4, dense.gemma3),
    "falcon": Reader(defaults.FALCON, gpt.falcon),
    "gemma": Reader(defaults.GEMMA, dense.llama),
    "gemma2": Reader(defaults.GEMMA2, dense.every_nth_full),
    "gemma3_text": Reader(defaults.GEMMA3, dense.gemma3),
    "glm": Reader(defaults.GLM, dense.llama),
    "glm4": Reader(defaults.GLM, dense.llama),
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
    "qwen2_vl": Reader(defaults.QWEN2_VL, dense.qwen2),
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
    "deepseek_v4": Reader(defaults_experts.DEEPSEEK_V4, experts.deepseek_v4),
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

READERS: dict[str, Reader] = DENSE | EXPERTS

# Types whose layers are not all of a kind that is built: what is missing, one line each
UNBUILT = {
    "bamba": "layers of Mamba-2 between layers of attention",
    "deepseek_v32": "sparse attention behind an indexer (DSA)",
    "falcon_h1": "Mamba-2 beside attention in every layer",
    "falcon_mamba": "layers of Mamba",
    "gemma3n_text": "several residual streams (AltUp), low-rank residuals (Laurel) and embeddings of each layer's own",
    "gemma4_text": "layers whose heads differ between window and whole sequence",
    "glm_moe_dsa": "sparse attention behind an indexer (DSA)",
    "granitemoehybrid": "layers of Mamba-2 between layers of attention",
    "jamba": "layers of Mamba between layers of attention",
    "kimi_linear": "layers of Kimi delta attention (KDA) between layers of latent attention",
    "lfm2": "layers of short convolutions between layers of attention",
    "lfm2_moe": "layers of short convolutions between layers of attention",
    "llama4_text": "attention to chunks of the sequence",
    "mamba": "layers of Mamba",
    "mamba2": "layers of Mamba-2",
    "mimo_v2_flash": "layers whose heads differ between window and whole sequence",
    "minimax": "layers of lightning attention between layers of softmax attention",
    "minimax_text_01": "layers of lightning attention between layers of softmax attention",
    "minimax_m1": "layers of lightning attention between layers of softmax attention",
    "minimax_m3": "sparse attention behind an indexer",
    "nemotron-nas": "layers whose heads and widths differ one by one",
    "nemotron_h": "layers of Mamba-2, and layers that are attention or feed-forward alone",
    "qwen3_5_moe_text": "layers of Gated DeltaNet between layers of gated attention",
    "qwen3_5_text": "layers of Gated DeltaNet between layers of gated attention",
    "qwen3_next": "layers of Gated DeltaNet between layers of gated attention",
    "step3p7": "layers whose heads differ between window and whole sequence",
    "step3": "queries of low rank with one key-value head (multi-matrix factorization attention)",
    "zamba2": "layers of Mamba-2 with attention blocks whose weights several layers share",
}
