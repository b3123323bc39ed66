"""What is assumed of a training where nobody says: the field's habits, each with its source."""

from __future__ import annotations

SEQUENCE_LENGTH = 4096
TOKENS_A_STEP = 4 * 2**20  # Llama 2's global batch of 4 M tokens. Source: Touvron et al. 2023, arXiv 2307.09288
# The software that is assumed where none is named: the one that most people train with on a vendor's chips.
USUAL_STACKS = {
    "nvidia": "megatron-core-2025",
    "huawei": "mindspeed-llm-2024",
    "amd": "megatron-rocm-2025",
    "google": "maxtext-2025",
    "amazon": "neuronx-2025",
    "intel": "gaudi-deepspeed-2024",
    "moore-threads": "megatron-musa-2025",
}
# What a claim is granted: the software that goes furthest on a vendor's chips, for dense models and for mixtures.
BEST_STACKS = {
    "nvidia": ("megatron-core-2025", "deepseek-v3-hai-llm"),
    "huawei": ("pangu-ultra-2025", "pangu-ultra-2025"),
    "amd": ("megatron-rocm-2025", "megatron-rocm-2025"),
    "google": ("maxtext-2025", "maxtext-2025"),
    "amazon": ("neuronx-2025", "neuronx-2025"),
    "intel": ("gaudi-deepspeed-2024", "gaudi-deepspeed-2024"),
    "moore-threads": ("megatron-musa-2025", "megatron-musa-2025"),
}
# Sequences and batches that a claim is granted: large models are trained on 8 K tokens and 16 M tokens a step.
# Source: Llama 3, arXiv 2407.21783, section 3.4.1.
CLAIM_SEQUENCES = (4096, 8192)
LONG_SEQUENCE = 32768  # the long context of published Ascend runs (mindspeed-llm's tables go to 32 K)
CLAIM_TOKENS_A_STEP = 16 * 2**20
CLAIM_DEVICES = (512, 2048, 8192)


def usual_stack_note(stack: str, vendor: str) -> str:
    """What a reader of results should know where nobody named the software."""
    return f"assumed: stack {stack}, the usual one on chips of {vendor}"
